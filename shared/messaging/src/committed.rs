use std::collections::HashMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use crate::AdminError;
use crate::admin::sort;
use crate::kafka::client_config;

/// How long Kafka may take to answer a question.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How far a consumer group has come: by topic and partition the offset after the last record it
/// has done with. A partition for which it has committed nothing is left out.
///
/// Blocks, for twenty seconds at most. Joins no group, commits nothing.
pub fn committed(
    brokers: &str,
    group: &str,
    topics: &[String],
) -> Result<HashMap<(String, i32), i64>, AdminError> {
    let refused = |error: KafkaError| sort(brokers, &error);
    let consumer: BaseConsumer = client_config(brokers)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .create()
        .map_err(refused)?;
    let metadata = consumer.fetch_metadata(None, TIMEOUT).map_err(refused)?;
    let mut asked = TopicPartitionList::new();
    for topic in topics {
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        for partition in found.ok_or_else(|| AdminError::Missing(topic.clone()))?.partitions() {
            asked.add_partition(topic, partition.id());
        }
    }
    let answered = consumer.committed_offsets(asked, TIMEOUT).map_err(refused)?;
    let offsets = answered.elements();
    let offsets = offsets.iter().filter_map(|element| match element.offset() {
        Offset::Offset(offset) => Some(((element.topic().to_owned(), element.partition()), offset)),
        _ => None,
    });
    Ok(offsets.collect())
}
