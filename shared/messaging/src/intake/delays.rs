//! How long events take, from the log to the commit of what follows from them.

use std::collections::HashMap;
use std::time::Duration;

use contracts::Consumes;
use jiff::Timestamp;
use metrics::{Counter, Histogram};

use crate::instruments::{DELAY, LATE};
use crate::record::message::{Message, Origin};

/// Measures it, by type.
pub(crate) struct Delays(HashMap<&'static str, OfType>);

struct OfType {
    delay: Histogram,
    late: Counter,
    /// What the service declares it may take.
    within: Option<Duration>,
}

impl Delays {
    pub(crate) fn new<I>(consumes: &[Consumes<I>]) -> Self {
        let types = consumes.iter().map(|consumed| {
            let name = consumed.event_type;
            let within = consumed.within_s.map(|seconds| Duration::from_secs(seconds.into()));
            (name, OfType { delay: DELAY.of([name]), late: LATE.of([name]), within })
        });
        Self(types.collect())
    }

    /// Takes note of messages that were committed just now, those among them that are events.
    pub(crate) fn note<I>(&self, messages: &[Message<'_, I>]) {
        let now = Timestamp::now().as_millisecond();
        for message in messages {
            let (Some(written), Some(of_type)) = (written(message), self.0.get(message.name))
            else {
                continue;
            };
            // Clocks differ, by some milliseconds.
            let delay = u64::try_from(now.saturating_sub(written)).unwrap_or_default();
            let delay = Duration::from_millis(delay);
            of_type.delay.record(delay);
            if of_type.within.is_some_and(|within| delay > within) {
                of_type.late.increment(1);
            }
        }
    }
}

/// When the record was written, in milliseconds since 1970, if it is one and says so.
fn written<I>(message: &Message<'_, I>) -> Option<i64> {
    match &message.origin {
        Origin::Event { record, .. } => record.written_ms(),
        Origin::Parked { row, .. } => Some(row.written_ms),
        Origin::Effect { .. } | Origin::Decided { .. } | Origin::Command { .. } => None,
    }
    .filter(|written| *written > 0)
}
