use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kernel::error_chain;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::error::{AdminError, unavailable};
use crate::event_reader::ReadFrom;
use crate::scan::{Scanned, scanned};
use crate::standalone::{assign, config, with_consumer};

/// How soon it is noticed that nobody wants to know more.
const POLL: Duration = Duration::from_millis(100);

/// What a follower is shown.
#[derive(Debug)]
pub enum Followed<'r> {
    /// A record.
    Record(Scanned<'r>),
    /// All that the topic holds was shown.
    CaughtUp,
    /// Kafka cannot be read at the moment. It goes on by itself when that is over.
    Trouble(AdminError),
}

/// Shows `each` every record of a topic, from the beginning or from now on, and every one that
/// comes, until `stop`. Calls `begun` when nothing that comes later is missed. Joins no group,
/// commits nothing.
///
/// Blocks. Brokers that restart are found again; it fails when the topic is not there or not any more.
pub fn follow(
    brokers: &str,
    topic: &str,
    from: ReadFrom,
    stop: &AtomicBool,
    begun: impl FnOnce(),
    mut each: impl FnMut(Followed<'_>),
) -> Result<(), AdminError> {
    let (mut config, topics) = (config(brokers), [topic.to_owned()]);
    // The end of a partition is told.
    config.set("enable.partition.eof", "true");
    with_consumer(&config, brokers, |consumer| {
        let windows = assign(consumer, brokers, &topics, |window| from.offset_in(window))?;
        begun();
        let mut at_end = HashSet::new();
        while !stop.load(Ordering::Relaxed) {
            match consumer.poll(POLL) {
                Some(Ok(record)) => each(Followed::Record(scanned(&record))),
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    at_end.insert(partition);
                    if windows.iter().all(|window| at_end.contains(&window.partition)) {
                        each(Followed::CaughtUp);
                    }
                }
                Some(Err(error)) if is_gone(&error) => {
                    return Err(AdminError::Missing(topic.to_owned()));
                }
                Some(Err(error)) => {
                    each(Followed::Trouble(unavailable(brokers, error_chain(&error))));
                }
                None => {}
            }
        }
        Ok(())
    })
}

fn is_gone(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic)
    )
}
