//! The inbox: the ids of the events whose effect is in this database.

use std::time::Duration;

use futures::FutureExt as _;
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use uuid::Uuid;

use super::statement::{Columns, Read, Write};
use crate::database::Session;
use crate::failure::Failure;

/// Has these ids remembered; that one is known already is a [`Failure::Conflict`].
pub(crate) fn insert(ids: Vec<Uuid>, write: &mut Write) -> Result<(), Failure> {
    insert_into("inbox (event_id)", ids, write)
}

/// The same for the redrives of dead letters.
pub(crate) fn insert_redriven(ids: Vec<Uuid>, write: &mut Write) -> Result<(), Failure> {
    insert_into("redriven (redrive_id)", ids, write)
}

/// Sorted, so that two instances that insert the same ones wait for each other instead of
/// deadlocking.
fn insert_into(table: &str, mut ids: Vec<Uuid>, write: &mut Write) -> Result<(), Failure> {
    if ids.is_empty() {
        return Ok(());
    }
    ids.sort_unstable();
    ids.dedup();
    let ids = write.bind(ids)?;
    write.part(&format!("INSERT INTO {table} SELECT unnest({ids})"));
    Ok(())
}

/// Has it read which of these ids are known. Returns the part.
pub(crate) fn read(ids: Vec<Uuid>, read: &mut Read) -> Result<usize, Failure> {
    let ids = read.bind(ids)?;
    let columns = Columns { id: "event_id", ..Columns::default() };
    Ok(read.part(columns, &format!("FROM inbox WHERE event_id = ANY({ids})")))
}

/// The same for redrive ids.
pub(crate) fn read_redriven(ids: Vec<Uuid>, read: &mut Read) -> Result<usize, Failure> {
    let ids = read.bind(ids)?;
    let columns = Columns { id: "redrive_id", ..Columns::default() };
    Ok(read.part(columns, &format!("FROM redriven WHERE redrive_id = ANY({ids})")))
}

/// How many days ahead partitions are made, so that a service whose upkeep fails for a while
/// still writes into a partition of its own.
const DAYS_AHEAD: i64 = 3;
/// Two instances must not make or drop the same partition at once. Begins a script.
const ONE_AT_A_TIME: &str = "SELECT pg_advisory_xact_lock(hashtext('inbox partitions'));";

/// Makes the partitions of yesterday (for clocks that lag) to `DAYS_AHEAD` days from now, those
/// that are not there.
pub async fn prepare(session: &mut Session) -> Result<(), Failure> {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let mut script = ONE_AT_A_TIME.to_owned();
    for day in -1..=DAYS_AHEAD {
        if let Ok(date) = today.checked_add(day.days()) {
            script.push_str(&prepare_day(date));
        }
    }
    session.script(script).await
}

/// Makes a day's partition, unless it is there. Ids of that day that came before it (from a clock
/// that is ahead) move over.
fn prepare_day(date: Date) -> String {
    let Ok(next) = date.tomorrow() else { return String::new() };
    let (table, from, to) = (partition_name(date), first_id_of(date), first_id_of(next));
    format!(
        "DO $$ BEGIN IF to_regclass('{table}') IS NULL THEN
           CREATE TABLE {table} (LIKE inbox INCLUDING ALL)
             WITH (autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000000);
           WITH early AS (DELETE FROM inbox_other
             WHERE event_id >= '{from}' AND event_id < '{to}' RETURNING event_id)
           INSERT INTO {table} SELECT event_id FROM early;
           ALTER TABLE inbox ATTACH PARTITION {table} FOR VALUES FROM ('{from}') TO ('{to}');
         END IF; END $$;"
    )
}

/// Drops the partitions whose days are past `retention`, and says how many. Forgets records that
/// went to the dead-letter topic that long ago, too.
pub async fn forget(session: &mut Session, retention: Duration) -> Result<usize, Failure> {
    let Ok(oldest) = Timestamp::now().checked_sub(retention) else { return Ok(0) };
    let oldest = oldest.to_zoned(TimeZone::UTC).date();
    let tables = past_partitions(session, &partition_name(oldest)).await?;
    let drops: Vec<String> =
        tables.iter().map(|table| format!("DROP TABLE IF EXISTS {table};")).collect();
    let drops = drops.concat();
    // Dropping needs every batch to be out of the table for a moment: try for two seconds, then
    // leave it for next time rather than hold up the loop. Ids that fit no day (from a clock far
    // off) are in a partition of their own. What the topics have forgotten cannot be read again,
    // so it need not be known as dead, nor that it was redriven.
    let script = format!(
        "SET LOCAL lock_timeout = '2s'; {ONE_AT_A_TIME} {drops}
         DELETE FROM inbox_other WHERE event_id < '{first}';
         DELETE FROM dead_lettered WHERE dead_at < now() - {seconds} * interval '1 second';
         DELETE FROM redriven WHERE passed_at < now() - {seconds} * interval '1 second'",
        first = first_id_of(oldest),
        seconds = retention.as_secs_f64(),
    );
    session.script(script).await?;
    Ok(tables.len())
}

async fn past_partitions(session: &mut Session, oldest: &str) -> Result<Vec<String>, Failure> {
    session
        .run(|connection| {
            sqlx::query_scalar!(
                "SELECT inhrelid::regclass::text AS \"name!\" FROM pg_inherits
                 WHERE inhparent = 'inbox'::regclass AND inhrelid::regclass::text < $1
                   AND inhrelid::regclass::text ~ '^inbox_[0-9]{8}$'",
                oldest
            )
            .fetch_all(connection)
            .boxed()
        })
        .await
}

fn partition_name(date: Date) -> String {
    format!("inbox_{}", date.strftime("%Y%m%d"))
}

fn first_id_of(date: Date) -> Uuid {
    let millis = date.to_zoned(TimeZone::UTC).map_or(0, |at| at.timestamp().as_millisecond());
    kernel::least_id(millis.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_days_ids_lie_between_its_bounds() {
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        let id = Uuid::now_v7();
        assert!(first_id_of(today) <= id && id < first_id_of(today.tomorrow().unwrap()));
    }
}
