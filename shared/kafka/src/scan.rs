use std::collections::HashMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kernel::error_chain;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};

use crate::error::{AdminError, away, sort, stays, unavailable};
use crate::standalone::{ASK_LIMIT, Standalone, Window, config, repeat, windows_of, with_consumer};

/// How soon a scan notices that it comes no further.
const POLL: Duration = Duration::from_millis(50);

/// How long a scan may come no further. A broker that restarts is back sooner.
const STALL_LIMIT: Duration = Duration::from_secs(30);

/// Which records are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bounds {
    /// All that the topics hold now.
    Everything,
    /// Those of a time, by the times at which Kafka took them.
    Times {
        /// From the first record of this time or later; `None`: from the oldest.
        from: Option<Timestamp>,
        /// To before the first record of this time or later; `None`: to the newest.
        to: Option<Timestamp>,
    },
}

/// A record that a scan came by.
#[derive(Debug)]
pub struct Scanned<'r> {
    /// The topic.
    pub topic: &'r str,
    /// Its partition there.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// When it was produced, or when Kafka took it, as the topic is set.
    pub timestamp: Option<Timestamp>,
    /// Its key.
    pub key: Option<&'r [u8]>,
    /// What it says.
    pub payload: Option<&'r [u8]>,
    /// Its headers, in order; `None` if the name of one is not UTF-8, for then none can be read.
    pub headers: Option<Vec<Header<'r>>>,
}

/// A header's name and value.
pub type Header<'r> = (&'r str, Option<&'r [u8]>);

impl<'r> Scanned<'r> {
    /// The value of a header; the last one's, if there are several.
    pub fn header(&self, name: &str) -> Option<&'r [u8]> {
        self.headers.as_ref()?.iter().rev().find(|(there, _)| *there == name)?.1
    }
}

/// What these topics hold now within the bounds. Partitions that hold nothing there are left out.
///
/// Blocks, for ten seconds at most.
pub fn windows(
    brokers: &str,
    topics: &[String],
    bounds: Bounds,
) -> Result<Vec<Window>, AdminError> {
    if topics.is_empty() {
        return Ok(Vec::new());
    }
    let deadline = Instant::now() + ASK_LIMIT;
    let mut windows = with_consumer(&config(brokers), brokers, |consumer| {
        let mut windows = windows_of(consumer, brokers, topics, deadline)?;
        if let Bounds::Times { from, to } = bounds {
            for (time, is_start) in [(from, true), (to, false)] {
                let Some(time) = time else { continue };
                clip(consumer, &mut windows, time, is_start, deadline).map_err(away(brokers))?;
            }
        }
        Ok(windows)
    })?;
    windows.retain(|window| window.from < window.to);
    Ok(windows)
}

/// All partitions of these topics, from the oldest record that each holds to the newest, those that
/// hold nothing as well.
///
/// Blocks, for ten seconds at most.
pub fn partitions(brokers: &str, topics: &[String]) -> Result<Vec<Window>, AdminError> {
    let deadline = Instant::now() + ASK_LIMIT;
    with_consumer(&config(brokers), brokers, |consumer| {
        windows_of(consumer, brokers, topics, deadline)
    })
}

/// Moves the windows' starts or ends to the first record of this time or later.
fn clip(
    consumer: &Standalone,
    windows: &mut [Window],
    time: Timestamp,
    is_start: bool,
    deadline: Instant,
) -> Result<(), KafkaError> {
    let mut times = TopicPartitionList::with_capacity(windows.len());
    for Window { topic, partition, .. } in windows.iter() {
        // Where the answer has an offset, the question has a time.
        let milliseconds = Offset::Offset(time.as_millisecond().max(0));
        times.add_partition_offset(topic, *partition, milliseconds)?;
    }
    let found = repeat(deadline, |left| consumer.offsets_for_times(times.clone(), left))?;
    for window in windows {
        let element = found.find_partition(&window.topic, window.partition);
        // None is that late: past the end.
        let first = match element.map(|element| element.offset()) {
            Some(Offset::Offset(offset)) => offset,
            _ => window.to,
        };
        let bound = if is_start { &mut window.from } else { &mut window.to };
        *bound = if is_start { first.max(*bound) } else { first.min(*bound) };
    }
    Ok(())
}

/// Shows `each` every record of the windows, topic by topic, those of a partition in the order of
/// their offsets, until it breaks off. At most one window per partition. Joins no group, commits
/// nothing.
///
/// Blocks. A window is done when its end is reached, whatever is missing in it (expired meanwhile,
/// compacted, or a transaction's marks); what a transaction wrote is shown, whether or not it was
/// committed; thirty seconds in which nothing moves are an error.
pub fn scan(
    brokers: &str,
    windows: &[Window],
    mut each: impl FnMut(&Scanned<'_>) -> ControlFlow<()>,
) -> Result<(), AdminError> {
    let mut topics: Vec<&str> = Vec::new();
    for window in windows {
        if !topics.contains(&window.topic.as_str()) {
            topics.push(&window.topic);
        }
    }
    let mut config = config(brokers);
    // The end of a partition is told, even when the last offsets hold no record.
    config.set("enable.partition.eof", "true");
    for topic in topics {
        let of_topic = windows.iter().filter(|window| window.topic == topic);
        let scan = |consumer: &_| scan_topic(consumer, brokers, topic, of_topic, &mut each);
        // Each topic has a consumer of its own: that a partition's end is reached comes without the
        // topic's name.
        if with_consumer(&config, brokers, scan)?.is_break() {
            break;
        }
    }
    Ok(())
}

fn scan_topic<'w>(
    consumer: &Standalone,
    brokers: &str,
    topic: &str,
    windows: impl Iterator<Item = &'w Window>,
    each: &mut impl FnMut(&Scanned<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, AdminError> {
    let refused = |error: KafkaError| sort(brokers, &error);
    let mut start = TopicPartitionList::new();
    let mut ends = HashMap::new();
    for window in windows.filter(|window| window.from < window.to) {
        start
            .add_partition_offset(topic, window.partition, Offset::Offset(window.from))
            .map_err(refused)?;
        ends.insert(window.partition, window.to);
    }
    consumer.assign(&start).map_err(refused)?;
    let mut moved_at = Instant::now();
    let mut trouble = None;
    while !ends.is_empty() {
        match consumer.poll(POLL) {
            Some(Ok(record)) => {
                let Some(end) = ends.get(&record.partition()).copied() else { continue };
                moved_at = Instant::now();
                if record.offset() < end && each(&scanned(&record)).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                if record.offset() + 1 >= end {
                    ends.remove(&record.partition());
                    leave(consumer, topic, record.partition()).map_err(refused)?;
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                moved_at = Instant::now();
                ends.remove(&partition);
            }
            Some(Err(error)) if stays(&error) => {
                return Err(AdminError::Unreadable(format!("{topic}: {}", error_chain(&error))));
            }
            // Brokers restart, and are found again.
            Some(Err(error)) => trouble = Some(error_chain(&error)),
            None => {}
        }
        if moved_at.elapsed() > STALL_LIMIT {
            return Err(stalled(brokers, topic, &ends, trouble));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Fetches no more of a partition.
fn leave(consumer: &Standalone, topic: &str, partition: i32) -> Result<(), KafkaError> {
    let mut done = TopicPartitionList::with_capacity(1);
    done.add_partition(topic, partition);
    consumer.pause(&done)
}

fn stalled(
    brokers: &str,
    topic: &str,
    ends: &HashMap<i32, i64>,
    trouble: Option<String>,
) -> AdminError {
    let mut partitions: Vec<&i32> = ends.keys().collect();
    partitions.sort_unstable();
    let why = trouble.unwrap_or_else(|| "no error was reported".to_owned());
    let seconds = STALL_LIMIT.as_secs();
    let reason =
        format!("{topic}, partitions {partitions:?}: nothing came for {seconds} s ({why})");
    unavailable(brokers, reason)
}

pub(crate) fn scanned<'r>(record: &'r BorrowedMessage<'_>) -> Scanned<'r> {
    // The client panics at a header whose name is not UTF-8. One record must not do that to us.
    let headers = catch_unwind(AssertUnwindSafe(|| {
        let all = record.headers().into_iter().flat_map(|headers| headers.iter());
        all.map(|header| (header.key, header.value)).collect()
    }));
    Scanned {
        topic: record.topic(),
        partition: record.partition(),
        offset: record.offset(),
        timestamp: record
            .timestamp()
            .to_millis()
            .and_then(|millis| Timestamp::from_millisecond(millis).ok()),
        key: record.key(),
        payload: record.payload(),
        headers: headers.ok(),
    }
}
