//! Between the services and what they connect to: a line that can be cut, slowed and silenced.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
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
    /// Connections that are there never move again, without a word; new ones work. As when a machine
    /// has lost its power and another has its address.
    Lost,
}

/// The most bytes that pass at once.
const PIECE: usize = 16 * 1024;

/// One such line. It is open for as long as this value lives.
pub(crate) struct Proxy {
    port: u16,
    listener: Option<TcpListener>,
    weather: watch::Sender<Weather>,
    /// How often all connections were lost.
    losses: Arc<AtomicUsize>,
}

impl Proxy {
    /// Takes a port; who connects to it waits until there is somewhere to lead to.
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let weather = watch::Sender::new(Weather::Calm);
        Self { port, listener: Some(listener), weather, losses: Arc::default() }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Leads all connections to this port.
    pub(crate) fn lead_to(&mut self, port: u16) {
        let listener = self.listener.take().expect("it leads to one place");
        tokio::spawn(accept(listener, port, self.weather.subscribe(), self.losses.clone()));
    }

    pub(crate) fn set(&self, weather: Weather) {
        if weather == Weather::Lost {
            self.losses.fetch_add(1, Ordering::SeqCst);
        }
        self.weather.send_replace(weather);
    }
}

/// Until the proxy is dropped.
async fn accept(
    listener: TcpListener,
    to: u16,
    mut weather: watch::Receiver<Weather>,
    losses: Arc<AtomicUsize>,
) {
    loop {
        select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                let born = losses.load(Ordering::SeqCst);
                let losses = losses.clone();
                let is_lost = move || losses.load(Ordering::SeqCst) != born;
                tokio::spawn(carry(client, to, weather.clone(), is_lost));
            }
            changed = weather.changed() => if changed.is_err() { return },
        }
    }
}

/// Carries one connection's bytes both ways until either side ends it, or it is cut.
async fn carry(
    client: TcpStream,
    to: u16,
    mut weather: watch::Receiver<Weather>,
    is_lost: impl Fn() -> bool + Clone,
) {
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
        _ = pump(from_client, to_server, out, is_lost.clone()) => {}
        _ = pump(from_server, to_client, back, is_lost) => {}
        _ = weather.wait_for(|weather| *weather == Weather::Cut) => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
    is_lost: impl Fn() -> bool,
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
        if is_lost() {
            continue;
        }
        if let Weather::Slow(by) = now {
            tokio::time::sleep(by).await;
        }
        to.write_all(&piece[..length]).await?;
    }
}
