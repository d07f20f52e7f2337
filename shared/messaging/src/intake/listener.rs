use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kafka::note_refusal;
use kernel::error_chain;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::statistics::{Partition, Statistics};
use rdkafka::topic_partition_list::TopicPartitionList;
use tracing::{debug, info, warn};

use super::ends::{Ends, tell_anew};
use crate::instruments::{LAG_RECORDS, LAG_SECONDS};
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
    /// By topic and partition.
    places: Mutex<HashMap<(String, i32), Place>>,
    trouble: Mutex<Option<Trouble>>,
    ends: Arc<Ends>,
}

/// How far the service is in a partition that is this instance's.
struct Place {
    assigned: Instant,
    /// Before this, in milliseconds since 1970, nothing was written that is not read. Not known before
    /// a record was polled, or there was none.
    since: Option<i64>,
}

impl Place {
    fn new() -> Self {
        Self { assigned: Instant::now(), since: None }
    }

    /// Age of the first record that is not read, in seconds, at most. It is younger than the last that is
    /// read, and than the last time at which there was none.
    fn behind(&self, now: Timestamp) -> f64 {
        let Some(since) = self.since else { return self.assigned.elapsed().as_secs_f64() };
        let age = now.as_millisecond().saturating_sub(since);
        Duration::from_millis(u64::try_from(age).unwrap_or_default()).as_secs_f64()
    }
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
            places: Mutex::default(),
            trouble: Mutex::default(),
            ends,
        }
    }

    /// Takes note of how far the service has come: of when the last records that are done were written,
    /// in milliseconds since 1970.
    pub(crate) fn reached(&self, times: impl Iterator<Item = ((String, i32), i64)>) {
        if let Some(trouble) = self.trouble().as_mut() {
            trouble.goes_on = true;
        }
        let mut places = self.places();
        for (place, time) in times {
            if let Some(place) = places.get_mut(&place) {
                place.since = place.since.max(Some(time));
            }
        }
    }

    /// Takes note of when the first records that were polled were written. Only the first ever matters:
    /// later on it is known what is done.
    pub(crate) fn polled(&self, records: &[BorrowedMessage<'_>]) {
        let mut places = self.places();
        if places.values().all(|place| place.since.is_some()) {
            return;
        }
        for record in records {
            let place = places.get_mut(&(record.topic().to_owned(), record.partition()));
            if let Some(place @ Place { since: None, .. }) = place {
                place.since = record.timestamp().to_millis();
            }
        }
    }

    fn places(&self) -> MutexGuard<'_, HashMap<(String, i32), Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
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
        note_refusal(error);
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

    /// What is not this instance's is not measured: after a rebalance it is another's.
    fn measure(&self, topic: &str, partition: i32, lag: u64) {
        let mut places = self.places();
        let Some(place) = places.get_mut(&(topic.to_owned(), partition)) else { return };
        let now = Timestamp::now();
        if lag == 0 {
            place.since = Some(now.as_millisecond());
        }
        tell_lag(topic, partition, lag, if lag == 0 { 0.0 } else { place.behind(now) });
    }

    fn assigned(&self, partitions: &TopicPartitionList) {
        let mut places = self.places();
        for one in partitions.elements() {
            let place = (one.topic().to_owned(), one.partition());
            places.entry(place).or_insert_with(Place::new);
        }
    }

    fn revoked(&self, partitions: &TopicPartitionList) {
        let mut places = self.places();
        for one in partitions.elements() {
            if places.remove(&(one.topic().to_owned(), one.partition())).is_some() {
                tell_lag(one.topic(), one.partition(), 0, 0.0);
            }
        }
    }
}

/// How many records of a partition are not read, if that is known. The client knows it once it has read
/// one; who has read none reads from the beginning.
fn lag(partition: &Partition) -> Option<u64> {
    let known = u64::try_from(partition.consumer_lag).ok();
    known.or_else(|| {
        let is_known = partition.lo_offset >= 0 && partition.hi_offset >= 0;
        let untouched = partition.app_offset < 0 && partition.committed_offset < 0;
        let all = (is_known && untouched).then(|| partition.hi_offset - partition.lo_offset)?;
        u64::try_from(all).ok()
    })
}

fn tell_lag(topic: &str, partition: i32, records: u64, seconds: f64) {
    let labels = [topic, &partition.to_string()];
    LAG_RECORDS.count(labels, records);
    LAG_SECONDS.of(labels).set(seconds);
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
                if partition.partition >= 0
                    && let Some(lag) = lag(partition)
                {
                    self.measure(&topic.topic, partition.partition, lag);
                }
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.monitor.down("kafka", reason);
        } else {
            note_refusal(&error);
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
                self.assigned(partitions);
                self.joined.store(true, Ordering::Relaxed);
                self.monitor.up("kafka");
            }
            Rebalance::Revoke(partitions) => {
                info!(partitions = partitions.count(), "partitions revoked");
                self.revoked(partitions);
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

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    /// What the client has for an offset that is not known.
    const NONE: i64 = -1001;

    #[test]
    fn how_far_behind_it_is_follows_from_what_is_known_of_the_first_record_that_is_not_read() {
        let now = Timestamp::now();
        let place = Place::new();
        assert!(place.behind(now) < 1.0, "nothing is known: since it was assigned");
        let place = Place { since: Some(now.as_millisecond() - 5_000), ..place };
        assert!((place.behind(now) - 5.0).abs() < 0.01);
        let place = Place { since: Some(now.as_millisecond() + 5_000), ..place };
        assert!(place.behind(now).abs() < f64::EPSILON, "clocks may differ");
    }

    struct Nobody;

    impl Monitor for Nobody {
        fn up(&self, _: &'static str) {}
        fn down(&self, _: &'static str, _: &str) {}
        fn beat(&self) {}
    }

    #[test]
    fn the_lag_of_a_partition_that_goes_goes_with_it() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let page = recorder.handle();
        let told = |line: &str| page.render().lines().any(|it| it == line);
        let lag = |records| {
            format!(
                r#"farandole_consumer_lag_records{{topic="order.events",partition="2"}} {records}"#
            )
        };
        metrics::with_local_recorder(&recorder, || {
            let listener = Listener::new(Arc::new(Nobody), Arc::default());
            let mut partitions = TopicPartitionList::new();
            partitions.add_partition("order.events", 2);
            listener.measure("order.events", 2, 7);
            assert!(page.render().is_empty(), "it is not this instance's");
            listener.assigned(&partitions);
            listener.measure("order.events", 2, 7);
            assert!(told(&lag(7)), "{}", page.render());
            listener.revoked(&partitions);
            assert!(told(&lag(0)), "{}", page.render());
            listener.measure("order.events", 2, 7);
            assert!(told(&lag(0)), "it is another's now");
        });
    }

    #[test]
    fn who_has_read_nothing_of_a_partition_lacks_all_of_it() {
        let partition = |consumer_lag, app_offset, committed_offset| Partition {
            lo_offset: 10,
            hi_offset: 25,
            consumer_lag,
            app_offset,
            committed_offset,
            ..Partition::default()
        };
        assert_eq!(lag(&partition(-1, NONE, NONE)), Some(15));
        assert_eq!(lag(&partition(3, 22, NONE)), Some(3));
        assert_eq!(lag(&partition(-1, NONE, 20)), None, "it is about to be known");
        assert_eq!(lag(&Partition { hi_offset: NONE, ..partition(-1, NONE, NONE) }), None);
    }
}
