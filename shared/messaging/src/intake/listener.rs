use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kernel::error_chain;
use metrics::gauge;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use tracing::{debug, info, warn};

use super::ends::{Ends, tell_anew};
use crate::service::Monitor;

/// For so long after an error in reading the consumer is not taken for well. Most errors that don't
/// pass by themselves come again sooner.
const TROUBLED_FOR: Duration = Duration::from_secs(5);
/// How often the same error is told.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// Listens to the consumer: whether brokers are there, how far behind it is, what it is assigned.
pub(crate) struct Listener {
    monitor: Arc<dyn Monitor>,
    /// The group has said which partitions are this instance's, be it none.
    joined: AtomicBool,
    paused: AtomicBool,
    /// By topic and partition: when the last record that is done was written, in milliseconds
    /// since 1970.
    reached: Mutex<HashMap<(String, i32), i64>>,
    trouble: Mutex<Option<Trouble>>,
    ends: Arc<Ends>,
}

/// Why records could not be read.
struct Trouble {
    reason: String,
    last: Instant,
    told: Instant,
    /// Records were read since.
    goes_on: bool,
}

impl Listener {
    pub(crate) fn new(monitor: Arc<dyn Monitor>, ends: Arc<Ends>) -> Self {
        Self {
            monitor,
            joined: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            reached: Mutex::default(),
            trouble: Mutex::default(),
            ends,
        }
    }

    /// Takes note of how far the service has come.
    pub(crate) fn reached(&self, times: impl Iterator<Item = ((String, i32), i64)>) {
        if let Some(trouble) = self.trouble().as_mut() {
            trouble.goes_on = true;
        }
        self.reached.lock().unwrap_or_else(PoisonError::into_inner).extend(times);
    }

    /// Takes note that reading failed, as it does for ever if records are in a form that the client
    /// can't read, or if a right is missing.
    pub(crate) fn failed(&self, error: &KafkaError) {
        let reason = format!("records cannot be read: {}", error_chain(error));
        let mut trouble = self.trouble();
        let now = Instant::now();
        let told = trouble.as_ref().filter(|before| before.reason == reason).map(|one| one.told);
        let told = told.filter(|told| told.elapsed() < TELL_EVERY).unwrap_or_else(|| {
            warn!(reason, "going on; this is told once a minute while it lasts");
            now
        });
        self.monitor.down("kafka", &reason);
        *trouble = Some(Trouble { reason, last: now, told, goes_on: false });
    }

    /// Whether reading failed and nothing shows that it works again. Some errors are told once and
    /// last all the same.
    fn is_troubled(&self, statistics: &Statistics) -> bool {
        let mut trouble = self.trouble();
        let Some(last) = trouble.as_ref() else { return false };
        let wanted = || {
            let topics = statistics.topics.values();
            topics.flat_map(|topic| topic.partitions.values()).filter(|partition| partition.desired)
        };
        // Where the end of a partition is not known, it can't be read.
        let all_known = wanted().all(|partition| partition.hi_offset >= 0);
        let all_read = wanted().all(|partition| partition.next_offset >= partition.hi_offset);
        let is_over =
            last.last.elapsed() >= TROUBLED_FOR && all_known && (all_read || last.goes_on);
        if is_over {
            *trouble = None;
        }
        !is_over
    }

    fn trouble(&self) -> MutexGuard<'_, Option<Trouble>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How old the last record is that is done, in seconds: that long ago the service was where
    /// the topic was.
    fn seconds_behind(&self, topic: &str, partition: i32) -> Option<f64> {
        let reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        let time = *reached.get(&(topic.to_owned(), partition))?;
        let age = Timestamp::now().as_millisecond().saturating_sub(time).max(0);
        #[allow(clippy::cast_precision_loss)] // A gauge; ages are far below 2^52 ms.
        let seconds = age as f64 / 1_000.0;
        Some(seconds)
    }

    #[allow(clippy::cast_precision_loss)] // A gauge; lags are far below 2^52.
    fn measure(&self, topic: &str, partition: i32, lag: i64) {
        let labels = [("topic", topic.to_owned()), ("partition", partition.to_string())];
        gauge!("farandole_consumer_lag_records", &labels).set(lag as f64);
        let seconds = if lag == 0 { Some(0.0) } else { self.seconds_behind(topic, partition) };
        if let Some(seconds) = seconds {
            gauge!("farandole_consumer_lag_seconds", &labels).set(seconds);
        }
    }
}

impl ClientContext for Listener {
    fn stats(&self, statistics: Statistics) {
        if self.joined.load(Ordering::Relaxed)
            && !self.is_troubled(&statistics)
            && statistics.brokers.values().any(|broker| broker.nodeid >= 0 && broker.state == "UP")
        {
            self.monitor.up("kafka");
        }
        for topic in statistics.topics.values() {
            for partition in topic.partitions.values() {
                // Below zero: not known yet.
                if partition.partition >= 0
                    && partition.hi_offset >= 0
                    && let end = partition.hi_offset
                    && let Some(before) = self.ends.note(&topic.topic, partition.partition, end)
                {
                    let (topic, monitor) = (&topic.topic, &*self.monitor);
                    tell_anew(topic, partition.partition, before, end, monitor);
                }
                // -1: not assigned to this instance, or not known yet.
                if partition.partition >= 0 && partition.consumer_lag >= 0 {
                    self.measure(&topic.topic, partition.partition, partition.consumer_lag);
                }
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.monitor.down("kafka", reason);
        } else {
            debug!(%error, reason, "kafka consumer");
        }
    }
}

impl ConsumerContext for Listener {
    /// The client keeps a partition paused that goes, also when it comes back; nobody would resume
    /// it then. (To resume one that is not paused would drop what was fetched of it.)
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = rebalance
            && self.paused.swap(false, Ordering::Relaxed)
            && let Err(error) = consumer.resume(partitions)
        {
            warn!(%error, "cannot resume partitions that go");
        }
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => {
                info!(partitions = partitions.count(), "partitions assigned");
                self.joined.store(true, Ordering::Relaxed);
                self.monitor.up("kafka");
            }
            Rebalance::Revoke(partitions) => {
                info!(partitions = partitions.count(), "partitions revoked");
                // Joined it is when it is told what it has now, be it nothing.
                self.joined.store(false, Ordering::Relaxed);
            }
            Rebalance::Error(error) => info!(%error, "rebalance failed"),
        }
    }
}

/// Pauses all partitions of this instance, until [`resume`] or until they go.
pub(crate) fn pause(consumer: &StreamConsumer<Listener>) {
    let paused = consumer.assignment().and_then(|partitions| {
        consumer.pause(&partitions)?;
        Ok(partitions.count() > 0)
    });
    match paused {
        Ok(any) => consumer.context().paused.store(any, Ordering::Relaxed),
        Err(error) => warn!(%error, "cannot pause partitions"),
    }
}

/// Resumes the partitions, if they were paused.
pub(crate) fn resume(consumer: &StreamConsumer<Listener>) {
    if !consumer.context().paused.swap(false, Ordering::Relaxed) {
        return;
    }
    let resumed = consumer.assignment().and_then(|partitions| consumer.resume(&partitions));
    if let Err(error) = resumed {
        consumer.context().paused.store(true, Ordering::Relaxed);
        warn!(%error, "cannot resume partitions, trying again");
    }
}
