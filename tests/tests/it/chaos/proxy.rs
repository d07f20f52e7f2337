//! Between the services and what they connect to: a line that can be cut, slowed and silenced.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::sync::watch;

/// What happens to bytes on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    /// They arrive.
    Calm,
    /// Each piece takes this much longer.
    Slow(Duration),
    /// They wait, and so does everybody else; connections stay open.
    Silent,
    /// Connections break, and new ones do, too.
    Cut,
}

/// The most bytes that pass at once.
const PIECE: usize = 16 * 1024;

/// One such line. It is open for as long as this value lives.
pub(crate) struct Proxy {
    port: u16,
    listener: Option<TcpListener>,
    weather: watch::Sender<Weather>,
}

impl Proxy {
    /// Takes a port; who connects to it waits until there is somewhere to lead to.
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { port, listener: Some(listener), weather: watch::Sender::new(Weather::Calm) }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Leads all connections to this port.
    pub(crate) fn lead_to(&mut self, port: u16) {
        let listener = self.listener.take().expect("it leads to one place");
        tokio::spawn(accept(listener, port, self.weather.subscribe()));
    }

    pub(crate) fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

/// Until the proxy is dropped.
async fn accept(listener: TcpListener, to: u16, mut weather: watch::Receiver<Weather>) {
    loop {
        select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                tokio::spawn(carry(client, to, weather.clone()));
            }
            changed = weather.changed() => if changed.is_err() { return },
        }
    }
}

/// Carries one connection's bytes both ways until either side ends it, or it is cut.
async fn carry(client: TcpStream, to: u16, mut weather: watch::Receiver<Weather>) {
    if *weather.borrow() == Weather::Cut {
        return;
    }
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await else { return };
    // Small questions and answers must not wait for more of them.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (out, back) = (weather.clone(), weather.clone());
    select! {
        _ = pump(from_client, to_server, out) => {}
        _ = pump(from_server, to_client, back) => {}
        _ = weather.wait_for(|weather| *weather == Weather::Cut) => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let length = from.read(&mut piece).await?;
        if length == 0 {
            return Ok(());
        }
        // Ends with the proxy.
        let heard = weather.wait_for(|weather| *weather != Weather::Silent).await;
        let now = *heard.map_err(io::Error::other)?;
        if let Weather::Slow(by) = now {
            tokio::time::sleep(by).await;
        }
        to.write_all(&piece[..length]).await?;
    }
}
