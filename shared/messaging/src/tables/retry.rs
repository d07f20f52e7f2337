//! The retry queue: records that failed, and those of the same saga that came after them.

use std::time::Duration;

use futures::FutureExt as _;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::parked::{COLUMNS, Parked};
use super::statement::{Columns, Read, Write};
use crate::database::Session;
use crate::failure::Failure;

/// How many due records are fetched at once.
const DUE_MAX: u32 = 100;

/// What becomes of a record that was parked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    /// It is tried (again) after this long.
    Retry(Duration),
    /// It goes to the dead-letter topic.
    Dead,
}

/// The place of a record, as a condition on a table's columns.
fn place(parked: &Parked, write: &mut Write) -> Result<String, Failure> {
    let (topic, partition, offset, written_ms) = (
        write.bind(parked.topic.as_str())?,
        write.bind(parked.partition)?,
        write.bind(parked.offset)?,
        write.bind(parked.written_ms)?,
    );
    Ok(format!(
        "topic = {topic} AND partition = {partition} AND record_offset = {offset}
         AND written_ms = {written_ms}"
    ))
}

/// Puts a record into the queue, or writes down its newest failure if it is there. A record that
/// has gone to the dead-letter topic stays there.
pub(crate) async fn park(
    session: &mut Session,
    parked: &Parked,
    fate: Fate,
) -> Result<(), Failure> {
    let mut write = Write::default();
    insert(parked, fate, &mut write)?;
    write.run(session).await?;
    // If the record was in the queue, the insert may have waited for whoever was moving it to the
    // dead-letter topic at that moment. It began before that was done; this statement sees it.
    let mut write = Write::default();
    let place = place(parked, &mut write)?;
    write.part(&format!(
        "DELETE FROM retry_queue WHERE {place} AND due_at < 'infinity'
           AND EXISTS (SELECT FROM dead_lettered WHERE {place})"
    ));
    write.run(session).await
}

/// Has a record put into the queue, as [`park`] does.
pub(crate) fn insert(parked: &Parked, fate: Fate, write: &mut Write) -> Result<(), Failure> {
    let (seconds, dead) = match fate {
        Fate::Retry(wait) => (wait.as_secs_f64(), false),
        Fate::Dead => (0.0, true),
    };
    let place = place(parked, write)?;
    let names: Vec<&str> = parked.headers.iter().map(|(name, _)| name.as_str()).collect();
    let values: Vec<Option<&[u8]>> =
        parked.headers.iter().map(|(_, value)| value.as_deref()).collect();
    let columns = [
        write.bind(parked.topic.as_str())?,
        write.bind(parked.partition)?,
        write.bind(parked.offset)?,
        write.bind(parked.written_ms)?,
        write.bind(parked.saga.map(|saga| saga.0))?,
        write.bind(parked.key.as_deref())?,
        write.bind(names)?,
        write.bind(values)?,
        write.bind(parked.payload.as_deref())?,
        write.bind(parked.cut)?,
        write.bind(parked.attempts.cast_signed())?,
        write.bind(dead)?,
        write.bind(parked.errors.as_slice())?,
    ];
    let wait = write.bind(seconds)?;
    // The database's clock alone says when. What has not failed itself has no time of failure.
    let failed_at = if parked.attempts > 0 { "now()" } else { "NULL" };
    write.part(&format!(
        "INSERT INTO retry_queue (topic, partition, record_offset, written_ms, saga, key, header_names,
           header_values, payload, payload_cut, attempts, dead, errors, due_at, first_failed_at, last_failed_at)
         SELECT {}, now() + {wait} * interval '1 second', {failed_at}, {failed_at}
         WHERE NOT EXISTS (SELECT FROM dead_lettered WHERE {place})
         ON CONFLICT (topic, partition, record_offset, written_ms) DO UPDATE SET
           attempts = excluded.attempts, due_at = excluded.due_at, dead = excluded.dead,
           first_failed_at = coalesce(retry_queue.first_failed_at, excluded.first_failed_at),
           last_failed_at = excluded.last_failed_at, errors = excluded.errors
         WHERE excluded.attempts > retry_queue.attempts",
        columns.join(", ")
    ));
    Ok(())
}

/// Has it read which of these sagas have records that wait in the queue. Returns the part.
pub(crate) fn read_waiting(sagas: &[Uuid], read: &mut Read) -> Result<usize, Failure> {
    let sagas = read.bind(sagas)?;
    let columns = Columns { id: "saga", ..Columns::default() };
    Ok(read.part(columns, &format!("FROM {}", waiting(&sagas))))
}

/// The condition that none of these sagas has a record that waits in the queue.
pub(crate) fn none_waiting(sagas: &str) -> String {
    format!("NOT EXISTS (SELECT FROM {})", waiting(sagas))
}

/// Nearly always the queue is empty, and then there is nothing to search it for.
fn waiting(sagas: &str) -> String {
    format!(
        "retry_queue WHERE EXISTS (SELECT FROM retry_queue) AND saga = ANY({sagas}) AND NOT dead"
    )
}

/// Whether a record has gone to the dead-letter topic, or is about to.
pub(crate) async fn is_dead(session: &mut Session, parked: &Parked) -> Result<bool, Failure> {
    session
        .run(|connection| {
            sqlx::query_scalar!(
                "SELECT (EXISTS (SELECT FROM dead_lettered
                     WHERE topic = $1 AND partition = $2 AND record_offset = $3
                       AND written_ms = $4)
                   OR EXISTS (SELECT FROM retry_queue
                     WHERE topic = $1 AND partition = $2 AND record_offset = $3
                       AND written_ms = $4 AND dead))
                   AS \"dead!\"",
                parked.topic,
                parked.partition,
                parked.offset,
                parked.written_ms
            )
            .fetch_one(connection)
            .boxed()
        })
        .await
}

/// Has a record of the queue wait a while longer, without taking it for a failed try.
pub(crate) async fn postpone(
    session: &mut Session,
    parked: &Parked,
    wait: Duration,
) -> Result<(), Failure> {
    let mut write = Write::default();
    let (place, wait) = (place(parked, &mut write)?, write.bind(wait.as_secs_f64())?);
    write.part(&format!(
        "UPDATE retry_queue SET due_at = now() + {wait} * interval '1 second' WHERE {place}"
    ));
    write.run(session).await
}

/// Has a record taken off the queue: it is processed by this statement.
pub(crate) fn remove(parked: &Parked, write: &mut Write) -> Result<(), Failure> {
    let place = place(parked, write)?;
    write.part(&format!("DELETE FROM retry_queue WHERE {place}"));
    Ok(())
}

/// The first record of each saga in these partitions that is due. Partitions are numbered alike
/// in all topics, so a saga's records are in the hands of whoever has its partition.
pub(crate) async fn due(
    session: &mut Session,
    partitions: Vec<i32>,
) -> Result<Vec<Parked>, Failure> {
    let sql = format!(
        "SELECT {COLUMNS} FROM (
           SELECT DISTINCT ON (saga) * FROM retry_queue
           WHERE NOT dead AND partition = ANY($1) ORDER BY saga, id) AS first
         WHERE due_at <= now() ORDER BY due_at LIMIT {DUE_MAX}"
    );
    let rows = session
        .run(|connection| {
            let select = sqlx::query(AssertSqlSafe(sql)).bind(partitions);
            async move { select.fetch_all(connection).await }.boxed()
        })
        .await?;
    rows.iter().map(Parked::from_row).collect()
}

/// Dead records that are to be moved to the dead-letter topic, up to a hundred. For so many seconds
/// this instance has them to itself; then they are due again.
pub(crate) async fn claim_dead(
    session: &mut Session,
    lease_s: u32,
) -> Result<Vec<Parked>, Failure> {
    let sql = format!(
        "WITH claimed AS (
         UPDATE retry_queue SET due_at = now() + $1 * interval '1 second' WHERE id IN (
           SELECT id FROM retry_queue WHERE dead AND due_at <= now()
           ORDER BY id LIMIT {DUE_MAX} FOR UPDATE SKIP LOCKED)
         RETURNING *)
         SELECT {COLUMNS} FROM claimed ORDER BY id"
    );
    let rows = session
        .run(|connection| {
            let claim = sqlx::query(AssertSqlSafe(sql)).bind(f64::from(lease_s));
            async move { claim.fetch_all(connection).await }.boxed()
        })
        .await?;
    rows.iter().map(Parked::from_row).collect()
}

/// Gives back records that were claimed: they are due at once.
pub(crate) async fn release(session: &mut Session, parked: &[&Parked]) -> Result<(), Failure> {
    let mut write = Write::default();
    let places = places(parked, &mut write)?;
    write.part(&format!(
        "UPDATE retry_queue SET due_at = now()
         WHERE (topic, partition, record_offset, written_ms) IN ({places})"
    ));
    write.run(session).await
}

/// Takes records off the queue that are in the dead-letter topic now.
pub(crate) async fn moved(session: &mut Session, parked: &[&Parked]) -> Result<(), Failure> {
    let mut write = Write::default();
    let places = places(parked, &mut write)?;
    write.part(&format!(
        "INSERT INTO dead_lettered (topic, partition, record_offset, written_ms)
           {places} ON CONFLICT DO NOTHING"
    ));
    write.part(&format!(
        "DELETE FROM retry_queue WHERE (topic, partition, record_offset, written_ms) IN ({places})"
    ));
    write.run(session).await
}

/// Takes note that the letter of this record is in the dead-letter topic without the payload, which
/// is too large for that, and stays here for good.
pub(crate) async fn kept(session: &mut Session, parked: &Parked) -> Result<(), Failure> {
    let mut write = Write::default();
    let place = place(parked, &mut write)?;
    write.part(&format!(
        "INSERT INTO dead_lettered (topic, partition, record_offset, written_ms)
         SELECT topic, partition, record_offset, written_ms FROM retry_queue WHERE {place}
         ON CONFLICT DO NOTHING"
    ));
    write.part(&format!("UPDATE retry_queue SET due_at = 'infinity' WHERE {place}"));
    write.run(session).await
}

/// The places of records, as a query.
fn places(parked: &[&Parked], write: &mut Write) -> Result<String, Failure> {
    let topics = write.bind(parked.iter().map(|one| one.topic.as_str()).collect::<Vec<_>>())?;
    let partitions = write.bind(parked.iter().map(|one| one.partition).collect::<Vec<_>>())?;
    let offsets = write.bind(parked.iter().map(|one| one.offset).collect::<Vec<_>>())?;
    let written = write.bind(parked.iter().map(|one| one.written_ms).collect::<Vec<_>>())?;
    Ok(format!(
        "SELECT unnest({topics}), unnest({partitions}), unnest({offsets}), unnest({written})"
    ))
}
