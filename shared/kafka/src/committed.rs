use std::collections::HashMap;

use rdkafka::consumer::Consumer as _;
use rdkafka::{Offset, TopicPartitionList};

use crate::client::client_config;
use crate::error::{AdminError, sort};
use crate::standalone::{ASK_LIMIT, partitions_of, with_consumer};

/// How far a consumer group has come: by topic and partition the offset after the last record it
/// has done with. A partition for which it has committed nothing is left out.
///
/// Blocks, for twenty seconds at most. Joins no group, commits nothing.
pub fn committed(
    brokers: &str,
    group: &str,
    topics: &[String],
) -> Result<HashMap<(String, i32), i64>, AdminError> {
    let mut config = client_config(brokers);
    config.set("group.id", group).set("enable.auto.commit", "false");
    let answered = with_consumer(&config, brokers, |consumer| {
        let mut asked = TopicPartitionList::new();
        for (topic, partition) in partitions_of(consumer, brokers, topics)? {
            asked.add_partition(topic, partition);
        }
        consumer.committed_offsets(asked, ASK_LIMIT).map_err(|error| sort(brokers, &error))
    })?;
    let offsets = answered.elements();
    let offsets = offsets.iter().filter_map(|element| match element.offset() {
        Offset::Offset(offset) => Some(((element.topic().to_owned(), element.partition()), offset)),
        _ => None,
    });
    Ok(offsets.collect())
}
