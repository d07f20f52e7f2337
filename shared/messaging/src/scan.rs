use std::collections::HashMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};

use crate::AdminError;
use crate::admin::sort;
use crate::failure::chain;
use crate::kafka::client_config;

/// How long Kafka may take to say what the topics hold.
const ASK_LIMIT: Duration = Duration::from_secs(10);

/// The pause before a question is asked again.
const RETRY: Duration = Duration::from_millis(50);

/// How long a scan may come no further. A broker that restarts is back sooner.
const STALL_LIMIT: Duration = Duration::from_secs(30);

/// Kafka's client wants a name even from a consumer that joins no group. No group of this name
/// comes to be.
const GROUP: &str = "farandole-scan";

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
    let consumer = consumer(brokers)?;
    let mut windows = all_windows(&consumer, brokers, topics, deadline)?;
    if let Bounds::Times { from, to } = bounds {
        for (time, is_start) in [(from, true), (to, false)] {
            let Some(time) = time else { continue };
            clip(&consumer, &mut windows, time, is_start, deadline)
                .map_err(|error| away(brokers, chain(&error)))?;
        }
    }
    windows.retain(|window| window.from < window.to);
    Ok(windows)
}

/// All partitions of these topics, from the oldest record that each holds to the newest, those that
/// hold nothing as well.
///
/// Blocks, for ten seconds at most.
pub fn partitions(brokers: &str, topics: &[String]) -> Result<Vec<Window>, AdminError> {
    all_windows(&consumer(brokers)?, brokers, topics, Instant::now() + ASK_LIMIT)
}

fn all_windows(
    consumer: &BaseConsumer,
    brokers: &str,
    topics: &[String],
    deadline: Instant,
) -> Result<Vec<Window>, AdminError> {
    let away = |error: KafkaError| away(brokers, chain(&error));
    let metadata = consumer.fetch_metadata(None, ASK_LIMIT).map_err(away)?;
    let mut windows = Vec::new();
    for topic in topics {
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        for partition in found.ok_or_else(|| AdminError::Missing(topic.clone()))?.partitions() {
            let partition = partition.id();
            let ask = || consumer.fetch_watermarks(topic, partition, left(deadline));
            let (from, to) = repeat(deadline, ask).map_err(away)?;
            windows.push(Window { topic: topic.clone(), partition, from, to });
        }
    }
    Ok(windows)
}

/// Moves the windows' starts or ends to the first record of this time or later.
fn clip(
    consumer: &BaseConsumer,
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
    let ask = || consumer.offsets_for_times(times.clone(), left(deadline));
    let found = repeat(deadline, ask)?;
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
/// compacted, or a transaction's marks); thirty seconds in which nothing moves are an error.
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
    for topic in topics {
        let of_topic = windows.iter().filter(|window| window.topic == topic);
        if scan_topic(brokers, topic, of_topic, &mut each)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Each topic has a consumer of its own: that a partition's end is reached comes without the
/// topic's name.
fn scan_topic<'w>(
    brokers: &str,
    topic: &str,
    windows: impl Iterator<Item = &'w Window>,
    each: &mut impl FnMut(&Scanned<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, AdminError> {
    let refused = |error: KafkaError| sort(brokers, &error);
    let consumer = consumer(brokers)?;
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
        match consumer.poll(RETRY) {
            Some(Ok(record)) => {
                let Some(end) = ends.get(&record.partition()).copied() else { continue };
                moved_at = Instant::now();
                if record.offset() < end && each(&scanned(&record)).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                if record.offset() + 1 >= end {
                    ends.remove(&record.partition());
                    leave(&consumer, topic, record.partition()).map_err(refused)?;
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                moved_at = Instant::now();
                ends.remove(&partition);
            }
            // Brokers restart, and are found again.
            Some(Err(error)) => trouble = Some(chain(&error)),
            None => {}
        }
        if moved_at.elapsed() > STALL_LIMIT {
            return Err(stalled(brokers, topic, &ends, trouble));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Fetches no more of a partition.
fn leave(consumer: &BaseConsumer, topic: &str, partition: i32) -> Result<(), KafkaError> {
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
    away(brokers, reason)
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

pub(crate) fn consumer(brokers: &str) -> Result<BaseConsumer, AdminError> {
    client_config(brokers)
        .set("group.id", GROUP)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // The end of a partition is told, even when the last offsets hold no record.
        .set("enable.partition.eof", "true")
        // Records may expire between the look at the offsets and the fetch.
        .set("auto.offset.reset", "earliest")
        // The default of a second stalls a consumer that was just a little ahead.
        .set("fetch.queue.backoff.ms", "10")
        .set("queued.max.messages.kbytes", "32768")
        .create()
        .map_err(|error: KafkaError| sort(brokers, &error))
}

/// Asks again until the deadline: while a partition gets a leader, as after its creation, brokers
/// point at each other.
fn repeat<T>(
    deadline: Instant,
    mut ask: impl FnMut() -> Result<T, KafkaError>,
) -> Result<T, KafkaError> {
    loop {
        match ask() {
            Err(_) if Instant::now() + RETRY < deadline => std::thread::sleep(RETRY),
            result => return result,
        }
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

pub(crate) fn away(brokers: &str, reason: String) -> AdminError {
    AdminError::Unavailable { brokers: brokers.to_owned(), reason }
}
