use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use crate::AdminError;
use crate::admin::sort;
use crate::scan::{Scanned, away, consumer, scanned};

/// How soon it is noticed that nobody wants to know more.
const POLL: Duration = Duration::from_millis(100);
/// How long Kafka may take to say what the topics hold.
const ASK_LIMIT: Duration = Duration::from_secs(10);

/// Shows `each` every record that comes into these topics from now on, until `stop`. Calls `begun`
/// when nothing that comes later is missed. Joins no group, commits nothing.
///
/// Blocks. Errors while following pass: brokers restart, and are found again.
pub fn follow(
    brokers: &str,
    topics: &[String],
    stop: &AtomicBool,
    begun: impl FnOnce(),
    mut each: impl FnMut(&Scanned<'_>),
) -> Result<(), AdminError> {
    let gone = |error: KafkaError| away(brokers, crate::failure::chain(&error));
    let consumer = consumer(brokers)?;
    let metadata = consumer.fetch_metadata(None, ASK_LIMIT).map_err(gone)?;
    let mut start = TopicPartitionList::new();
    for topic in topics {
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        for partition in found.ok_or_else(|| AdminError::Missing(topic.clone()))?.partitions() {
            let id = partition.id();
            let (_, end) = consumer.fetch_watermarks(topic, id, ASK_LIMIT).map_err(gone)?;
            start
                .add_partition_offset(topic, id, Offset::Offset(end))
                .map_err(|error| sort(brokers, &error))?;
        }
    }
    consumer.assign(&start).map_err(|error| sort(brokers, &error))?;
    begun();
    while !stop.load(Ordering::Relaxed) {
        if let Some(Ok(record)) = consumer.poll(POLL) {
            each(&scanned(&record));
        }
    }
    Ok(())
}
