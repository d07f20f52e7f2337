use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use contracts::Envelope;
use kernel::error_chain;
use rdkafka::message::{Headers as _, Message as _, OwnedMessage};
use serde_json::Value;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::error::{AdminError, stays, unavailable};
use crate::payloads::{PayloadError, Payloads};
use crate::registry::Registry;
use crate::standalone::{Standalone, Window, assign, config, create};

/// How soon the reading thread notices that nobody reads any more.
const POLL: Duration = Duration::from_millis(100);

/// Records fetched ahead of the caller; librdkafka has a buffer of its own.
const BUFFER: usize = 256;

/// Where an [`EventReader`] begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFrom {
    /// With the oldest record that the topics still hold.
    Beginning,
    /// With what comes after opening.
    Now,
}

impl ReadFrom {
    /// Where it begins in a partition.
    pub(crate) fn offset_in(self, window: &Window) -> i64 {
        match self {
            Self::Beginning => window.from,
            Self::Now => window.to,
        }
    }
}

/// One record of a topic.
#[derive(Debug, Clone)]
pub struct EventRecord {
    /// The topic.
    pub topic: String,
    /// Its partition there.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// The event that it is, or why it cannot be read.
    pub event: Result<ReadEvent, String>,
}

/// An event as its writer's schema tells it.
#[derive(Debug, Clone)]
pub struct ReadEvent {
    /// Its headers.
    pub envelope: Envelope,
    /// Its fields by name. Logical types stay as Avro has them: a UUID is text, a time is a
    /// number of milliseconds.
    pub payload: Value,
}

/// Why reading does not go on. The reader stays usable: trying again may help.
#[derive(Debug, Error)]
pub enum ReadError {
    /// Kafka is away, or a topic is not there.
    #[error(transparent)]
    Kafka(#[from] AdminError),
    /// A schema is needed and the registry is away.
    #[error("{0}")]
    RegistryAway(String),
}

/// Reads all events of some topics by their writers' schemas, whatever they are. For tools: it
/// belongs to no consumer group and commits nothing.
///
/// Order is kept within a partition, so each saga's events from one service come in sequence.
/// Partitions added after opening are not read.
pub struct EventReader {
    brokers: String,
    polled: mpsc::Receiver<Result<OwnedMessage, Trouble>>,
    /// Taken from Kafka, not yet given out; kept while the registry is away.
    pending: Option<OwnedMessage>,
    payloads: Payloads,
    ahead: Ahead,
}

/// Where each partition ended at opening, of those that were not read so far.
type Ahead = HashMap<(String, i32), i64>;

impl EventReader {
    /// Opens all partitions of these topics. Takes at most ten seconds.
    pub async fn open(
        brokers: &str,
        registry: Registry,
        topics: Vec<String>,
        from: ReadFrom,
    ) -> Result<Self, ReadError> {
        let to = brokers.to_owned();
        let (consumer, ahead) = spawn_blocking(move || connect(&to, &topics, from))
            .await
            .map_err(|error| unavailable(brokers, error.to_string()))??;
        let (sender, polled) = mpsc::channel(BUFFER);
        // Polling blocks, and so does closing the consumer: both happen over there, and end soon
        // after this reader is dropped.
        spawn_blocking(move || poll(&consumer, &sender));
        let payloads = Payloads::new(registry);
        Ok(Self { brokers: brokers.to_owned(), polled, pending: None, payloads, ahead })
    }

    /// Whether everything that the topics held at opening was given out.
    pub fn caught_up(&self) -> bool {
        self.ahead.is_empty()
    }

    /// The next record, or `None` when none comes within this long. A record that cannot be read
    /// is given out as well. Nothing is lost when this future is dropped.
    pub async fn next(&mut self, within: Duration) -> Result<Option<EventRecord>, ReadError> {
        if self.pending.is_none() {
            let Ok(polled) = tokio::time::timeout(within, self.polled.recv()).await else {
                return Ok(None);
            };
            let ended =
                || Trouble { reason: "the reading thread has ended".to_owned(), stays: false };
            let polled = polled.unwrap_or_else(|| Err(ended()));
            self.pending = Some(polled.map_err(|Trouble { reason, stays }| {
                if stays {
                    AdminError::Unreadable(reason)
                } else {
                    unavailable(&self.brokers, reason)
                }
            })?);
        }
        let Some(record) = &self.pending else { return Ok(None) };
        let event = match read(&mut self.payloads, record).await {
            Ok(event) => Ok(event),
            Err(PayloadError::Garbage(reason)) => Err(reason),
            Err(PayloadError::Registry(error)) => {
                return Err(ReadError::RegistryAway(error.to_string()));
            }
        };
        let (topic, partition) = (record.topic().to_owned(), record.partition());
        let offset = record.offset();
        self.pending = None;
        let place = (topic, partition);
        if self.ahead.get(&place).is_some_and(|end| offset + 1 >= *end) {
            self.ahead.remove(&place);
        }
        Ok(Some(EventRecord { topic: place.0, partition, offset, event }))
    }
}

/// The event that a record is.
async fn read(payloads: &mut Payloads, record: &OwnedMessage) -> Result<ReadEvent, PayloadError> {
    let garbage = |error: &dyn ToString| PayloadError::Garbage(error.to_string());
    // The client panics at a header whose name is not UTF-8. One record must not do that to us.
    let envelope = catch_unwind(AssertUnwindSafe(|| {
        let headers = record.headers().into_iter().flat_map(|all| all.iter());
        Envelope::parse(headers.map(|header| (header.key, header.value)))
    }))
    .map_err(|_| garbage(&"a header's name is not UTF-8"))?
    .map_err(|error| garbage(&error))?;
    Ok(ReadEvent { envelope, payload: payloads.read(record.payload()).await? })
}

/// A consumer of all partitions, and what lies ahead of it.
fn connect(
    brokers: &str,
    topics: &[String],
    from: ReadFrom,
) -> Result<(Standalone, Ahead), AdminError> {
    let consumer = create(&config(brokers), brokers)?;
    let held = assign(&consumer, brokers, topics, |window| from.offset_in(window))?;
    let ahead = held.into_iter().filter(|window| from.offset_in(window) < window.to);
    let ahead = ahead.map(|Window { topic, partition, to, .. }| ((topic, partition), to)).collect();
    Ok((consumer, ahead))
}

/// Why nothing comes, and whether that passes.
struct Trouble {
    reason: String,
    stays: bool,
}

/// Hands on what comes, until nobody listens.
fn poll(consumer: &Standalone, sender: &mpsc::Sender<Result<OwnedMessage, Trouble>>) {
    while !sender.is_closed() {
        let Some(polled) = consumer.poll(POLL) else { continue };
        let polled = polled
            .map(|record| record.detach())
            .map_err(|error| Trouble { reason: error_chain(&error), stays: stays(&error) });
        if sender.blocking_send(polled).is_err() {
            return;
        }
    }
}
