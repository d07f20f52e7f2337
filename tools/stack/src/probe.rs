use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::database;

/// One question; the next follows at once, until the start's own limit.
const LIMIT: Duration = Duration::from_secs(2);

/// Asks a part for a sign of real life, not just for an open port.
pub(crate) enum Probe {
    Kafka,
    Registry {
        management_port: u16,
    },
    Postgres,
    /// A service that says `/health/ready`.
    Service,
}

impl Probe {
    pub(crate) async fn answers(&self, port: u16) -> bool {
        let answer = async {
            match self {
                Self::Kafka => kafka_lists_a_broker(port).await.unwrap_or(false),
                Self::Registry { management_port } => is_ready(*management_port).await,
                Self::Service => is_ready(port).await,
                Self::Postgres => database::answers(port).await,
            }
        };
        timeout(LIMIT, answer).await.unwrap_or(false)
    }
}

/// A Metadata request, version 4, without topics. Unlike the log it works again after a restart,
/// and unlike `ApiVersions` it tells whether the controller lets the broker serve: it lists
/// only brokers that may.
async fn kafka_lists_a_broker(port: u16) -> std::io::Result<bool> {
    const REQUEST: [u8; 19] = [
        0, 0, 0, 15, // length of what follows
        0, 3, 0, 4, // Metadata, version 4
        0, 0, 0, 1, // correlation id
        0xff, 0xff, // no client id
        0, 0, 0, 0, // no topics
        0, // create none
    ];
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.write_all(&REQUEST).await?;
    let _length = stream.read_i32().await?;
    let _correlation_id = stream.read_i32().await?;
    let _throttle_time_ms = stream.read_i32().await?;
    let brokers = stream.read_i32().await?;
    Ok(brokers > 0)
}

async fn is_ready(port: u16) -> bool {
    let url = format!("http://127.0.0.1:{port}/health/ready");
    reqwest::get(url).await.is_ok_and(|answer| answer.status().is_success())
}
