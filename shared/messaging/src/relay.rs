mod turns;

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::Pool;
use kafka::{Producer, Record, Throttle, header};
use kernel::OrderId;
use rdkafka::message::OwnedHeaders;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::counters::count_by_type;
use crate::outbox::{self, Bundle, BundleId, Bundled, EVENTS_OF, Outgoing};
use crate::relay::turns::{Before, Turns};
use crate::settings::backoff;
use crate::{Db, Failure, Pace, crash, instance};

/// The most events held in memory. Past it they are in the table only, and are read back when the
/// relay has caught up; at 500 bytes each this is 25 MB.
const QUEUE_MAX: usize = 50_000;
/// The most events published before the acknowledgements are awaited.
const BATCH_MAX: usize = 2_000;
/// How often the relay looks for rows that instances which are gone left behind.
const ADOPT_EVERY: Duration = Duration::from_secs(1);
/// How many of them it takes up at once.
const ADOPT_MAX: usize = 50;
/// How many rows are read back at once.
const READ_BACK_MAX: usize = 10;
/// Rows of this instance that are older than this, while none is in memory, never got there: the
/// answer to their commit was lost.
const OVERLOOKED_AFTER: Duration = Duration::from_secs(2);
/// How long an order's next event waits for the instance that has to publish the one before.
const TURN_LIMIT: Duration = Duration::from_secs(5);
/// How long, if that is this instance: the one before is being handed over at this moment, or never
/// came, because the answer to its commit was lost.
const OWN_TURN_LIMIT: Duration = Duration::from_millis(100);
/// How often it is looked whether its turn has come.
const TURN_EVERY: Duration = Duration::from_millis(10);
/// How long published rows may stay in the table, so that deletes come in batches.
const DELETE_LINGER: Duration = Duration::from_millis(50);
/// Longest wait between two attempts to reach Kafka or Postgres.
const BACKOFF_CAP: Duration = Duration::from_secs(2);

/// Publishes committed events, in order per order id, and deletes the rows of those that are in the
/// log, by exact id.
///
/// Events are handed over in memory after the commit. What a crash left in the table is found by
/// the scan for instances that are gone. There is no cursor over the table: rows that commit late
/// would be skipped by one.
pub(crate) struct Relay {
    queue: Mutex<Queue>,
    wake: Notify,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Bundled>,
    /// This instance's events are to be read from the table: more came than memory holds, or some
    /// may be there that never came.
    only_in_table: bool,
    /// More came than memory holds, and that has not been worked off yet.
    behind: bool,
}

impl Relay {
    pub(crate) fn new() -> Self {
        Self { queue: Mutex::default(), wake: Notify::new() }
    }

    /// Hands over committed events, in the order of their commits.
    pub(crate) fn hand(&self, Bundle(events): Bundle) {
        if events.is_empty() {
            return;
        }
        let mut queue = self.lock();
        let fits = queue.events.len() + events.len() <= QUEUE_MAX;
        if !queue.only_in_table && fits {
            queue.events.extend(events);
            drop(queue);
            self.wake.notify_one();
        } else {
            queue.behind |= !fits;
            drop(queue);
            self.read_back();
        }
    }

    /// Forgets what is in memory and has it read from the table, where all of it is, too.
    fn read_back(&self) {
        let mut queue = self.lock();
        queue.events.clear();
        queue.only_in_table = true;
        drop(queue);
        self.wake.notify_one();
    }

    /// Whether more is waiting than memory holds: the sign to take no new work in.
    pub(crate) fn is_behind(&self) -> bool {
        self.lock().behind
    }

    fn is_only_in_table(&self) -> bool {
        self.lock().only_in_table
    }

    fn has_events(&self) -> bool {
        !self.lock().events.is_empty()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<Bundled> {
        let mut queue = self.lock();
        let count = queue.events.len().min(BATCH_MAX);
        queue.events.drain(..count).collect()
    }
}

/// The relay's worker.
pub(crate) struct Publisher {
    pub(crate) relay: Arc<Relay>,
    pub(crate) pool: Pool,
    pub(crate) producer: Arc<Producer>,
    pub(crate) topic: String,
    pub(crate) source: String,
    pub(crate) instance: i32,
    pub(crate) linger: Duration,
    pub(crate) rate: Option<NonZeroU32>,
}

impl Publisher {
    /// Publishes until `shutdown`, then what is still in memory; the caller bounds that wait.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let (published, deletes) = mpsc::channel(64);
        let cleaning = tokio::spawn(delete_published(self.pool.clone(), deletes));
        // Commits come from two sides, the loop's and those of commands such as placing: what the one
        // brings must not wait for long because of the other.
        let mut pace = Pace::new(self.linger / 2);
        let mut throttle = Throttle::new(self.rate);
        let mut next_adoption = Instant::now();
        let mut waiting = Turns::default();
        loop {
            if Instant::now() >= next_adoption || !waiting.is_empty() {
                next_adoption = Instant::now() + ADOPT_EVERY;
                waiting.extend(self.left_behind().await);
                // What waits or was just taken up is old, but not overlooked.
                if waiting.is_empty() {
                    self.find_overlooked().await;
                }
            }
            let events = self.relay.take();
            if !events.is_empty() {
                pace.count(events.len());
            }
            let mut ready = waiting.keep_back(events);
            ready.extend(self.in_turn(&mut waiting).await);
            if !ready.is_empty() {
                self.publish(&ready, &published, &mut throttle).await;
                continue;
            }
            if self.relay.is_only_in_table() {
                self.read_back(&mut waiting, &published, &mut throttle).await;
                continue;
            }
            if shutdown.is_cancelled() && waiting.is_empty() {
                break;
            }
            let until =
                if waiting.is_empty() { next_adoption } else { Instant::now() + TURN_EVERY };
            tokio::select! {
                () = self.relay.wake.notified() => pace.wait().await,
                () = tokio::time::sleep_until(until) => {}
                () = shutdown.cancelled(), if waiting.is_empty() => {}
            }
        }
        drop(published);
        let _ = cleaning.await;
    }

    /// Publishes events until Kafka has them, however long that takes.
    async fn publish(
        &self,
        events: &[Bundled],
        published: &mpsc::Sender<Vec<BundleId>>,
        throttle: &mut Throttle,
    ) {
        for part in events.chunks(throttle.batch(BATCH_MAX)) {
            throttle.wait(part.len()).await;
            self.publish_batch(part, published).await;
        }
    }

    async fn publish_batch(&self, events: &[Bundled], published: &mpsc::Sender<Vec<BundleId>>) {
        let outgoing = || events.iter().map(|Bundled { event, .. }| event);
        let keys: Vec<String> = outgoing().map(|event| event.envelope.order.to_string()).collect();
        for attempt in 1.. {
            let records = events.iter().zip(&keys).map(|(one, key)| self.record(&one.event, key));
            match self.producer.publish(records).await {
                Ok(()) => break,
                Err(error) => {
                    warn!(%error, events = events.len(), "cannot publish, trying again");
                    let wait = backoff(attempt, Duration::from_millis(50), BACKOFF_CAP);
                    tokio::time::sleep(wait).await;
                }
            }
        }
        crash::point("after-publish");
        for Outgoing { envelope, .. } in outgoing() {
            debug!(
                order_id = %envelope.order,
                r#type = envelope.event_type,
                event_id = %envelope.id,
                correlation_id = envelope.correlation_id,
                "published"
            );
        }
        let types = outgoing().map(|event| event.envelope.event_type.as_str());
        count_by_type("farandole_events_published_total", types);
        let bundles = events.iter().filter_map(Bundled::published).collect();
        // Fails only when the other end is gone, at the very end; the rows are found at next start.
        let _ = published.send(bundles).await;
    }

    fn record<'a>(&'a self, event: &'a Outgoing, key: &'a str) -> Record<'a> {
        let all = event.envelope.headers();
        let headers = all
            .iter()
            .fold(OwnedHeaders::new_with_capacity(all.len()), |headers, (name, value)| {
                header(headers, name, value.as_bytes())
            });
        let (key, payload) = (Some(key.as_bytes()), Some(event.payload.as_slice()));
        Record { topic: &self.topic, key, payload, headers }
    }

    /// Takes out the events whose turn has come: what comes before them is published. What does not
    /// get published for too long is taken over.
    async fn in_turn(&self, waiting: &mut Turns) -> Vec<Bundled> {
        if waiting.is_empty() {
            return Vec::new();
        }
        let orders: Vec<Uuid> = waiting.orders().map(|order| order.0).collect();
        let before = match self.unpublished(&orders).await {
            Ok(found) => waiting.not_here(found),
            Err(failure) => {
                warn!(%failure, "cannot look at the outbox");
                return Vec::new();
            }
        };
        let ready = waiting.take(&before);
        self.take_over(&before, waiting).await;
        ready
    }

    /// Takes over the bundles that the others have waited for long enough.
    async fn take_over(&self, before: &[Before], waiting: &mut Turns) {
        let waited = waiting.waited();
        let overdue = before.iter().filter(|one| {
            let own = one.instance == self.instance;
            let limit = if own { OWN_TURN_LIMIT } else { TURN_LIMIT };
            waited.get(&one.order).is_some_and(|waited| *waited >= limit)
        });
        let overdue: Vec<i64> = overdue.map(|one| one.bundle.0).collect();
        if overdue.is_empty() {
            return;
        }
        match self.adopt("bundle_id = ANY($2)", &[&self.instance, &overdue]).await {
            Ok(events) => {
                let (events_count, bundles) = (events.len(), overdue.len());
                info!(events_count, bundles, "publishing what is overdue, for others wait for it");
                waiting.extend(events);
            }
            Err(failure) => warn!(%failure, "cannot take over events"),
        }
    }

    /// The events of these orders that are in the table.
    async fn unpublished(&self, orders: &[Uuid]) -> Result<Vec<Before>, Failure> {
        let client = self.pool.get().await?;
        let select = client
            .prepare_cached(
                "SELECT order_id, sequence, bundle_id, instance FROM outbox
                 WHERE bundle_id IN (SELECT bundle_id FROM outbox_bundles WHERE order_ids && $1)
                   AND order_id = ANY($1)",
            )
            .await?;
        let rows = client.query(&select, &[&orders]).await?;
        let before = rows.iter().map(|row| Before {
            order: OrderId(row.get(0)),
            sequence: row.get::<_, i32>(1).unsigned_abs(),
            bundle: BundleId(row.get(2)),
            instance: row.get(3),
        });
        Ok(before.collect())
    }

    /// Takes over the rows of instances that are gone.
    async fn left_behind(&self) -> Vec<Bundled> {
        let condition = format!("instance <> $1 AND instance NOT IN {}", instance::LIVE);
        match self.adopt(&condition, &[&self.instance]).await {
            Ok(events) => {
                if !events.is_empty() {
                    info!(events = events.len(), "publishing what an instance that is gone left");
                }
                events
            }
            Err(failure) => {
                warn!(%failure, "cannot look for events left behind");
                Vec::new()
            }
        }
    }

    /// A commit whose answer was lost has happened all the same, perhaps much later, and its rows
    /// are in no memory. Nothing is being published at this moment, so what is old was overlooked.
    async fn find_overlooked(&self) {
        if self.relay.has_events() {
            return;
        }
        match self.is_any_older_than(OVERLOOKED_AFTER).await {
            Ok(false) => {}
            Ok(true) => {
                info!("publishing events whose commit was not answered");
                self.relay.read_back();
            }
            Err(failure) => warn!(%failure, "cannot look for overlooked events"),
        }
    }

    async fn is_any_older_than(&self, age: Duration) -> Result<bool, Failure> {
        let client = self.pool.get().await?;
        let select = client
            .prepare_cached(
                "SELECT EXISTS (SELECT FROM outbox_bundles
                   WHERE instance = $1 AND committed_at < now() - $2 * interval '1 second')",
            )
            .await?;
        Ok(client.query_one(&select, &[&self.instance, &age.as_secs_f64()]).await?.get(0))
    }

    /// Makes rows this instance's and returns them; the oldest first, and not all at once.
    async fn adopt(
        &self,
        condition: &str,
        parameters: &[&(dyn tokio_postgres::types::ToSql + Sync)],
    ) -> Result<Vec<Bundled>, Failure> {
        let client = self.pool.get().await?;
        let sql = format!(
            "WITH taken AS (UPDATE outbox_bundles SET instance = $1 WHERE bundle_id IN (
               SELECT bundle_id FROM outbox_bundles WHERE {condition}
               ORDER BY bundle_id LIMIT {ADOPT_MAX} FOR UPDATE SKIP LOCKED)
             RETURNING bundle_id)
             {EVENTS_OF} IN (SELECT bundle_id FROM taken)"
        );
        let update = client.prepare_cached(&sql).await?;
        let rows = client.query(&update, parameters).await?;
        Ok(outbox::from_rows(&self.source, &rows))
    }

    /// Publishes this instance's events from the table after more came than memory holds.
    async fn read_back(
        &self,
        waiting: &mut Turns,
        published: &mpsc::Sender<Vec<BundleId>>,
        throttle: &mut Throttle,
    ) {
        // From here on new events go to memory again. Those committed before are read below, so
        // none is left out; one that is in both is published twice, which the inboxes drop.
        self.relay.lock().only_in_table = false;
        waiting.clear();
        let mut after = BundleId(i64::MIN);
        loop {
            match self.own(after).await {
                Ok(events) if events.is_empty() => break,
                Ok(events) => {
                    after = events.iter().map(Bundled::bundle).max().unwrap_or(after);
                    waiting.extend(events);
                    let ready = self.in_turn(waiting).await;
                    self.publish(&ready, published, throttle).await;
                }
                Err(failure) => {
                    warn!(%failure, "cannot read the outbox back");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
        let mut queue = self.relay.lock();
        queue.behind = queue.only_in_table;
    }

    async fn own(&self, after: BundleId) -> Result<Vec<Bundled>, Failure> {
        let client = self.pool.get().await?;
        let sql = format!(
            "{EVENTS_OF} IN (SELECT bundle_id FROM outbox_bundles
               WHERE instance = $1 AND bundle_id > $2
               ORDER BY bundle_id LIMIT {READ_BACK_MAX})"
        );
        let select = client.prepare_cached(&sql).await?;
        let rows = client.query(&select, &[&self.instance, &after.0]).await?;
        Ok(outbox::from_rows(&self.source, &rows))
    }
}

/// Deletes published rows. A delete that is lost in a crash of the database only means that a row
/// is published again, so this need not wait for the disk.
async fn delete_published(pool: Pool, mut published: mpsc::Receiver<Vec<BundleId>>) {
    while let Some(mut gone) = published.recv().await {
        if !published.is_closed() {
            tokio::time::sleep(DELETE_LINGER).await;
        }
        while let Ok(more) = published.try_recv() {
            gone.extend(more);
        }
        if gone.is_empty() {
            continue;
        }
        for attempt in 1.. {
            match delete(&pool, &gone).await {
                Ok(()) => break,
                Err(failure) if published.is_closed() => {
                    warn!(%failure, "leaving published events in the outbox for the next start");
                    break;
                }
                Err(failure) => {
                    warn!(%failure, "cannot delete published events, trying again");
                    let wait = backoff(attempt, Duration::from_millis(50), BACKOFF_CAP);
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }
}

async fn delete(pool: &Pool, bundles: &[BundleId]) -> Result<(), Failure> {
    let client = pool.get().await?;
    let delete = "DELETE FROM outbox_bundles WHERE bundle_id = ANY($1)";
    let delete = client.prepare_cached(delete).await?;
    let ids: Vec<i64> = bundles.iter().map(|bundle| bundle.0).collect();
    let db = Db::new(&client);
    tokio::try_join!(
        biased;
        db.open(),
        async { Ok(db.batch_execute("SET LOCAL synchronous_commit = off").await?) },
        async { Ok(db.execute(&delete, &[&ids as _]).await?) },
    )?;
    db.commit().await
}
