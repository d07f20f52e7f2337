//! Between an instance and Postgres: a line on which a server can vanish without a word.

use std::future::pending;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// When the server finds out that its client has vanished: as by the keepalives that are asked of
/// it, which nothing answers.
const NOTICED_AFTER: Duration = Duration::from_secs(25);

/// One such line. It is open for as long as this value lives.
pub(crate) struct Proxy {
    port: u16,
    /// How often the server has vanished.
    vanished: watch::Sender<u32>,
}

impl Proxy {
    /// Leads to this port.
    pub(crate) async fn open(to: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (vanished, times) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, to, times.clone()));
            }
        });
        Self { port, vanished }
    }

    /// This address of a server, by way of the proxy.
    pub(crate) fn instead_of(&self, port: u16, url: &str) -> String {
        let through = url.replace(&format!(":{port}/"), &format!(":{}/", self.port));
        assert_ne!(through, url);
        through
    }

    /// From here on no connection that there is moves a byte; new ones do.
    pub(crate) fn vanish(&self) {
        self.vanished.send_modify(|times| *times += 1);
    }
}

async fn carry(mut client: TcpStream, to: u16, mut vanished: watch::Receiver<u32>) {
    let before = *vanished.borrow();
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await.unwrap();
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let has_vanished = async { vanished.wait_for(|times| *times != before).await.is_ok() };
    let has_vanished = tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => false,
        has_vanished = has_vanished => has_vanished,
    };
    if has_vanished {
        tokio::time::sleep(NOTICED_AFTER).await;
        drop(server);
        // The client is not told.
        pending::<()>().await;
    }
}
