//! What an operator should not do to a consumer group.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

/// How long Kafka may take to answer.
const LIMIT: Duration = Duration::from_secs(10);

/// Has a group without members believe that it has read all that a topic has. Blocks.
pub fn skip_to_the_end(brokers: &str, group: &str, topic: &str) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", group)
        .create()
        .unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), LIMIT).unwrap();
    let mut ends = TopicPartitionList::new();
    for partition in metadata.topics()[0].partitions() {
        let (_, end) = consumer.fetch_watermarks(topic, partition.id(), LIMIT).unwrap();
        ends.add_partition_offset(topic, partition.id(), Offset::Offset(end)).unwrap();
    }
    consumer.commit(&ends, CommitMode::Sync).unwrap();
}
