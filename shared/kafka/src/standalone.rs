//! Standalone consumers: they read partitions of their choice, join no group and commit nothing.

use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::client::consumer_config;
use crate::error::{AdminError, away, sort};

/// How long Kafka may take to say what the topics hold.
pub(crate) const ASK_LIMIT: Duration = Duration::from_secs(10);

/// The pause before a question is asked again.
const RETRY: Duration = Duration::from_millis(50);

/// Kafka's client wants a group's name even from a consumer that joins none. No group of this name
/// comes to be.
const GROUP: &str = "farandole-standalone";

/// A stretch of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// The first offset.
    pub from: i64,
    /// The offset after the last one.
    pub to: i64,
}

/// A consumer of partitions of its choice.
pub(crate) type Standalone = BaseConsumer<Quiet>;

/// What goes wrong is told by who polls; that a partition's end is reached is nothing that goes wrong.
pub(crate) struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "standalone consumer");
    }
}

impl ConsumerContext for Quiet {}

/// What a standalone consumer is set to.
pub(crate) fn config(brokers: &str) -> ClientConfig {
    let mut config = consumer_config(brokers);
    config
        .set("group.id", GROUP)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // Records may expire between the look at the offsets and the first fetch.
        .set("auto.offset.reset", "earliest")
        // The default of a second stalls a consumer that was just a little ahead.
        .set("fetch.queue.backoff.ms", "10")
        .set("queued.max.messages.kbytes", "32768");
    config
}

/// A consumer of such a config.
pub(crate) fn create(config: &ClientConfig, brokers: &str) -> Result<Standalone, AdminError> {
    config.create_with_context(Quiet).map_err(|error| sort(brokers, &error))
}

/// Has a consumer of this config do some work.
pub(crate) fn with_consumer<T>(
    config: &ClientConfig,
    brokers: &str,
    work: impl FnOnce(&Standalone) -> Result<T, AdminError>,
) -> Result<T, AdminError> {
    let consumer = create(config, brokers)?;
    let result = work(&consumer);
    // Closing takes a tenth of a second, and nobody needs to wait for it.
    std::thread::spawn(move || drop(consumer));
    result
}

/// The partitions of these topics.
pub(crate) fn partitions_of<'t>(
    consumer: &Standalone,
    brokers: &str,
    topics: &'t [String],
) -> Result<Vec<(&'t String, i32)>, AdminError> {
    let metadata = consumer.fetch_metadata(None, ASK_LIMIT).map_err(away(brokers))?;
    let mut partitions = Vec::new();
    for topic in topics {
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let found = found.ok_or_else(|| AdminError::Missing(topic.clone()))?;
        partitions.extend(found.partitions().iter().map(|partition| (topic, partition.id())));
    }
    Ok(partitions)
}

/// All partitions of these topics, from the oldest record that each holds to the newest, those
/// that hold nothing as well.
pub(crate) fn windows_of(
    consumer: &Standalone,
    brokers: &str,
    topics: &[String],
    deadline: Instant,
) -> Result<Vec<Window>, AdminError> {
    let partitions = partitions_of(consumer, brokers, topics)?.into_iter();
    bounds_of(consumer, brokers, partitions.map(|(topic, id)| (topic.as_str(), id)), deadline)
}

/// What these partitions hold. Two questions, however many there are: of a consumer that reads, each waits
/// behind a fetch that waits for records.
pub(crate) fn bounds_of<'t>(
    consumer: &Standalone,
    brokers: &str,
    partitions: impl Iterator<Item = (&'t str, i32)> + Clone,
    deadline: Instant,
) -> Result<Vec<Window>, AdminError> {
    // Where the answer has an offset, the question has a time; these stand for the first and the last.
    let ask = |which: Offset| {
        let mut asked = TopicPartitionList::new();
        for (topic, partition) in partitions.clone() {
            asked.add_partition_offset(topic, partition, which)?;
        }
        repeat(deadline, |left| {
            let found = consumer.offsets_for_times(asked.clone(), left)?;
            found.elements().iter().try_for_each(TopicPartitionListElem::error)?;
            Ok(found)
        })
    };
    let starts = ask(Offset::Beginning).map_err(away(brokers))?;
    let ends = ask(Offset::End).map_err(away(brokers))?;
    let of = |list: &TopicPartitionList, topic: &str, partition| match list
        .find_partition(topic, partition)
        .map(|it| it.offset())
    {
        Some(Offset::Offset(offset)) => Ok(offset),
        _ => Err(AdminError::Missing(format!("{topic}, partition {partition}"))),
    };
    let window = |(topic, partition): (&str, i32)| {
        let (from, to) = (of(&starts, topic, partition)?, of(&ends, topic, partition)?);
        Ok(Window { topic: topic.to_owned(), partition, from, to })
    };
    partitions.map(window).collect()
}

/// Has a consumer read all partitions of these topics, each from the offset that `first` tells. Returns what
/// they hold.
pub(crate) fn assign(
    consumer: &Standalone,
    brokers: &str,
    topics: &[String],
    first: impl Fn(&Window) -> i64,
) -> Result<Vec<Window>, AdminError> {
    let refused = |error: KafkaError| sort(brokers, &error);
    let held = windows_of(consumer, brokers, topics, Instant::now() + ASK_LIMIT)?;
    let mut start = TopicPartitionList::with_capacity(held.len());
    for window in &held {
        let first = Offset::Offset(first(window));
        start.add_partition_offset(&window.topic, window.partition, first).map_err(refused)?;
    }
    consumer.assign(&start).map_err(refused)?;
    Ok(held)
}

/// Asks again until the deadline: while a partition gets a leader, as after its creation, brokers
/// point at each other.
pub(crate) fn repeat<T>(
    deadline: Instant,
    ask: impl Fn(Duration) -> Result<T, KafkaError>,
) -> Result<T, KafkaError> {
    loop {
        match ask(deadline.saturating_duration_since(Instant::now())) {
            Err(_) if Instant::now() + RETRY < deadline => std::thread::sleep(RETRY),
            result => return result,
        }
    }
}
