//! Looks for events that are missing in sagas' streams, and repairs what it finds.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use contracts::{Envelope, TARGET_GROUP, Topics, headers};
use futures::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use kafka::{AdminError, Bounds, Scanned, scan, windows};
use kernel::SagaKey;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};
use uuid::Uuid;

use super::housekeeping::Housekeeping;
use crate::database::Session;
use crate::failure::Failure;
use crate::instruments::GAPS_SETTLED;
use crate::record::readers::Readers;
use crate::record::skipped::Skipped;
use crate::tables::gaps::{self, Numbered};
use crate::tables::parked::Parked;
use crate::tables::retry::{self, Fate};
use crate::tables::statement::Write;

/// How often the missing numbers are looked through.
const EVERY: Duration = Duration::from_secs(2);
/// How long, in seconds, until a number that was found to wait in the retry queue is looked for again.
const AGAIN_S: f64 = 60.0;
/// How many are looked for at once.
const AT_ONCE: i64 = 1_000;
/// How much earlier than its saga's id says an event may have been written, because clocks differ.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(5);

/// Looks after numbers that did not arrive: searches the topic for them and puts what it finds
/// into the retry queue, from where it goes its usual way. What the topic does not have is lost.
pub(crate) struct GapRepairer<I> {
    pub(crate) database: Housekeeping,
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

impl<I: Send + Sync + 'static> GapRepairer<I> {
    /// Works until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            if let Err(failure) = self.look_through().await {
                warn!(error = %failure, "cannot look after missing events, trying again");
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

    /// The numbers whose time of grace is over, by source and partition. One that was looked for
    /// and waits in the retry queue is looked for again after a while.
    async fn overdue(&self) -> Result<Search, Failure> {
        let rows = self
            .database
            .session()
            .await
            .run(|connection| {
                sqlx::query!(
                    "SELECT saga, source, sequence, partition FROM gaps
                     WHERE verdict = 'waiting' AND noticed_at < now() - $1 * interval '1 second'
                       AND (checked_at IS NULL
                         OR checked_at < now() - $2 * interval '1 second')
                     ORDER BY noticed_at LIMIT $3",
                    self.grace.as_secs_f64(),
                    AGAIN_S,
                    AT_ONCE
                )
                .fetch_all(connection)
                .boxed()
            })
            .await?;
        let mut overdue = Search::new();
        for row in rows {
            let number = Numbered {
                saga: SagaKey(row.saga),
                source: row.source,
                sequence: row.sequence.unsigned_abs(),
                partition: row.partition,
            };
            overdue.entry((number.source.clone(), number.partition)).or_default().push(number);
        }
        Ok(overdue)
    }

    /// Searches a topic's partition, from when the oldest of the sagas was placed.
    async fn search(
        &self,
        topic: String,
        partition: i32,
        numbers: Vec<Numbered>,
    ) -> Result<Vec<Searched>, Failure> {
        let (brokers, readers) = (self.brokers.clone(), self.readers.clone());
        let searching = tokio::task::spawn_blocking(move || {
            let from = numbers.iter().map(|number| placed_at(number.saga)).min().flatten();
            let bounds = Bounds::Times { from, to: None };
            let mut windows = match windows(&brokers, &[topic], bounds) {
                // A source that is none of this fleet's: nothing to be found.
                Err(AdminError::Missing(_)) => Vec::new(),
                windows => windows?,
            };
            windows.retain(|window| window.partition == partition);
            let mut wanted: HashMap<(SagaKey, u32), Searched> = numbers
                .into_iter()
                .map(|number| ((number.saga, number.sequence), Searched { number, found: None }))
                .collect();
            scan(&brokers, &windows, |record| {
                look_at(record, &readers, &mut wanted);
                ControlFlow::Continue(())
            })?;
            let mut searched: Vec<Searched> = wanted.into_values().collect();
            // What is found is repaired in the order in which it was said.
            searched.sort_by_key(|one| (one.number.saga, one.number.sequence));
            Ok(searched)
        });
        let result: Result<_, AdminError> = searching
            .await
            .map_err(|error| Failure::Infrastructure(format!("searching a topic: {error}")))?;
        result.map_err(|error| Failure::Infrastructure(error.to_string()))
    }

    async fn settle(&self, Searched { number, found }: Searched) -> Result<(), Failure> {
        let mut session = self.database.session().await;
        let outcome = match &found {
            None if is_older(&mut session, number.saga).await? => "older_than_the_service",
            None => "lost",
            Some(found) if !found.consumed => "not_ours",
            Some(found) => whereabouts(&mut session, found).await?,
        };
        match (outcome, &found) {
            ("lost" | "dead" | "waiting", _) => judge(&mut session, &number, outcome).await?,
            ("not_ours" | "seen" | "older_than_the_service", _) => {
                let mut write = Write::default();
                gaps::close(std::slice::from_ref(&number), &mut write)?;
                write.run(&mut session).await?;
            }
            ("repaired", Some(found)) => {
                retry::park(&mut session, &found.record, Fate::Retry(Duration::ZERO)).await?;
            }
            _ => {}
        }
        drop(session);
        GAPS_SETTLED.of([outcome]).increment(1);
        let Numbered { saga, source, sequence, .. } = &number;
        match outcome {
            "lost" => error!(
                %saga, source, sequence,
                "an event is missing for good: see farandole gaps"
            ),
            "not_ours" | "older_than_the_service" => self.skipped.add(*saga, source, *sequence),
            "repaired" => warn!(%saga, source, sequence, "a missed event is repaired"),
            _ => {}
        }
        Ok(())
    }
}

/// When a saga began: its id is a `UUIDv7`. `None` if it is another kind of UUID.
fn began_at(saga: SagaKey) -> Option<Timestamp> {
    let (seconds, nanoseconds) = saga.0.get_timestamp()?.to_unix();
    Timestamp::new(i64::try_from(seconds).ok()?, nanoseconds.cast_signed()).ok()
}

/// From when on its events may have been written.
fn placed_at(saga: SagaKey) -> Option<Timestamp> {
    began_at(saga)?.checked_sub(CLOCKS_DIFFER).ok()
}

/// Whether a saga began before the service joined the fleet. What the topics do not have of it any more,
/// the service never was to read.
async fn is_older(session: &mut Session, saga: SagaKey) -> Result<bool, Failure> {
    let Some(began) = began_at(saga) else { return Ok(false) };
    let joined = session
        .run(|connection| {
            sqlx::query_scalar!("SELECT at FROM first_day").fetch_one(connection).boxed()
        })
        .await?;
    Ok(began < joined.to_jiff())
}

/// Takes the record if it is one that is wanted.
fn look_at<I: 'static>(
    record: &Scanned<'_>,
    readers: &Readers<I>,
    wanted: &mut HashMap<(SagaKey, u32), Searched>,
) {
    let Some(all) = &record.headers else { return };
    let saga = record.header(headers::SUBJECT).and_then(|text| std::str::from_utf8(text).ok());
    let Some(Ok(saga)) = saga.map(str::parse::<SagaKey>) else { return };
    let sequence = record.header(headers::SEQUENCE).and_then(|text| std::str::from_utf8(text).ok());
    let Some(Ok(sequence)) = sequence.map(str::parse::<u32>) else { return };
    let Some(searched) = wanted.get_mut(&(saga, sequence)) else { return };
    let Ok(envelope) = Envelope::parse(all.iter().copied()) else { return };
    // A copy for another group says nothing; the first one is what was meant for all.
    let redriven = all.iter().any(|(name, _)| *name == TARGET_GROUP);
    if searched.found.is_some() || redriven || envelope.source != searched.number.source {
        return;
    }
    searched.found = Some(Found {
        id: envelope.id,
        consumed: readers.concerns(all.iter().copied()),
        record: Parked::from_scanned(record, Some(saga)),
    });
}

/// Where an event is that the topic has and this service did not count.
async fn whereabouts(session: &mut Session, found: &Found) -> Result<&'static str, Failure> {
    let (id, Parked { topic, partition, offset, written_ms, .. }) = (found.id, &found.record);
    let place = session
        .run(|connection| {
            sqlx::query!(
                "SELECT EXISTS (SELECT FROM inbox WHERE event_id = $1) AS \"seen!\",
                   (EXISTS (SELECT FROM dead_lettered
                     WHERE topic = $2 AND partition = $3 AND record_offset = $4
                       AND written_ms = $5)
                   OR EXISTS (SELECT FROM retry_queue
                     WHERE topic = $2 AND partition = $3 AND record_offset = $4
                       AND written_ms = $5 AND dead))
                     AS \"dead!\",
                   EXISTS (SELECT FROM retry_queue
                     WHERE topic = $2 AND partition = $3 AND record_offset = $4
                       AND written_ms = $5) AS \"waiting!\"",
                id,
                topic,
                partition,
                offset,
                written_ms
            )
            .fetch_one(connection)
            .boxed()
        })
        .await?;
    Ok(match (place.seen, place.dead, place.waiting) {
        (true, _, _) => "seen",
        (_, true, _) => "dead",
        (_, _, true) => "waiting",
        _ => "repaired",
    })
}

async fn judge(session: &mut Session, number: &Numbered, verdict: &str) -> Result<(), Failure> {
    let Numbered { saga, source, sequence, .. } = number;
    session
        .run(|connection| {
            sqlx::query!(
                "UPDATE gaps SET checked_at = now(),
                   verdict = CASE WHEN $4 IN ('lost', 'dead') AND EXISTS (SELECT FROM acknowledged
                       WHERE saga = $1 AND source = $2 AND sequence = $3)
                     THEN 'acknowledged' ELSE $4 END
                 WHERE saga = $1 AND source = $2 AND sequence = $3",
                saga.0,
                source,
                sequence.cast_signed(),
                verdict
            )
            .execute(connection)
            .boxed()
        })
        .await?;
    Ok(())
}
