use std::collections::HashSet;
use std::time::Duration;

use deadpool_postgres::Pool;
use jiff::Timestamp;
use kafka::Scanned;
use kernel::OrderId;
use rdkafka::message::Headers as _;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{Db, Failure};

/// A record as it was read, kept whole: it may have to go to the dead-letter topic as it came.
#[derive(Debug, Clone)]
pub(crate) struct Parked {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) order: Option<OrderId>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) attempts: u32,
    pub(crate) first_failed_at: Option<Timestamp>,
    pub(crate) last_failed_at: Option<Timestamp>,
    pub(crate) errors: Vec<String>,
}

/// The columns that a [`Parked`] is read from.
pub(crate) const COLUMNS: &str = "topic, partition, record_offset, order_id, key, header_names, \
     header_values, payload, attempts, first_failed_at, last_failed_at, errors";

/// The most errors kept of one record: the first and the latest tell most.
const ERRORS_MAX: usize = 20;
/// The longest error text kept, in characters.
const ERROR_LENGTH: usize = 1_000;

impl Parked {
    pub(crate) fn from_record(record: &impl rdkafka::Message, order: Option<OrderId>) -> Self {
        let headers = record.headers().map_or_else(Vec::new, |headers| {
            headers
                .iter()
                .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
                .collect()
        });
        Self { order, headers, ..Self::without_headers(record) }
    }

    /// A record of unknown order whose headers cannot be read.
    pub(crate) fn without_headers(record: &impl rdkafka::Message) -> Self {
        Self {
            topic: record.topic().to_owned(),
            partition: record.partition(),
            offset: record.offset(),
            order: None,
            key: record.key().map(<[u8]>::to_vec),
            headers: Vec::new(),
            payload: record.payload().map(<[u8]>::to_vec),
            attempts: 0,
            first_failed_at: None,
            last_failed_at: None,
            errors: Vec::new(),
        }
    }

    /// A record that a scan came by.
    pub(crate) fn from_scanned(record: &Scanned<'_>, order: Option<OrderId>) -> Self {
        let headers = record.headers.iter().flatten();
        Self {
            topic: record.topic.to_owned(),
            partition: record.partition,
            offset: record.offset,
            order,
            key: record.key.map(<[u8]>::to_vec),
            headers: headers
                .map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec)))
                .collect(),
            payload: record.payload.map(<[u8]>::to_vec),
            attempts: 0,
            first_failed_at: None,
            last_failed_at: None,
            errors: Vec::new(),
        }
    }

    pub(crate) fn from_row(row: &Row) -> Self {
        let names: Vec<String> = row.get("header_names");
        let values: Vec<Option<Vec<u8>>> = row.get("header_values");
        Self {
            topic: row.get("topic"),
            partition: row.get("partition"),
            offset: row.get("record_offset"),
            order: row.get::<_, Option<Uuid>>("order_id").map(OrderId),
            key: row.get("key"),
            headers: names.into_iter().zip(values).collect(),
            payload: row.get("payload"),
            attempts: row.get::<_, i32>("attempts").unsigned_abs(),
            first_failed_at: row.get("first_failed_at"),
            last_failed_at: row.get("last_failed_at"),
            errors: row.get("errors"),
        }
    }

    /// The record after one more failed try.
    #[must_use]
    pub(crate) fn failed(mut self, error: &str) -> Self {
        let now = Timestamp::now();
        self.attempts += 1;
        self.first_failed_at.get_or_insert(now);
        self.last_failed_at = Some(now);
        if self.errors.len() == ERRORS_MAX {
            self.errors.remove(1);
        }
        self.errors.push(storable(error));
        self
    }

    /// How long ago it failed first.
    pub(crate) fn age(&self) -> Duration {
        let since = self.first_failed_at.unwrap_or_else(Timestamp::now);
        Timestamp::now().duration_since(since).try_into().unwrap_or_default()
    }

    /// The record's headers, for decoding.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }
}

/// An error's text as the tables keep it: of bounded length, and without the NUL that it may quote
/// from a message, for no text in Postgres can hold one.
pub(crate) fn storable(error: &str) -> String {
    let printable = |c| if c == '\0' { char::REPLACEMENT_CHARACTER } else { c };
    error.chars().take(ERROR_LENGTH).map(printable).collect()
}

/// What becomes of a record that was set aside.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    /// It is tried (again) after this long.
    Retry(Duration),
    /// It goes to the dead-letter topic.
    Dead,
}

/// Puts a record into the queue, or writes down its newest failure if it is there. A record that
/// has gone to the dead-letter topic stays there.
pub(crate) async fn set_aside(db: &Db<'_>, parked: &Parked, fate: Fate) -> Result<(), Failure> {
    let insert = db
        .prepare_cached(
            "INSERT INTO retry_queue (topic, partition, record_offset, order_id, key,
               header_names, header_values, payload, attempts, due_at, dead,
               first_failed_at, last_failed_at, errors)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, now() + $10 * interval '1 second', $11,
               $12, $13, $14
             WHERE NOT EXISTS (SELECT FROM dead_lettered
               WHERE topic = $1 AND partition = $2 AND record_offset = $3)
             ON CONFLICT (topic, partition, record_offset) DO UPDATE SET
               attempts = excluded.attempts, due_at = excluded.due_at, dead = excluded.dead,
               first_failed_at = excluded.first_failed_at,
               last_failed_at = excluded.last_failed_at, errors = excluded.errors
             WHERE excluded.attempts > retry_queue.attempts",
        )
        .await?;
    let (seconds, dead) = match fate {
        Fate::Retry(wait) => (wait.as_secs_f64(), false),
        Fate::Dead => (0.0, true),
    };
    let names: Vec<&str> = parked.headers.iter().map(|(name, _)| name.as_str()).collect();
    let values: Vec<Option<&[u8]>> =
        parked.headers.iter().map(|(_, value)| value.as_deref()).collect();
    let order = parked.order.map(|order| order.0);
    db.execute(
        &insert,
        &[
            &parked.topic,
            &parked.partition,
            &parked.offset,
            &order,
            &parked.key,
            &names,
            &values,
            &parked.payload,
            &parked.attempts.cast_signed(),
            &seconds,
            &dead,
            &parked.first_failed_at,
            &parked.last_failed_at,
            &parked.errors,
        ],
    )
    .await?;
    // If the record was in the queue, the insert may have waited for whoever was moving it to the
    // dead-letter topic at that moment. It began before that was done; this statement sees it.
    let delete = db
        .prepare_cached(
            "DELETE FROM retry_queue WHERE topic = $1 AND partition = $2 AND record_offset = $3
               AND EXISTS (SELECT FROM dead_lettered
                 WHERE topic = $1 AND partition = $2 AND record_offset = $3)",
        )
        .await?;
    db.execute(&delete, &[&parked.topic, &parked.partition, &parked.offset]).await?;
    Ok(())
}

/// What is open about some orders.
#[derive(Debug, Default)]
pub(crate) struct Open {
    /// Records of theirs wait in the queue.
    pub(crate) waiting: HashSet<OrderId>,
    /// Numbers are missing in their streams.
    pub(crate) gaps: HashSet<OrderId>,
}

/// What is open about these orders.
pub(crate) async fn open(db: &Db<'_>, orders: &[Uuid]) -> Result<Open, Failure> {
    let select = db
        .prepare_cached(
            // Nearly always both tables are empty, and then there is nothing to search them for.
            "SELECT order_id, true FROM retry_queue
             WHERE EXISTS (SELECT FROM retry_queue) AND order_id = ANY($1) AND NOT dead
             UNION SELECT order_id, false FROM gaps
             WHERE EXISTS (SELECT FROM gaps) AND order_id = ANY($1)",
        )
        .await?;
    let mut open = Open::default();
    for row in db.query(&select, &[&orders]).await? {
        let orders = if row.get(1) { &mut open.waiting } else { &mut open.gaps };
        orders.insert(OrderId(row.get(0)));
    }
    Ok(open)
}

/// Whether a record has gone to the dead-letter topic, or is about to.
pub(crate) async fn is_dead(pool: &Pool, parked: &Parked) -> Result<bool, Failure> {
    let client = pool.get().await?;
    let select = client
        .prepare_cached(
            "SELECT EXISTS (SELECT FROM dead_lettered
                 WHERE topic = $1 AND partition = $2 AND record_offset = $3)
               OR EXISTS (SELECT FROM retry_queue
                 WHERE topic = $1 AND partition = $2 AND record_offset = $3 AND dead)",
        )
        .await?;
    let row =
        client.query_one(&select, &[&parked.topic, &parked.partition, &parked.offset]).await?;
    Ok(row.get(0))
}

/// Has a record wait before anything more is done about it.
pub(crate) async fn put_off(db: &Db<'_>, parked: &Parked, wait: Duration) -> Result<(), Failure> {
    db.execute(
        "UPDATE retry_queue SET due_at = now() + $4 * interval '1 second'
         WHERE topic = $1 AND partition = $2 AND record_offset = $3",
        &[&parked.topic, &parked.partition, &parked.offset, &wait.as_secs_f64()],
    )
    .await?;
    Ok(())
}

/// Takes a record off the queue: it has been processed in this transaction.
pub(crate) async fn remove(db: &Db<'_>, parked: &Parked) -> Result<(), Failure> {
    let delete = db
        .prepare_cached(
            "DELETE FROM retry_queue WHERE topic = $1 AND partition = $2 AND record_offset = $3",
        )
        .await?;
    db.execute(&delete, &[&parked.topic, &parked.partition, &parked.offset]).await?;
    Ok(())
}

/// The first record of each order in these partitions that is due. Partitions are numbered alike
/// in all topics, so an order's records are in the hands of whoever has its partition.
pub(crate) async fn due(pool: &Pool, partitions: &[i32]) -> Result<Vec<Parked>, Failure> {
    let client = pool.get().await?;
    let select = client
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM (
               SELECT DISTINCT ON (order_id) * FROM retry_queue
               WHERE NOT dead AND partition = ANY($1) ORDER BY order_id, id) AS first
             WHERE due_at <= now() ORDER BY due_at LIMIT 100"
        ))
        .await?;
    let rows = client.query(&select, &[&partitions]).await?;
    Ok(rows.iter().map(Parked::from_row).collect())
}
