//! What the service calls: a server of the test's own, for services in this process and others.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use farandole_messaging::CallError;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Answer,
    /// The answer comes after this long.
    Slow(Duration),
    /// The call waits until the mood is another.
    Wait,
    /// The same at this destination; at others the call is answered.
    WaitAt(&'static str),
    /// The connection is closed without an answer.
    HangUp,
}

impl Mood {
    fn waits(self, destination: &str) -> bool {
        self == Self::Wait || matches!(self, Self::WaitAt(there) if there == destination)
    }
}

/// What was seen of the calls.
#[derive(Debug, Default, Clone)]
pub(crate) struct Calls {
    /// The idempotency keys, in the order in which the calls came.
    pub(crate) keys: Vec<String>,
    /// When they came.
    pub(crate) times: Vec<Instant>,
    pub(crate) running: usize,
    pub(crate) most_running: usize,
}

pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    mood: watch::Sender<Mood>,
    calls: Arc<Mutex<Calls>>,
}

impl Gateway {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mood, moods) = watch::channel(Mood::Answer);
        let calls = Arc::<Mutex<Calls>>::default();
        tokio::spawn({
            let calls = calls.clone();
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(attend(stream, moods.clone(), calls.clone()));
                }
            }
        });
        Self { address, mood, calls }
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    pub(crate) fn calls(&self) -> Calls {
        self.calls.lock().unwrap().clone()
    }
}

async fn attend(stream: TcpStream, mut moods: watch::Receiver<Mood>, calls: Arc<Mutex<Calls>>) {
    let (reading, mut writing) = stream.into_split();
    let mut reading = BufReader::new(reading);
    let mut line = String::new();
    if reading.read_line(&mut line).await.is_err() {
        return;
    }
    let (key, destination) = line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""));
    {
        let mut calls = calls.lock().unwrap();
        calls.keys.push(key.to_owned());
        calls.times.push(Instant::now());
        calls.running += 1;
        calls.most_running = calls.most_running.max(calls.running);
    }
    let mut gone = [0];
    let mood = tokio::select! {
        mood = moods.wait_for(|mood| !mood.waits(destination)) => mood.map(|mood| *mood).ok(),
        // Whoever called does not wait any longer.
        _ = reading.read(&mut gone) => None,
    };
    if let Some(Mood::Slow(wait)) = mood {
        tokio::time::sleep(wait).await;
    }
    calls.lock().unwrap().running -= 1;
    if matches!(mood, Some(Mood::Answer | Mood::Slow(_) | Mood::WaitAt(_))) {
        let _ = writing.write_all(format!("answer to {key}\n").as_bytes()).await;
    }
}

/// Asks the gateway, as the service does.
pub(crate) async fn ask(
    gateway: SocketAddr,
    key: &str,
    destination: &str,
) -> Result<String, CallError> {
    let unknown = |error: std::io::Error| CallError(error.to_string());
    let mut stream = TcpStream::connect(gateway).await.map_err(unknown)?;
    stream.write_all(format!("{key} {destination}\n").as_bytes()).await.map_err(unknown)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).await.map_err(unknown)?;
    match answer.trim_end() {
        "" => Err(CallError("the gateway hung up".to_owned())),
        answer => Ok(answer.to_owned()),
    }
}
