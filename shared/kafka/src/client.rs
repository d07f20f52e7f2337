use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use kernel::error_chain;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::statistics::Statistics;
use thiserror::Error;
use tokio::sync::Notify;

use crate::refusals::note_refusal;

/// How long Kafka may take to acknowledge a record before the relay sends the batch again.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(30);

/// How much later the client may tell what has become of a record.
const REPORT_GRACE: Duration = Duration::from_secs(10);

/// How long to wait for acknowledgements before looking whether somebody still wants them. rdkafka
/// spins for the last millisecond of each wait (its `ThreadedProducer`, with a hundredth of this,
/// costs half a percent of a core when idle).
const POLL: Duration = Duration::from_secs(10);

/// Up to so many records go out at once: each in a request of its own if need be, and so many may be
/// under way (`max.in.flight.requests.per.connection` of an idempotent producer).
const FEW: usize = 5;

/// How long librdkafka waits for more records than a few, in milliseconds: about as long as it takes
/// to hand over a batch. Without it the first records of a batch go out in requests of their own,
/// five of those are under way at once, and librdkafka's thread spins until one is answered. The
/// wait is more than a millisecond, whatever is set here, so a few records must not have it.
const LINGER_MS: &str = "0.5";

/// The largest record that may be sent, in bytes; the topics have limits of their own.
const MESSAGE_MAX_BYTES: u32 = 4 * 1024 * 1024;

/// The largest batch that a dead-letter topic should take, in bytes: twice what a service keeps of a
/// record, so that there is room for what is to be said of it.
pub(crate) const LETTER_MAX_BYTES: u32 = 16 * 1024 * 1024;

/// What consumers, producers and admin clients of these brokers (`host:port`, several separated by
/// commas) have in common.
pub fn client_config(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        // A broker that comes back is found within a second, not after librdkafka's ten.
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        .set("topic.metadata.refresh.interval.ms", "60000");
    config
}

/// What all consumers have in common, those in a group and those in none.
pub fn consumer_config(brokers: &str) -> ClientConfig {
    let mut config = client_config(brokers);
    // A fact is in the log once it is written: our producers use no transactions, and a
    // transaction that somebody else leaves open must not hide what comes after it.
    config.set("isolation.level", "read_uncommitted");
    config
}

/// Publishes batches and waits for all acknowledgements together.
pub struct Producer {
    /// For a few records at a time.
    prompt: Renewable,
    /// For more.
    gathering: Renewable,
    /// For records of any size; made when one comes.
    letters: OnceLock<Renewable>,
}

/// What one of librdkafka's producers is for.
#[derive(Clone, Copy)]
struct Kind {
    linger_ms: &'static str,
    compression: &'static str,
    message_max_bytes: u32,
}

const PROMPT: Kind =
    Kind { linger_ms: "0", compression: "none", message_max_bytes: MESSAGE_MAX_BYTES };
const GATHERING: Kind = Kind { linger_ms: LINGER_MS, ..PROMPT };
/// A record that came to us compressed must be able to go on.
const LETTERS: Kind = Kind { compression: "zstd", message_max_bytes: LETTER_MAX_BYTES, ..PROMPT };

/// One of librdkafka's producers, made anew when it cannot go on.
struct Renewable {
    brokers: String,
    /// What Kafka's quotas and logs know the client by.
    client_id: String,
    kind: Kind,
    /// How long requests were made to wait lately, in milliseconds.
    throttled: Arc<AtomicU64>,
    inner: Mutex<Arc<BaseProducer<Deliveries>>>,
}

/// One record to be published.
pub struct Record<'a> {
    /// The topic that it goes to. The key decides on the partition.
    pub topic: &'a str,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// What it says.
    pub payload: Option<&'a [u8]>,
    /// Its headers, in order.
    pub headers: OwnedHeaders,
}

/// Why records are not known to be in the log.
#[derive(Debug, Clone, Error)]
#[error("{reason}")]
pub struct PublishError {
    /// What the client says, and of which topic.
    pub reason: String,
    /// Kafka will not take the record, however often it is sent: for its size, its time, a policy, a
    /// right that is missing; or, where several were sent, that of another one beside it.
    pub refused: bool,
}

impl PublishError {
    fn new(error: &KafkaError, to: &str) -> Self {
        let refused = matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::MessageSizeTooLarge
                    | RDKafkaErrorCode::InvalidMessage
                    | RDKafkaErrorCode::InvalidMessageSize
                    | RDKafkaErrorCode::InvalidRecord
                    | RDKafkaErrorCode::InvalidTimestamp
                    | RDKafkaErrorCode::PolicyViolation
                    | RDKafkaErrorCode::UnsupportedForMessageFormat
                    | RDKafkaErrorCode::TopicAuthorizationFailed
                    | RDKafkaErrorCode::ClusterAuthorizationFailed
            )
        );
        Self { reason: format!("{} to {to}", error_chain(error)), refused }
    }
}

impl Producer {
    /// To these brokers, which know it by this client id. Nothing is connected yet.
    pub fn new(brokers: &str, client_id: &str) -> Result<Self, KafkaError> {
        let prompt = Renewable::new(brokers, client_id, PROMPT)?;
        let gathering = Renewable::new(brokers, client_id, GATHERING)?;
        Ok(Self { prompt, gathering, letters: OnceLock::new() })
    }

    /// For how long the brokers have made requests wait lately, because of a quota; a mean.
    pub fn throttled(&self) -> Duration {
        let millis = |producer: &Renewable| producer.throttled.load(Ordering::Relaxed);
        Duration::from_millis(millis(&self.prompt).max(millis(&self.gathering)))
    }

    /// Publishes all records, in order per partition, and returns for each whether it is on all
    /// in-sync replicas, in the order in which they came. One that failed may be in the log all the
    /// same; when it is published again, the readers' inboxes drop what they have seen. Records that
    /// have an order among them must be published one after the other. Bounded in time.
    pub async fn publish<'a>(
        &self,
        records: impl ExactSizeIterator<Item = Record<'a>>,
    ) -> Vec<Result<(), PublishError>> {
        let producer = if records.len() <= FEW { &self.prompt } else { &self.gathering };
        Self::publish_by(producer, records).await
    }

    /// The same for records that may be larger than events are, as dead letters may, up to 16 MiB.
    /// They are compressed on their way.
    pub async fn publish_letters<'a>(
        &self,
        records: impl ExactSizeIterator<Item = Record<'a>>,
    ) -> Vec<Result<(), PublishError>> {
        if self.letters.get().is_none() {
            let Self { prompt: Renewable { brokers, client_id, .. }, .. } = self;
            match Renewable::new(brokers, client_id, LETTERS) {
                // Somebody else may have been quicker.
                Ok(made) => drop(self.letters.set(made)),
                Err(error) => {
                    return vec![Err(PublishError::new(&error, brokers)); records.len()];
                }
            }
        }
        Self::publish_by(self.letters.get().unwrap_or(&self.gathering), records).await
    }

    async fn publish_by<'a>(
        producer: &Renewable,
        records: impl ExactSizeIterator<Item = Record<'a>>,
    ) -> Vec<Result<(), PublishError>> {
        let count = records.len();
        let flight = Arc::new(Flight::new(count));
        let producer = match producer.current() {
            Ok(producer) => producer,
            Err(error) => return vec![Err(error); count],
        };
        for (number, record) in records.enumerate() {
            let ticket = Box::new(Ticket { flight: flight.clone(), number });
            send(&producer, ticket, record).await;
        }
        flight.landed().await
    }
}

impl Renewable {
    fn new(brokers: &str, client_id: &str, kind: Kind) -> Result<Self, KafkaError> {
        let throttled = Arc::default();
        let inner = Mutex::new(connect(brokers, client_id, kind, &throttled)?);
        let (brokers, client_id) = (brokers.to_owned(), client_id.to_owned());
        Ok(Self { brokers, client_id, kind, throttled, inner })
    }

    /// The producer; a new one after an error that the idempotent producer cannot recover from.
    fn current(&self) -> Result<Arc<BaseProducer<Deliveries>>, PublishError> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((code, reason)) = inner.client().fatal_error() {
            tracing::warn!(?code, reason, "the producer cannot go on, making a new one");
            let again = connect(&self.brokers, &self.client_id, self.kind, &self.throttled);
            *inner = again.map_err(|error| PublishError::new(&error, &self.brokers))?;
        }
        Ok(inner.clone())
    }
}

fn connect(
    brokers: &str,
    client_id: &str,
    kind: Kind,
    throttled: &Arc<AtomicU64>,
) -> Result<Arc<BaseProducer<Deliveries>>, KafkaError> {
    let producer = client_config(brokers)
        .set("client.id", client_id)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", kind.linger_ms)
        .set("compression.type", kind.compression)
        .set("message.max.bytes", kind.message_max_bytes.to_string())
        .set("delivery.timeout.ms", DELIVERY_TIMEOUT.as_millis().to_string())
        // Java's partitioner, so that records by other producers fall into the same partitions.
        .set("partitioner", "murmur2_random")
        .set("statistics.interval.ms", "5000")
        .create_with_context(Deliveries { throttled: throttled.clone() })
        .map(Arc::new)?;
    let weak = Arc::downgrade(&producer);
    std::thread::Builder::new()
        .name("acknowledgements".to_owned())
        .spawn(move || take_acknowledgements(&weak))
        .map_err(|error| KafkaError::ClientCreation(format!("no thread: {error}")))?;
    Ok(producer)
}

/// Waits for acknowledgements until nobody has the producer any more.
fn take_acknowledgements(producer: &Weak<BaseProducer<Deliveries>>) {
    while let Some(producer) = producer.upgrade() {
        producer.poll(POLL);
    }
}

async fn send(producer: &BaseProducer<Deliveries>, ticket: Box<Ticket>, record: Record<'_>) {
    let record_topic = record.topic;
    let mut base: BaseRecord<'_, [u8], [u8], Box<Ticket>> =
        BaseRecord::with_opaque_to(record.topic, ticket).headers(record.headers);
    base.key = record.key;
    base.payload = record.payload;
    while let Err((error, back)) = producer.send(base) {
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
            back.delivery_opaque.land(Err(PublishError::new(&error, record_topic)));
            return;
        }
        // librdkafka's queue is full: it drains as acknowledgements arrive, or times out.
        tokio::time::sleep(Duration::from_millis(2)).await;
        base = back;
    }
}

/// The records of one batch that are on their way.
struct Flight {
    aloft: AtomicUsize,
    /// What has become of those that did not arrive, by their numbers.
    failed: Mutex<Vec<(usize, PublishError)>>,
    records: usize,
    done: Notify,
}

/// What a record is known by while it is on its way.
pub(crate) struct Ticket {
    flight: Arc<Flight>,
    number: usize,
}

impl Ticket {
    fn land(self, result: Result<(), PublishError>) {
        if let Err(error) = result {
            self.flight.failed().push((self.number, error));
        }
        if self.flight.aloft.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.flight.done.notify_one();
        }
    }
}

impl Flight {
    fn new(records: usize) -> Self {
        Self {
            aloft: AtomicUsize::new(records),
            failed: Mutex::default(),
            records,
            done: Notify::new(),
        }
    }

    /// Waits until every record has landed: librdkafka reports each within the delivery timeout.
    async fn landed(&self) -> Vec<Result<(), PublishError>> {
        let all = async {
            while self.aloft.load(Ordering::Acquire) > 0 {
                self.done.notified().await;
            }
        };
        let in_time = tokio::time::timeout(DELIVERY_TIMEOUT + REPORT_GRACE, all).await.is_ok();
        let mut results = vec![Ok(()); self.records];
        if !in_time {
            // Which ones are missing is not known.
            let reason = format!("no acknowledgement within {DELIVERY_TIMEOUT:?}");
            results.fill(Err(PublishError { reason, refused: false }));
        }
        for (number, error) in self.failed().drain(..) {
            if let Some(result) = results.get_mut(number) {
                *result = Err(error);
            }
        }
        results
    }

    fn failed(&self) -> MutexGuard<'_, Vec<(usize, PublishError)>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Receives acknowledgements, and what the client tells of itself.
pub(crate) struct Deliveries {
    /// In milliseconds.
    throttled: Arc<AtomicU64>,
}

impl ClientContext for Deliveries {
    fn stats(&self, statistics: Statistics) {
        let waits = statistics.brokers.values().filter_map(|broker| broker.throttle.as_ref());
        let longest = waits.map(|wait| wait.avg.max(0)).max().unwrap_or(0);
        self.throttled.store(longest.unsigned_abs(), Ordering::Relaxed);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        note_refusal(&error);
        tracing::debug!(%error, reason, "kafka producer");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Ticket>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Self::DeliveryOpaque) {
        let landed = result.as_ref().map(|_| ());
        ticket.land(landed.map_err(|(error, record)| PublishError::new(error, record.topic())));
    }
}

/// Adds one header.
pub fn header(headers: OwnedHeaders, key: &str, value: &[u8]) -> OwnedHeaders {
    headers.insert(Header { key, value: Some(value) })
}
