//! Records as no Kafka client would write them: any bytes, anywhere, in any partition.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long Kafka may take to acknowledge a record.
const LIMIT: Duration = Duration::from_secs(10);
/// An answer to one record is far shorter.
const ANSWER_MAX: usize = 4_096;

/// A record on its way into a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRecord {
    /// The topic.
    pub topic: String,
    /// Which partition of it, whatever the key says.
    pub partition: i32,
    /// The key, if there is one.
    pub key: Option<Vec<u8>>,
    /// What it says, if anything.
    pub payload: Option<Vec<u8>>,
    /// Names, which need not be text, and values.
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl RawRecord {
    /// Replaces, adds or, with `None`, removes a header.
    pub fn set_header(&mut self, name: &str, value: Option<&str>) {
        self.headers.retain(|(there, _)| there != name.as_bytes());
        let header = |value: &str| (name.as_bytes().to_vec(), Some(value.as_bytes().to_vec()));
        self.headers.extend(value.map(header));
    }
}

/// Sends a record straight to the broker, the only one of its cluster, and returns the offset it
/// got. After an error it may be there all the same.
pub async fn publish(broker: &str, record: &RawRecord) -> io::Result<i64> {
    let answer = timeout(LIMIT, ask(broker, &framed(&request(record)))).await??;
    // Correlation id, one topic, its name, one partition, its number; then what matters.
    let at = 4 + 4 + 2 + record.topic.len() + 4 + 4;
    let error = answer.get(at..at + 2).and_then(|bytes| bytes.try_into().ok());
    let offset = answer.get(at + 2..at + 10).and_then(|bytes| bytes.try_into().ok());
    match (error.map(i16::from_be_bytes), offset.map(i64::from_be_bytes)) {
        (Some(0), Some(offset)) => Ok(offset),
        (error, _) => Err(io::Error::other(format!("Kafka refuses the record: error {error:?}"))),
    }
}

async fn ask(broker: &str, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(broker).await?;
    stream.write_all(request).await?;
    let length = usize::try_from(stream.read_i32().await?).unwrap_or(ANSWER_MAX);
    let mut answer = vec![0; length.min(ANSWER_MAX)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// A Produce request, version 3 (Kafka's protocol guide).
fn request(record: &RawRecord) -> Vec<u8> {
    let mut request = Vec::new();
    request.extend(0_i16.to_be_bytes()); // Produce
    request.extend(3_i16.to_be_bytes()); // its version
    request.extend(1_i32.to_be_bytes()); // correlation id
    request.extend((-1_i16).to_be_bytes()); // no client id
    request.extend((-1_i16).to_be_bytes()); // no transaction
    request.extend((-1_i16).to_be_bytes()); // acknowledged by all replicas
    request.extend(10_000_i32.to_be_bytes()); // within so many milliseconds
    request.extend(1_i32.to_be_bytes()); // one topic
    request.extend(i16::try_from(record.topic.len()).unwrap().to_be_bytes());
    request.extend(record.topic.as_bytes());
    request.extend(1_i32.to_be_bytes()); // one partition
    request.extend(record.partition.to_be_bytes());
    request.extend(framed(&batch(record)));
    request
}

/// A record batch of one, magic 2.
fn batch(record: &RawRecord) -> Vec<u8> {
    let mut checked = Vec::new();
    checked.extend(0_i16.to_be_bytes()); // not compressed
    checked.extend(0_i32.to_be_bytes()); // last offset, from the first
    let now = jiff::Timestamp::now().as_millisecond().to_be_bytes();
    checked.extend([now, now].concat()); // first and last time
    checked.extend((-1_i64).to_be_bytes()); // no idempotent producer
    checked.extend((-1_i16).to_be_bytes()); // nor its epoch
    checked.extend((-1_i32).to_be_bytes()); // nor its number
    checked.extend(1_i32.to_be_bytes()); // one record
    let mut fields = vec![0, 0, 0]; // attributes, and the differences in time and offset
    put_bytes(&mut fields, record.key.as_deref());
    put_bytes(&mut fields, record.payload.as_deref());
    put_number(&mut fields, length(&record.headers));
    for (name, value) in &record.headers {
        put_bytes(&mut fields, Some(name));
        put_bytes(&mut fields, value.as_deref());
    }
    put_bytes(&mut checked, Some(&fields));

    let mut rest = (-1_i32).to_be_bytes().to_vec(); // leader epoch unknown
    rest.push(2); // magic
    rest.extend(crc32c(&checked).to_be_bytes());
    rest.extend(checked);
    [&0_i64.to_be_bytes()[..], &framed(&rest)].concat()
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    [&i32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

fn put_bytes(into: &mut Vec<u8>, bytes: Option<&[u8]>) {
    put_number(into, bytes.map_or(-1, length));
    into.extend(bytes.unwrap_or_default());
}

fn length<T>(of: &[T]) -> i32 {
    i32::try_from(of.len()).unwrap()
}

/// A number of variable length, zigzag.
fn put_number(into: &mut Vec<u8>, number: i32) {
    let mut rest = ((number << 1) ^ (number >> 31)).cast_unsigned();
    while rest >= 0x80 {
        into.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
        rest >>= 7;
    }
    into.push(u8::try_from(rest).unwrap());
}

/// Castagnoli's checksum, bit by bit: there is little to check.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_that_kafka_computes() {
        // RFC 3720, B.4.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    }

    #[test]
    fn numbers_take_as_many_bytes_as_they_need() {
        for (number, expected) in [(0, vec![0]), (-1, vec![1]), (64, vec![0x80, 1])] {
            let mut bytes = Vec::new();
            put_number(&mut bytes, number);
            assert_eq!(bytes, expected);
        }
    }
}
