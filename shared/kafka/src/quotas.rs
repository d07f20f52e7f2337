//! Client quotas, which librdkafka cannot set. One request of Kafka's protocol, spoken by hand.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::error::{AdminError, unavailable};

/// `AlterClientQuotas` (KIP-546), version 0: the last without flexible fields. Brokers pass it on
/// to the controller.
const API_KEY: i16 = 49;
const API_VERSION: i16 = 0;
/// How long Kafka may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// An answer names the clients that were asked about; more than this is no answer.
const ANSWER_MAX: usize = 1024 * 1024;

/// How much a client may send to, and fetch from, each broker, in bytes a second. `None` leaves
/// that as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Quota {
    /// For producing.
    pub producer_bytes: Option<u32>,
    /// For consuming.
    pub consumer_bytes: Option<u32>,
}

/// Sets the quota of each of these client ids. Kafka slows down a client that is above it; nothing
/// is lost by that.
pub async fn set_quotas(brokers: &str, clients: &[String], quota: Quota) -> Result<(), AdminError> {
    let mut last = "no broker is named".to_owned();
    for broker in brokers.split(',') {
        match timeout(TIMEOUT, ask(broker, &request(clients, quota))).await {
            Ok(Ok(answer)) => return refusal(&answer).map_or(Ok(()), Err),
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => last = format!("no answer within {TIMEOUT:?}"),
        }
    }
    Err(unavailable(brokers, last))
}

/// Sends one request and returns the answer, without its length.
async fn ask(broker: &str, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(broker).await?;
    let length = u32::try_from(request.len()).map_err(io::Error::other)?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(request).await?;
    let length = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
    if length > ANSWER_MAX {
        return Err(io::Error::other("what answers is not Kafka"));
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

fn request(clients: &[String], quota: Quota) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(API_KEY.to_be_bytes());
    out.extend(API_VERSION.to_be_bytes());
    out.extend(1_i32.to_be_bytes()); // correlation id
    put_text(&mut out, "farandole");
    put_count(&mut out, clients.len());
    for client in clients {
        put_count(&mut out, 1);
        put_text(&mut out, "client-id");
        put_text(&mut out, client);
        let rates = [
            ("producer_byte_rate", quota.producer_bytes),
            ("consumer_byte_rate", quota.consumer_bytes),
        ];
        let rates = rates.into_iter().filter_map(|(name, rate)| Some((name, rate?)));
        put_count(&mut out, rates.clone().count());
        for (name, rate) in rates {
            put_text(&mut out, name);
            out.extend(f64::from(rate).to_be_bytes());
            out.push(0); // set it, don't remove it
        }
    }
    out.push(0); // do it, don't only check it
    out
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend(i32::try_from(count).unwrap_or(i32::MAX).to_be_bytes());
}

/// Text of the protocol has two bytes for its length; client ids are far shorter.
fn put_text(out: &mut Vec<u8>, text: &str) {
    let bytes = &text.as_bytes()[..text.len().min(0x7fff)];
    out.extend(i16::try_from(bytes.len()).unwrap_or(i16::MAX).to_be_bytes());
    out.extend(bytes);
}

/// What Kafka does not want to do, if so: the first client's error code and text.
fn refusal(answer: &[u8]) -> Option<AdminError> {
    // Correlation id, throttle time, number of entries; then the first entry's error code.
    let code = answer.get(12..14).map(|bytes| i16::from_be_bytes([bytes[0], bytes[1]]));
    let text = || {
        let length = answer.get(14..16)?;
        let length = usize::try_from(i16::from_be_bytes([length[0], length[1]])).ok()?;
        Some(String::from_utf8_lossy(answer.get(16..16 + length)?).into_owned())
    };
    match code {
        Some(0) => None,
        Some(code) => {
            let text = text().unwrap_or_else(|| format!("error {code}"));
            Some(AdminError::Refused(format!("setting client quotas: {text}")))
        }
        None => Some(AdminError::Refused("its answer about client quotas is cut off".to_owned())),
    }
}
