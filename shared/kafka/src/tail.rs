use std::time::{Duration, Instant};

use kernel::error_chain;

use crate::error::{AdminError, stays, unavailable};
use crate::scan::{Scanned, scanned};
use crate::standalone::{ASK_LIMIT, Standalone, Window, assign, bounds_of, config, create};

/// So much is not gathered any longer.
const GATHERED_BYTES: u32 = 1_048_576;

/// Reads topics from where one left off, and goes on with what comes. For who keeps, together with what
/// was made of the records, how far it has read: it belongs to no consumer group and commits nothing.
///
/// Partitions that are added after opening are not read.
pub struct Tail {
    brokers: String,
    consumer: Standalone,
    /// Questions have a connection of their own, for on the other they would wait behind a fetch that waits for
    /// records.
    asking: Standalone,
    held: Vec<Window>,
}

impl Tail {
    /// Opens all partitions of these topics, each at the offset that `next` tells, or else, and where
    /// records are forgotten from there on, at the oldest record. Brokers gather records for so long before
    /// they answer, unless there is a megabyte: to be told of each as it comes costs them and the reader a
    /// message each.
    ///
    /// Blocks, for ten seconds at most.
    pub fn open(
        brokers: &str,
        topics: &[String],
        gathered: Duration,
        next: impl Fn(&str, i32) -> Option<i64>,
    ) -> Result<Self, AdminError> {
        let asking = create(&config(brokers), brokers)?;
        let mut reading = config(brokers);
        reading
            .set("fetch.wait.max.ms", gathered.as_millis().to_string())
            .set("fetch.min.bytes", GATHERED_BYTES.to_string());
        let consumer = create(&reading, brokers)?;
        let held = assign(&consumer, brokers, topics, |window| {
            next(&window.topic, window.partition).map_or(window.from, |next| next.max(window.from))
        })?;
        Ok(Self { brokers: brokers.to_owned(), consumer, asking, held })
    }

    /// The partitions, with what each held at opening.
    pub fn held(&self) -> &[Window] {
        &self.held
    }

    /// The same, with what each holds now.
    ///
    /// Blocks, for ten seconds at most.
    pub fn holds_now(&self) -> Result<Vec<Window>, AdminError> {
        let deadline = Instant::now() + ASK_LIMIT;
        let partitions = self.held.iter().map(|held| (held.topic.as_str(), held.partition));
        bounds_of(&self.asking, &self.brokers, partitions, deadline)
    }

    /// Shows `each` the next record, and tells whether there was one within this long.
    ///
    /// Blocks. Brokers that are away are found again: who is told that Kafka is away tries again.
    pub fn poll(
        &self,
        within: Duration,
        each: impl FnOnce(&Scanned<'_>),
    ) -> Result<bool, AdminError> {
        match self.consumer.poll(within) {
            Some(Ok(record)) => {
                each(&scanned(&record));
                Ok(true)
            }
            Some(Err(error)) if stays(&error) => Err(AdminError::Unreadable(error_chain(&error))),
            Some(Err(error)) => Err(unavailable(&self.brokers, error_chain(&error))),
            None => Ok(false),
        }
    }
}
