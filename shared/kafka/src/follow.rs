use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use crate::error::{AdminError, sort};
use crate::scan::{Scanned, scanned};
use crate::standalone::{ASK_LIMIT, Window, config, windows_of, with_consumer};

/// How soon it is noticed that nobody wants to know more.
const POLL: Duration = Duration::from_millis(100);

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
    with_consumer(&config(brokers), brokers, |consumer| {
        let refused = |error: KafkaError| sort(brokers, &error);
        let mut start = TopicPartitionList::new();
        for Window { topic, partition, to, .. } in
            windows_of(consumer, brokers, topics, Instant::now() + ASK_LIMIT)?
        {
            start.add_partition_offset(&topic, partition, Offset::Offset(to)).map_err(refused)?;
        }
        consumer.assign(&start).map_err(refused)?;
        begun();
        while !stop.load(Ordering::Relaxed) {
            if let Some(Ok(record)) = consumer.poll(POLL) {
                each(&scanned(&record));
            }
        }
        Ok(())
    })
}
