use std::collections::{HashMap, HashSet, VecDeque};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::Pool;
use jiff::Timestamp;
use kernel::OrderId;
use metrics::counter;
use rdkafka::message::OwnedHeaders;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::kafka::{Producer, Record, header};
use crate::outbox::{self, Outgoing};
use crate::settings::backoff;
use crate::{Failure, Pace, Throttle, crash, instance};

/// The most rows held in memory. Past it rows stay in the table only, and are read back when the
/// relay has caught up; at 500 bytes each this is 25 MB.
const QUEUE_MAX: usize = 50_000;
/// The most rows published before the acknowledgements are awaited.
const BATCH_MAX: usize = 2_000;
/// How often the relay looks for rows that instances which are gone left behind.
const ADOPT_EVERY: Duration = Duration::from_secs(1);
/// How many of them it takes up at once.
const ADOPT_MAX: usize = 5_000;
/// Rows of this instance that are older than this, while none is in memory, never got there: the
/// answer to their commit was lost.
const OVERLOOKED_AFTER: Duration = Duration::from_secs(2);
/// How long an order's next event waits for the instance that has to publish the one before.
const TURN_LIMIT: Duration = Duration::from_secs(5);
/// How often it is looked whether its turn has come.
const TURN_EVERY: Duration = Duration::from_millis(10);
/// How long published rows may stay in the table at high rates, so that deletes come in batches.
const DELETE_LINGER: Duration = Duration::from_millis(50);
/// Longest wait between two attempts to reach Kafka or Postgres.
const BACKOFF_CAP: Duration = Duration::from_secs(2);

/// Publishes committed rows, in order per order id, and deletes them by exact id.
///
/// Rows are handed over in memory after the commit. What a crash left in the table is found by
/// the scan for instances that are gone. There is no cursor over the table: rows that commit late
/// would be skipped by one.
pub(crate) struct Relay {
    queue: Mutex<Queue>,
    wake: Notify,
}

#[derive(Default)]
struct Queue {
    rows: VecDeque<Outgoing>,
    /// This instance's rows are to be read from the table: more came than memory holds, or some
    /// may be there that never came.
    only_in_table: bool,
    /// More came than memory holds, and that has not been worked off yet.
    behind: bool,
}

impl Relay {
    pub(crate) fn new() -> Self {
        Self { queue: Mutex::default(), wake: Notify::new() }
    }

    /// Hands over committed rows, in the order of their commits.
    pub(crate) fn hand(&self, rows: Vec<Outgoing>) {
        if rows.is_empty() {
            return;
        }
        let mut queue = self.lock();
        let fits = queue.rows.len() + rows.len() <= QUEUE_MAX;
        if !queue.only_in_table && fits {
            queue.rows.extend(rows);
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
        queue.rows.clear();
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

    fn has_rows(&self) -> bool {
        !self.lock().rows.is_empty()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<Outgoing> {
        let mut queue = self.lock();
        let count = queue.rows.len().min(BATCH_MAX);
        queue.rows.drain(..count).collect()
    }
}

/// Rows of orders of which other instances may have earlier ones to publish.
#[derive(Default)]
struct Waiting {
    rows: Vec<(Instant, Outgoing)>,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn extend(&mut self, rows: Vec<Outgoing>) {
        let now = Instant::now();
        self.rows.extend(rows.into_iter().map(|row| (now, row)));
    }

    /// Keeps the rows that follow another instance's or one that waits, and returns the others.
    fn keep_back(&mut self, rows: Vec<Outgoing>) -> Vec<Outgoing> {
        let mut orders: HashSet<OrderId> = self.orders(Duration::ZERO).collect();
        let (wait, ready) = rows.into_iter().partition(|row| {
            let order = row.envelope.order;
            orders.contains(&order) || row.follows.is_some() && orders.insert(order)
        });
        self.extend(wait);
        ready
    }

    /// The orders of which a row has waited at least this long.
    fn orders(&self, at_least: Duration) -> impl Iterator<Item = OrderId> {
        let waited = self.rows.iter().filter(move |(since, _)| since.elapsed() >= at_least);
        waited.map(|(_, row)| row.envelope.order)
    }

    /// Takes out the rows before which the others have none, given each order's first of theirs.
    fn take_before(&mut self, others: &HashMap<OrderId, u32>) -> Vec<Outgoing> {
        let (ready, wait) = std::mem::take(&mut self.rows).into_iter().partition(|(_, row)| {
            others.get(&row.envelope.order).is_none_or(|first| row.envelope.sequence < *first)
        });
        self.rows = wait;
        let mut ready: Vec<Outgoing> = ready.into_iter().map(|(_, row)| row).collect();
        ready.sort_by_key(|row| (row.envelope.order, row.envelope.sequence));
        ready
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
        let mut pace = Pace::new(self.linger);
        let mut throttle = Throttle::new(self.rate);
        let mut next_adoption = Instant::now();
        let mut waiting = Waiting::default();
        loop {
            if Instant::now() >= next_adoption || !waiting.is_empty() {
                next_adoption = Instant::now() + ADOPT_EVERY;
                waiting.extend(self.left_behind().await);
                // What waits or was just taken up is old, but not overlooked.
                if waiting.is_empty() {
                    self.find_overlooked().await;
                }
            }
            let rows = self.relay.take();
            if !rows.is_empty() {
                pace.count(rows.len());
            }
            let mut ready = waiting.keep_back(rows);
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

    /// Publishes rows until Kafka has them, however long that takes.
    async fn publish(
        &self,
        rows: &[Outgoing],
        published: &mpsc::Sender<Vec<Uuid>>,
        throttle: &mut Throttle,
    ) {
        for part in rows.chunks(throttle.batch(BATCH_MAX)) {
            throttle.wait(part.len()).await;
            self.publish_batch(part, published).await;
        }
    }

    async fn publish_batch(&self, rows: &[Outgoing], published: &mpsc::Sender<Vec<Uuid>>) {
        let keys: Vec<String> = rows.iter().map(|row| row.envelope.order.to_string()).collect();
        for attempt in 1.. {
            let records = rows.iter().zip(&keys).map(|(row, key)| self.record(row, key));
            match self.producer.publish(records).await {
                Ok(()) => break,
                Err(error) => {
                    warn!(%error, rows = rows.len(), "cannot publish, trying again");
                    let wait = backoff(attempt, Duration::from_millis(50), BACKOFF_CAP);
                    tokio::time::sleep(wait).await;
                }
            }
        }
        crash::point("after-publish");
        for row in rows {
            debug!(
                order_id = %row.envelope.order,
                r#type = row.envelope.event_type,
                event_id = %row.envelope.id,
                correlation_id = row.envelope.correlation_id,
                "published"
            );
            counter!("farandole_events_published_total", "type" => row.envelope.event_type.clone())
                .increment(1);
        }
        let ids = rows.iter().map(|row| row.envelope.id).collect();
        // Fails only when the other end is gone, at the very end; the rows are found at next start.
        let _ = published.send(ids).await;
    }

    fn record<'a>(&'a self, row: &'a Outgoing, key: &'a str) -> Record<'a> {
        let all = row.envelope.headers();
        let headers = all
            .iter()
            .fold(OwnedHeaders::new_with_capacity(all.len()), |headers, (name, value)| {
                header(headers, name, value.as_bytes())
            });
        let (key, payload) = (Some(key.as_bytes()), Some(row.payload.as_slice()));
        Record { topic: &self.topic, key, payload, headers }
    }

    /// Takes out the rows whose turn has come: other instances have published what comes before
    /// them. What an instance does not get to for too long is taken over.
    async fn in_turn(&self, waiting: &mut Waiting) -> Vec<Outgoing> {
        if waiting.is_empty() {
            return Vec::new();
        }
        let overdue: Vec<Uuid> = waiting.orders(TURN_LIMIT).map(|order| order.0).collect();
        if !overdue.is_empty() {
            let condition = "order_id = ANY($2) AND instance <> $1";
            match self.adopt(condition, &[&self.instance, &overdue]).await {
                Ok(rows) => {
                    let rows_count = rows.len();
                    warn!(rows_count, "another instance does not publish its events, doing it");
                    waiting.extend(rows);
                }
                Err(failure) => warn!(%failure, "cannot take over events"),
            }
        }
        let orders: Vec<Uuid> = waiting.orders(Duration::ZERO).map(|order| order.0).collect();
        match self.first_of_others(&orders).await {
            Ok(first) => waiting.take_before(&first),
            Err(failure) => {
                warn!(%failure, "cannot look at the outbox");
                Vec::new()
            }
        }
    }

    /// The first event that other instances have to publish, of each order that has one.
    async fn first_of_others(&self, orders: &[Uuid]) -> Result<HashMap<OrderId, u32>, Failure> {
        let client = self.pool.get().await?;
        let first = client
            .prepare_cached(
                "SELECT order_id, min(sequence) FROM outbox
                 WHERE order_id = ANY($1) AND instance <> $2 GROUP BY order_id",
            )
            .await?;
        let rows = client.query(&first, &[&orders, &self.instance]).await?;
        Ok(rows
            .iter()
            .map(|row| (OrderId(row.get(0)), row.get::<_, i32>(1).unsigned_abs()))
            .collect())
    }

    /// Takes over the rows of instances that are gone.
    async fn left_behind(&self) -> Vec<Outgoing> {
        let condition = format!("instance <> $1 AND instance NOT IN {}", instance::LIVE);
        match self.adopt(&condition, &[&self.instance]).await {
            Ok(rows) => {
                if !rows.is_empty() {
                    info!(rows = rows.len(), "publishing what an instance that is gone left");
                }
                rows
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
        if self.relay.has_rows() {
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
                "SELECT EXISTS (SELECT FROM outbox WHERE instance = $1 AND occurred_at < $2)",
            )
            .await?;
        let now = Timestamp::now();
        let before = now.checked_sub(age).unwrap_or(now);
        Ok(client.query_one(&select, &[&self.instance, &before]).await?.get(0))
    }

    /// Makes rows this instance's and returns them; the oldest first, and not all at once.
    async fn adopt(
        &self,
        condition: &str,
        parameters: &[&(dyn tokio_postgres::types::ToSql + Sync)],
    ) -> Result<Vec<Outgoing>, Failure> {
        let client = self.pool.get().await?;
        let columns = outbox::COLUMNS;
        let sql = format!(
            "UPDATE outbox SET instance = $1 WHERE event_id IN (
               SELECT event_id FROM outbox WHERE {condition}
               ORDER BY event_id LIMIT {ADOPT_MAX} FOR UPDATE SKIP LOCKED)
             RETURNING {columns}"
        );
        let update = client.prepare_cached(&sql).await?;
        let rows = client.query(&update, parameters).await?;
        Ok(outbox::from_rows(&self.source, &rows))
    }

    /// Publishes this instance's rows from the table after more came than memory holds.
    async fn read_back(
        &self,
        waiting: &mut Waiting,
        published: &mpsc::Sender<Vec<Uuid>>,
        throttle: &mut Throttle,
    ) {
        // From here on new rows go to memory again. Those committed before are read below, so
        // none is left out; one that is in both is published twice, which the inboxes drop.
        self.relay.lock().only_in_table = false;
        *waiting = Waiting::default();
        let mut after = Uuid::nil();
        loop {
            match self.own_rows(after).await {
                Ok(rows) if rows.is_empty() => break,
                Ok(rows) => {
                    after = rows.iter().map(|row| row.envelope.id).max().unwrap_or(after);
                    waiting.extend(rows);
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

    async fn own_rows(&self, after: Uuid) -> Result<Vec<Outgoing>, Failure> {
        let client = self.pool.get().await?;
        let sql = format!(
            "SELECT {} FROM outbox WHERE instance = $1 AND event_id > $2
             ORDER BY event_id LIMIT {BATCH_MAX}",
            outbox::COLUMNS
        );
        let select = client.prepare_cached(&sql).await?;
        let rows = client.query(&select, &[&self.instance, &after]).await?;
        Ok(outbox::from_rows(&self.source, &rows))
    }
}

/// Deletes published rows. A delete that is lost in a crash of the database only means that a row
/// is published again, so this need not wait for the disk.
async fn delete_published(pool: Pool, mut published: mpsc::Receiver<Vec<Uuid>>) {
    let mut pace = Pace::new(DELETE_LINGER);
    while let Some(mut ids) = published.recv().await {
        if !published.is_closed() {
            pace.wait().await;
        }
        while let Ok(more) = published.try_recv() {
            ids.extend(more);
        }
        pace.count(ids.len());
        for attempt in 1.. {
            match delete(&pool, &ids).await {
                Ok(()) => break,
                Err(failure) if published.is_closed() => {
                    warn!(%failure, "leaving published rows in the outbox for the next start");
                    break;
                }
                Err(failure) => {
                    warn!(%failure, "cannot delete published rows, trying again");
                    let wait = backoff(attempt, Duration::from_millis(50), BACKOFF_CAP);
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }
}

async fn delete(pool: &Pool, ids: &[Uuid]) -> Result<(), Failure> {
    let mut client = pool.get().await?;
    let db = client.transaction().await?;
    db.batch_execute("SET LOCAL synchronous_commit = off").await?;
    let delete = db.prepare_cached("DELETE FROM outbox WHERE event_id = ANY($1)").await?;
    db.execute(&delete, &[&ids]).await?;
    db.commit().await?;
    Ok(())
}
