//! A registry that answers what a test says.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What it was asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    /// Method and path, such as `GET /config`.
    pub(crate) line: String,
    pub(crate) authorization: Option<String>,
    pub(crate) body: String,
}

/// What it answers.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// A status and a body.
    Whole(u16, String),
    /// The same, after a while.
    Late(Duration, u16, String),
    /// Only the beginning of a body.
    Cut(u16, String),
    /// Nothing, for ever.
    Silence,
}

pub(crate) struct Fake {
    /// Its base URL, without a slash at its end.
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Fake {
    pub(crate) async fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        Self::serve(None, answer).await
    }

    /// The same answer to everything.
    pub(crate) async fn saying(answer: Answer) -> Self {
        Self::start(move |_| answer.clone()).await
    }

    /// With TLS, if so.
    pub(crate) async fn serve(
        tls: Option<TlsAcceptor>,
        answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://localhost:{}", listener.local_addr().unwrap().port());
        let asked = Arc::<Mutex<Vec<Request>>>::default();
        let (answer, seen) = (Arc::new(answer), asked.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answer, seen, tls) = (answer.clone(), seen.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => converse(stream, &seen, &*answer).await,
                        // Who does not believe the certificate goes away.
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => converse(stream, &seen, &*answer).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        Self { url, asked }
    }

    pub(crate) fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|request| request.line).collect()
    }
}

/// One request and its answer; `None` if the client goes away.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    asked: &Mutex<Vec<Request>>,
    answer: impl Fn(&Request) -> Answer,
) -> Option<()> {
    let request = read(&mut stream).await?;
    asked.lock().unwrap().push(request.clone());
    let (status, body, length) = match answer(&request) {
        Answer::Whole(status, body) => (status, body.clone(), body.len()),
        Answer::Late(after, status, body) => {
            tokio::time::sleep(after).await;
            (status, body.clone(), body.len())
        }
        Answer::Cut(status, body) => (status, body.clone(), body.len() + 100),
        Answer::Silence => std::future::pending().await,
    };
    let answer = format!(
        "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Request> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let header = |name: &str| {
                let mut lines = head.lines().filter_map(|line| line.split_once(": "));
                Some(lines.find(|(there, _)| there.eq_ignore_ascii_case(name))?.1.to_owned())
            };
            let length = header("content-length").map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return Some(Request {
                    line: head.lines().next()?.strip_suffix(" HTTP/1.1")?.to_owned(),
                    authorization: header("authorization"),
                    body: body.to_owned(),
                });
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// An address of this machine where nothing listens.
pub(crate) async fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}
