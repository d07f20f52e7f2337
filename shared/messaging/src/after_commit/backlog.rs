//! Counts what waits in the loop's tables.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::housekeeping::Housekeeping;
use crate::failure::Failure;
use crate::instruments::{
    CLOCK_OFFSET, EFFECTS_AGE, EFFECTS_HELD, EFFECTS_PENDING, GAPS, OUTBOX_AGE, OUTBOX_BACKLOG,
    RETRY_QUEUE_AGE, RETRY_QUEUE_RECORDS,
};

/// How often the tables are counted.
const EVERY: Duration = Duration::from_secs(5);

/// What waits in the loop's tables, and whether it is too much.
pub(crate) struct Backlog {
    max: u32,
    /// Which of [`REASONS`] holds, plus one; 0 for none.
    too_long: AtomicU8,
    /// The steps that had calls open, and those that had some held: one that has none any more is
    /// told to have 0.
    steps: Mutex<BTreeSet<String>>,
    held: Mutex<BTreeSet<(String, String)>>,
}

const REASONS: [&str; 2] = [
    "more records wait in the retry queue than BACKLOG_MAX",
    "more calls to the outside are open than BACKLOG_MAX",
];

impl Backlog {
    pub(crate) fn new(max: u32) -> Self {
        Self { max, too_long: AtomicU8::new(0), steps: Mutex::default(), held: Mutex::default() }
    }

    /// Why no more events should be taken in, if so.
    pub(crate) fn too_long(&self) -> Option<&'static str> {
        let reason = usize::from(self.too_long.load(Ordering::Relaxed));
        reason.checked_sub(1).and_then(|reason| REASONS.get(reason)).copied()
    }

    /// Counts until `shutdown`.
    pub(crate) async fn watch(
        self: Arc<Self>,
        database: Housekeeping,
        shutdown: CancellationToken,
    ) {
        loop {
            let measured = match self.measure(&database).await {
                Ok(()) => compare_clocks(&database).await,
                failed => failed,
            };
            if let Err(failure) = measured {
                warn!(error = %failure, "cannot measure backlogs, trying again");
            }
            if shutdown.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
                return;
            }
        }
    }

    async fn measure(&self, database: &Housekeeping) -> Result<(), Failure> {
        let rows = database
            .session()
            .await
            .run(|connection| {
                sqlx::query!(
                    "SELECT kind AS \"kind!\", name, count AS \"count!\",
                       coalesce(extract(epoch FROM now() - since), 0)::float8 AS \"age!\" FROM (
                       SELECT 'outbox' AS kind, NULL AS name,
                         coalesce(sum(cardinality(sequences)), 0)::bigint AS count,
                         min(committed_at) AS since FROM outbox_bundles
                       UNION ALL SELECT 'retries', NULL, count(*), min(first_failed_at)
                         FROM retry_queue WHERE NOT dead
                       UNION ALL SELECT 'effects', step, count(*), min(created_at)
                         FROM effects WHERE held IS NULL GROUP BY step
                       UNION ALL SELECT held, step, count(*), min(created_at)
                         FROM effects WHERE held IS NOT NULL GROUP BY held, step
                       UNION ALL SELECT 'gaps', verdict, count(saga), min(noticed_at)
                         FROM unnest(ARRAY['waiting', 'lost', 'dead', 'acknowledged']) AS verdict
                         LEFT JOIN gaps USING (verdict) GROUP BY verdict) AS waiting"
                )
                .fetch_all(connection)
                .boxed()
            })
            .await?;
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        for step in steps.iter() {
            tell_effects(step, 0, 0.0);
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        for (step, how) in held.iter() {
            EFFECTS_HELD.count([step, how], 0);
        }
        let (mut retries, mut effects) = (0, 0);
        for row in rows {
            let (count, age) = (u64::try_from(row.count).unwrap_or_default(), row.age);
            let name = row.name.unwrap_or_default();
            match row.kind.as_str() {
                "outbox" => {
                    OUTBOX_BACKLOG.count([], count);
                    OUTBOX_AGE.of([]).set(age);
                }
                "retries" => {
                    retries = count;
                    RETRY_QUEUE_RECORDS.count([], count);
                    RETRY_QUEUE_AGE.of([]).set(age);
                }
                "effects" => {
                    effects += count;
                    tell_effects(&name, count, age);
                    steps.insert(name);
                }
                "parked" | "given_up" => {
                    EFFECTS_HELD.count([&name, &row.kind], count);
                    held.insert((name, row.kind));
                }
                _ => GAPS.count([&name], count),
            }
        }
        let max = u64::from(self.max);
        let too_long = if retries > max { 1 } else { 2 * u8::from(effects > max) };
        self.too_long.store(too_long, Ordering::Relaxed);
        Ok(())
    }
}

/// How far this clock is ahead of the database server's, to about the time that a query takes.
async fn compare_clocks(database: &Housekeeping) -> Result<(), Failure> {
    let mut session = database.session().await;
    let before = Timestamp::now();
    let server = session
        .run(|connection| {
            sqlx::query_scalar!("SELECT clock_timestamp() AS \"now!\"")
                .fetch_one(connection)
                .boxed()
        })
        .await?;
    let after = Timestamp::now();
    let offset = |now: Timestamp| now.duration_since(server.to_jiff()).as_secs_f64();
    // The server's time is from between these two.
    CLOCK_OFFSET.of([]).set(f64::midpoint(offset(before), offset(after)));
    Ok(())
}

fn tell_effects(step: &str, count: u64, age: f64) {
    EFFECTS_PENDING.count([step], count);
    EFFECTS_AGE.of([step]).set(age);
}
