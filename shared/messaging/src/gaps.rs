use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contracts::{Envelope, TARGET_GROUP, Topics, headers};
use deadpool_postgres::Pool;
use jiff::{SignedDuration, Timestamp};
use kafka::{AdminError, Bounds, Scanned, scan, windows};
use kernel::OrderId;
use metrics::counter;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};
use uuid::Uuid;

use crate::readers::Readers;
use crate::retry::{self, Fate, Parked};
use crate::{Db, Failure};

/// A number in an order's stream of events.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Numbered {
    pub(crate) order: OrderId,
    pub(crate) source: String,
    pub(crate) sequence: u32,
    pub(crate) partition: i32,
}

/// Writes down numbers that are missing.
pub(crate) async fn notice(db: &Db<'_>, missing: &[Numbered]) -> Result<(), Failure> {
    if missing.is_empty() {
        return Ok(());
    }
    let insert = db
        .prepare_cached(
            "INSERT INTO gaps (order_id, source, sequence, partition)
             SELECT * FROM unnest($1::uuid[], $2::text[], $3::int[], $4::int[])
             ON CONFLICT DO NOTHING",
        )
        .await?;
    let (orders, sources, sequences) = columns(missing);
    let partitions: Vec<i32> = missing.iter().map(|one| one.partition).collect();
    db.execute(&insert, &[&orders, &sources, &sequences, &partitions]).await?;
    Ok(())
}

/// Strikes out numbers: they have come, or are none of this service's business.
pub(crate) async fn close(db: &Db<'_>, come: &[Numbered]) -> Result<(), Failure> {
    if come.is_empty() {
        return Ok(());
    }
    let delete = db
        .prepare_cached(
            "DELETE FROM gaps USING unnest($1::uuid[], $2::text[], $3::int[])
               AS come (order_id, source, sequence)
             WHERE gaps.order_id = come.order_id AND gaps.source = come.source
               AND gaps.sequence = come.sequence",
        )
        .await?;
    let (orders, sources, sequences) = columns(come);
    db.execute(&delete, &[&orders, &sources, &sequences]).await?;
    Ok(())
}

fn columns(numbers: &[Numbered]) -> (Vec<Uuid>, Vec<&str>, Vec<i32>) {
    (
        numbers.iter().map(|one| one.order.0).collect(),
        numbers.iter().map(|one| one.source.as_str()).collect(),
        numbers.iter().map(|one| one.sequence.cast_signed()).collect(),
    )
}

/// How many skipped events are remembered, at least; at eight bytes each, twice.
const SKIPPED_MAX: usize = 100_000;

/// The numbers of events that went by and are not for this service, so that they are not missed.
/// It forgets, and then the topic is searched for what seems to be missing.
#[derive(Default)]
pub(crate) struct Skipped {
    hasher: RandomState,
    generations: Mutex<[HashSet<u64>; 2]>,
}

impl Skipped {
    /// Takes note of an event that is not for this service, by its headers.
    pub(crate) fn note<'a>(&self, all: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>) {
        let (mut order, mut source, mut sequence) = (None, None, None);
        for (name, value) in all {
            let text = value.and_then(|value| std::str::from_utf8(value).ok());
            match name {
                headers::SUBJECT => order = text.and_then(|text| text.parse().ok()),
                headers::SOURCE => source = text,
                headers::SEQUENCE => sequence = text.and_then(|text| text.parse().ok()),
                // A copy for another group says nothing of the event itself.
                TARGET_GROUP => return,
                _ => {}
            }
        }
        if let (Some(order), Some(source), Some(sequence)) = (order, source, sequence) {
            self.add(order, source, sequence);
        }
    }

    pub(crate) fn add(&self, order: OrderId, source: &str, sequence: u32) {
        let hash = self.hash(order, source, sequence);
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if generations[0].len() >= SKIPPED_MAX {
            generations.swap(0, 1);
            generations[0].clear();
        }
        generations[0].insert(hash);
    }

    /// Whether this number went by. By its hash: with a chance of one in 10^14 another one did.
    pub(crate) fn has(&self, order: OrderId, source: &str, sequence: u32) -> bool {
        let hash = self.hash(order, source, sequence);
        let generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.iter().any(|generation| generation.contains(&hash))
    }

    fn hash(&self, order: OrderId, source: &str, sequence: u32) -> u64 {
        self.hasher.hash_one((order.0, source, sequence))
    }
}

/// How often the missing numbers are looked through.
const EVERY: Duration = Duration::from_secs(2);
/// How many are looked for at once.
const AT_ONCE: i64 = 1_000;
/// How much earlier than its order's id says an event may have been written, because clocks differ.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(5);

/// Looks after numbers that did not arrive: searches the topic for them and puts what it finds
/// into the retry queue, from where it goes its usual way. What the topic does not have is lost.
pub(crate) struct Keeper<I> {
    pub(crate) pool: Pool,
    pub(crate) brokers: String,
    pub(crate) topics: Topics,
    pub(crate) readers: Arc<Readers<I>>,
    pub(crate) skipped: Arc<Skipped>,
    pub(crate) grace: Duration,
}

/// What is known of the missing numbers of one topic's partition.
type Search = HashMap<(String, i32), Vec<Numbered>>;

/// A number, and the record that has it, if the topic has one.
struct Searched {
    number: Numbered,
    found: Option<Found>,
}

struct Found {
    id: Uuid,
    consumed: bool,
    record: Parked,
}

impl<I: Send + Sync + 'static> Keeper<I> {
    /// Works until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            if let Err(failure) = self.look_through().await {
                warn!(%failure, "cannot look after missing events, trying again");
            }
        }
    }

    async fn look_through(&self) -> Result<(), Failure> {
        for ((source, partition), numbers) in self.overdue().await? {
            let topic = self.topics.events(source.trim_start_matches('/'));
            for searched in self.search(topic, partition, numbers).await? {
                self.settle(searched).await?;
            }
        }
        Ok(())
    }

    /// The numbers whose time of grace is over, by source and partition.
    async fn overdue(&self) -> Result<Search, Failure> {
        let client = self.pool.get().await?;
        let select = client
            .prepare_cached(
                "SELECT order_id, source, sequence, partition FROM gaps
                 WHERE verdict = 'waiting' AND noticed_at < now() - $1 * interval '1 second'
                 ORDER BY noticed_at LIMIT $2",
            )
            .await?;
        let mut overdue = Search::new();
        for row in client.query(&select, &[&self.grace.as_secs_f64(), &AT_ONCE]).await? {
            let number = Numbered {
                order: OrderId(row.get(0)),
                source: row.get(1),
                sequence: row.get::<_, i32>(2).unsigned_abs(),
                partition: row.get(3),
            };
            overdue.entry((number.source.clone(), number.partition)).or_default().push(number);
        }
        Ok(overdue)
    }

    /// Searches a topic's partition, from when the oldest of the orders was placed.
    async fn search(
        &self,
        topic: String,
        partition: i32,
        numbers: Vec<Numbered>,
    ) -> Result<Vec<Searched>, Failure> {
        let (brokers, readers) = (self.brokers.clone(), self.readers.clone());
        let searching = tokio::task::spawn_blocking(move || {
            let from = numbers.iter().map(|number| placed_at(number.order)).min().flatten();
            let bounds = Bounds::Times { from, to: None };
            let mut windows = match windows(&brokers, &[topic], bounds) {
                // A source that is none of this fleet's: nothing to be found.
                Err(AdminError::Missing(_)) => Vec::new(),
                windows => windows?,
            };
            windows.retain(|window| window.partition == partition);
            let mut wanted: HashMap<(OrderId, u32), Searched> = numbers
                .into_iter()
                .map(|number| ((number.order, number.sequence), Searched { number, found: None }))
                .collect();
            scan(&brokers, &windows, |record| {
                look_at(record, &readers, &mut wanted);
                ControlFlow::Continue(())
            })?;
            let mut searched: Vec<Searched> = wanted.into_values().collect();
            // What is found is repaired in the order in which it was said.
            searched.sort_by_key(|one| (one.number.order, one.number.sequence));
            Ok(searched)
        });
        let result: Result<_, AdminError> = searching
            .await
            .map_err(|error| Failure::Infrastructure(format!("searching a topic: {error}")))?;
        result.map_err(|error| Failure::Infrastructure(error.to_string()))
    }

    async fn settle(&self, Searched { number, found }: Searched) -> Result<(), Failure> {
        let client = self.pool.get().await?;
        let db = Db::begin(&client).await?;
        let outcome = match &found {
            None => "lost",
            Some(found) if !found.consumed => "not ours",
            Some(found) => whereabouts(&db, found).await?,
        };
        match (outcome, &found) {
            ("lost" | "dead", _) => judge(&db, &number, outcome).await?,
            ("not ours" | "seen", _) => close(&db, std::slice::from_ref(&number)).await?,
            ("repaired", Some(found)) => {
                retry::set_aside(&db, &found.record, Fate::Retry(Duration::ZERO)).await?;
            }
            _ => {}
        }
        db.commit().await?;
        counter!("farandole_gaps_total", "outcome" => outcome).increment(1);
        let Numbered { order, source, sequence, .. } = &number;
        match outcome {
            "lost" => error!(order_id = %order, source, sequence, "an event is missing for good"),
            "not ours" => self.skipped.add(*order, source, *sequence),
            "repaired" => warn!(order_id = %order, source, sequence, "a missed event is repaired"),
            _ => {}
        }
        Ok(())
    }
}

/// When an order was placed: its id is a `UUIDv7`. `None` if it is another kind of UUID.
fn placed_at(order: OrderId) -> Option<Timestamp> {
    let (seconds, nanoseconds) = order.0.get_timestamp()?.to_unix();
    let placed = Timestamp::new(i64::try_from(seconds).ok()?, nanoseconds.cast_signed()).ok()?;
    placed.checked_sub(CLOCKS_DIFFER).ok()
}

/// Takes the record if it is one that is wanted.
fn look_at<I: 'static>(
    record: &Scanned<'_>,
    readers: &Readers<I>,
    wanted: &mut HashMap<(OrderId, u32), Searched>,
) {
    let Some(all) = &record.headers else { return };
    let order = record.header(headers::SUBJECT).and_then(|text| std::str::from_utf8(text).ok());
    let Some(Ok(order)) = order.map(str::parse::<OrderId>) else { return };
    let sequence = record.header(headers::SEQUENCE).and_then(|text| std::str::from_utf8(text).ok());
    let Some(Ok(sequence)) = sequence.map(str::parse::<u32>) else { return };
    let Some(searched) = wanted.get_mut(&(order, sequence)) else { return };
    let Ok(envelope) = Envelope::parse(all.iter().copied()) else { return };
    // A copy for another group says nothing; the first one is what was meant for all.
    let redriven = all.iter().any(|(name, _)| *name == TARGET_GROUP);
    if searched.found.is_some() || redriven || envelope.source != searched.number.source {
        return;
    }
    searched.found = Some(Found {
        id: envelope.id,
        consumed: readers.concerns(all.iter().copied()),
        record: Parked::from_scanned(record, Some(order)),
    });
}

/// Where an event is that the topic has and this service did not count.
async fn whereabouts(db: &Db<'_>, found: &Found) -> Result<&'static str, Failure> {
    let Parked { topic, partition, offset, .. } = &found.record;
    let row = db
        .query_one(
            "SELECT EXISTS (SELECT FROM inbox WHERE event_id = $1),
               EXISTS (SELECT FROM dead_lettered
                 WHERE topic = $2 AND partition = $3 AND record_offset = $4)
               OR EXISTS (SELECT FROM retry_queue
                 WHERE topic = $2 AND partition = $3 AND record_offset = $4 AND dead),
               EXISTS (SELECT FROM retry_queue
                 WHERE topic = $2 AND partition = $3 AND record_offset = $4)",
            &[&found.id, topic, partition, offset],
        )
        .await?;
    Ok(match (row.get(0), row.get(1), row.get(2)) {
        (true, _, _) => "seen",
        (_, true, _) => "dead",
        (_, _, true) => "waiting",
        _ => "repaired",
    })
}

async fn judge(db: &Db<'_>, number: &Numbered, verdict: &str) -> Result<(), Failure> {
    db.execute(
        "UPDATE gaps SET verdict = $4, checked_at = now()
         WHERE order_id = $1 AND source = $2 AND sequence = $3",
        &[&number.order.0, &number.source, &number.sequence.cast_signed(), &verdict],
    )
    .await?;
    Ok(())
}
