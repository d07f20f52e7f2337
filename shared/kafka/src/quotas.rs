//! Client quotas, which librdkafka knows nothing of. Two requests of Kafka's protocol, spoken by hand.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::error::{AdminError, unavailable};

/// `DescribeClientQuotas` and `AlterClientQuotas` (KIP-546), version 0: the last without flexible
/// fields. Brokers pass the second on to the controller.
const DESCRIBE: i16 = 48;
const ALTER: i16 = 49;
const API_VERSION: i16 = 0;
/// How long Kafka may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// An answer names the clients that were asked about; more than this is no answer.
const ANSWER_MAX: usize = 1024 * 1024;

const PRODUCER: &str = "producer_byte_rate";
const CONSUMER: &str = "consumer_byte_rate";

/// What becomes of a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Limit {
    /// It stays as it is.
    #[default]
    Leave,
    /// There is none any more.
    Remove,
    /// So many bytes a second.
    Set(u32),
}

/// How much a client may send to, and fetch from, each broker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quota {
    /// For producing.
    pub producer: Limit,
    /// For consuming.
    pub consumer: Limit,
}

/// A quota as Kafka has it.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientQuota {
    /// The client id; `None` for what all clients have that have none of their own.
    pub client: Option<String>,
    /// What it may send to each broker, in bytes a second, if that is limited.
    pub producer_bytes: Option<f64>,
    /// What it may fetch from each broker, in bytes a second, if that is limited.
    pub consumer_bytes: Option<f64>,
}

/// Sets the quota of each of these client ids. Kafka slows down a client that is above it; nothing
/// is lost by that.
pub async fn set_quotas(brokers: &str, clients: &[String], quota: Quota) -> Result<(), AdminError> {
    let answer = ask_any(brokers, &alter(clients, quota)).await?;
    match refusal(&answer) {
        None => Err(cut_off()),
        Some(Ok(())) => Ok(()),
        Some(Err(why)) => Err(AdminError::Refused(format!("setting client quotas: {why}"))),
    }
}

/// The quotas that are set for these client ids, and for all clients that have none of their own.
pub async fn quotas(brokers: &str, clients: &[String]) -> Result<Vec<ClientQuota>, AdminError> {
    let answer = ask_any(brokers, &describe()).await?;
    let mut found = described(&answer).ok_or_else(cut_off)?.map_err(AdminError::Refused)?;
    found.retain(|quota| quota.client.as_ref().is_none_or(|client| clients.contains(client)));
    Ok(found)
}

fn cut_off() -> AdminError {
    AdminError::Refused("its answer about client quotas is cut off".to_owned())
}

/// The answer of the first broker that gives one.
async fn ask_any(brokers: &str, request: &[u8]) -> Result<Vec<u8>, AdminError> {
    let mut last = "no broker is named".to_owned();
    for broker in brokers.split(',') {
        match timeout(TIMEOUT, ask(broker, request)).await {
            Ok(Ok(answer)) => return Ok(answer),
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

fn header(api: i16) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(api.to_be_bytes());
    out.extend(API_VERSION.to_be_bytes());
    out.extend(1_i32.to_be_bytes()); // correlation id
    put_text(&mut out, "farandole");
    out
}

fn alter(clients: &[String], quota: Quota) -> Vec<u8> {
    let mut out = header(ALTER);
    put_count(&mut out, clients.len());
    for client in clients {
        put_count(&mut out, 1);
        put_text(&mut out, "client-id");
        put_text(&mut out, client);
        let limits = [(PRODUCER, quota.producer), (CONSUMER, quota.consumer)];
        let limits = limits.into_iter().filter(|(_, limit)| *limit != Limit::Leave);
        put_count(&mut out, limits.clone().count());
        for (name, limit) in limits {
            put_text(&mut out, name);
            let (rate, remove) = match limit {
                Limit::Set(rate) => (rate, 0),
                Limit::Remove | Limit::Leave => (0, 1),
            };
            out.extend(f64::from(rate).to_be_bytes());
            out.push(remove);
        }
    }
    out.push(0); // do it, don't only check it
    out
}

fn describe() -> Vec<u8> {
    let mut out = header(DESCRIBE);
    put_count(&mut out, 1);
    put_text(&mut out, "client-id");
    out.push(2); // any, and the default
    out.extend((-1_i16).to_be_bytes()); // no name
    out.push(1); // strict: no quotas of users
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

/// What is left of an answer.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn count(&mut self) -> Option<usize> {
        // Minus one stands for none.
        Some(usize::try_from(i32::from_be_bytes(self.take()?)).unwrap_or(0))
    }

    fn code(&mut self) -> Option<i16> {
        self.take().map(i16::from_be_bytes)
    }

    /// Empty where there is none.
    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.code()?).unwrap_or(0);
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// The client id that an entry is about; empty for all others'.
    fn client(&mut self) -> Option<String> {
        let mut client = String::new();
        for _ in 0..self.count()? {
            let (_kind, name) = (self.text()?, self.text()?);
            client = name;
        }
        Some(client)
    }
}

/// What Kafka answers to a change: an error for one of the clients, if there is one; `None` if the
/// answer is cut off.
fn refusal(answer: &[u8]) -> Option<Result<(), String>> {
    let mut reader = Reader(answer);
    let (_correlation, _throttled) = (reader.take::<4>()?, reader.take::<4>()?);
    for _ in 0..reader.count()? {
        let (code, why) = (reader.code()?, reader.text()?);
        let client = reader.client()?;
        if code != 0 {
            return Some(Err(format!("{client}: error {code}: {why}")));
        }
    }
    Some(Ok(()))
}

/// The quotas of an answer, or why there are none; `None` if it is cut off.
fn described(answer: &[u8]) -> Option<Result<Vec<ClientQuota>, String>> {
    let mut reader = Reader(answer);
    let (_correlation, _throttled) = (reader.take::<4>()?, reader.take::<4>()?);
    let (code, why) = (reader.code()?, reader.text()?);
    if code != 0 {
        return Some(Err(format!("client quotas: error {code}: {why}")));
    }
    let mut found = Vec::new();
    for _ in 0..reader.count()? {
        let client = Some(reader.client()?).filter(|client| !client.is_empty());
        let mut quota = ClientQuota { client, producer_bytes: None, consumer_bytes: None };
        for _ in 0..reader.count()? {
            let (name, rate) = (reader.text()?, f64::from_be_bytes(reader.take()?));
            match name.as_str() {
                PRODUCER => quota.producer_bytes = Some(rate),
                CONSUMER => quota.consumer_bytes = Some(rate),
                _ => {}
            }
        }
        if quota.producer_bytes.is_some() || quota.consumer_bytes.is_some() {
            found.push(quota);
        }
    }
    Some(Ok(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer to a change, with these codes.
    fn answer(codes: &[i16]) -> Vec<u8> {
        let mut out = vec![0; 8];
        put_count(&mut out, codes.len());
        for code in codes {
            out.extend(code.to_be_bytes());
            out.extend((-1_i16).to_be_bytes());
            put_count(&mut out, 1);
            put_text(&mut out, "client-id");
            put_text(&mut out, &format!("client {code}"));
        }
        out
    }

    #[test]
    fn each_clients_refusal_is_seen() {
        assert_eq!(refusal(&answer(&[0, 0])), Some(Ok(())));
        assert_eq!(refusal(&answer(&[0, 29])), Some(Err("client 29: error 29: ".to_owned())));
        let cut = answer(&[0, 29]);
        assert_eq!(refusal(&cut[..cut.len() - 1]), None);
    }
}
