use std::collections::HashSet;
use std::time::Duration;

use deadpool_postgres::Pool;
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use uuid::Uuid;

use crate::{Db, Failure};

/// Remembers `ids` if all are new; [`Failure::Conflict`] if one is known. Nearly always all are new, and
/// this takes two thirds of the time that looking takes.
pub(crate) async fn insert_unseen(db: &Db<'_>, ids: Vec<Uuid>) -> Result<HashSet<Uuid>, Failure> {
    let (insert, ids) = ("INSERT INTO inbox (event_id) SELECT unnest($1::uuid[])", in_order(ids));
    let insert = db.prepare_cached(insert).await?;
    db.execute(&insert, &[&ids]).await.map_err(Failure::of_insert)?;
    Ok(ids.into_iter().collect())
}

/// Remembers `ids` and returns those that were new.
pub(crate) async fn insert(db: &Db<'_>, ids: Vec<Uuid>) -> Result<HashSet<Uuid>, Failure> {
    let insert = "INSERT INTO inbox (event_id) SELECT unnest($1::uuid[])
         ON CONFLICT DO NOTHING RETURNING event_id";
    insert_new(db, insert, ids).await
}

/// The same for dead letters that are redriven, by their redrive ids.
pub(crate) async fn insert_redriven(
    db: &Db<'_>,
    redriven: Vec<Uuid>,
) -> Result<HashSet<Uuid>, Failure> {
    let insert = "INSERT INTO redriven (redrive_id) SELECT unnest($1::uuid[])
         ON CONFLICT DO NOTHING RETURNING redrive_id";
    insert_new(db, insert, redriven).await
}

async fn insert_new(db: &Db<'_>, insert: &str, ids: Vec<Uuid>) -> Result<HashSet<Uuid>, Failure> {
    let insert = db.prepare_cached(insert).await?;
    let rows = db.query(&insert, &[&in_order(ids)]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Each id once, and sorted, so that two instances that insert the same ones wait for each other
/// instead of deadlocking.
fn in_order(mut ids: Vec<Uuid>) -> Vec<Uuid> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Forgets `ids` again, in the transaction that inserted them: they are set aside, not processed.
pub(crate) async fn remove(db: &Db<'_>, ids: &[Uuid]) -> Result<(), Failure> {
    for delete in [
        "DELETE FROM inbox WHERE event_id = ANY($1)",
        "DELETE FROM redriven WHERE redrive_id = ANY($1)",
    ] {
        let delete = db.prepare_cached(delete).await?;
        db.execute(&delete, &[&ids]).await?;
    }
    Ok(())
}

/// How many days ahead partitions are made, so that a service whose upkeep fails for a while
/// still writes into a partition of its own.
const DAYS_AHEAD: i64 = 3;

/// Makes the partitions of yesterday (for clocks that lag) to [`DAYS_AHEAD`] days from now.
pub async fn prepare(pool: &Pool) -> Result<(), Failure> {
    let client = pool.get().await?;
    let db = Db::begin(&client).await?;
    // Two instances that start together must not make the same table.
    db.execute("SELECT pg_advisory_xact_lock(hashtext('inbox partitions'))", &[]).await?;
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    for day in -1..=DAYS_AHEAD {
        if let Ok(date) = today.checked_add(day.days()) {
            prepare_day(&db, date).await?;
        }
    }
    db.commit().await?;
    Ok(())
}

/// Makes a day's partition, unless it is there. Ids of that day that came before it (from a clock
/// that is ahead) move over.
async fn prepare_day(db: &Db<'_>, date: Date) -> Result<(), Failure> {
    let table = partition_name(date);
    let exists = db.query_one("SELECT to_regclass($1) IS NOT NULL", &[&table]).await?;
    let (true, Ok(next)) = (!exists.get::<_, bool>(0), date.tomorrow()) else { return Ok(()) };
    let (from, to) = (first_id_of(date), first_id_of(next));
    db.batch_execute(&format!(
        "CREATE TABLE {table} (LIKE inbox INCLUDING ALL)
           WITH (autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000000);
         WITH early AS (DELETE FROM inbox_other
           WHERE event_id >= '{from}' AND event_id < '{to}' RETURNING event_id)
         INSERT INTO {table} SELECT event_id FROM early;
         ALTER TABLE inbox ATTACH PARTITION {table} FOR VALUES FROM ('{from}') TO ('{to}')"
    ))
    .await?;
    Ok(())
}

/// Drops the partitions whose days are past `retention`, and says how many. Forgets records that
/// went to the dead-letter topic that long ago, too.
pub async fn forget(pool: &Pool, retention: Duration) -> Result<usize, Failure> {
    let client = pool.get().await?;
    let db = Db::begin(&client).await?;
    // Dropping needs every batch to be out of the table for a moment: try for two seconds, then
    // leave it for next time rather than hold up the loop.
    db.batch_execute("SET LOCAL lock_timeout = '2s'").await?;
    db.execute("SELECT pg_advisory_xact_lock(hashtext('inbox partitions'))", &[]).await?;
    let Ok(oldest) = Timestamp::now().checked_sub(retention) else { return Ok(0) };
    let oldest = oldest.to_zoned(TimeZone::UTC).date();
    let tables = db
        .query(
            "SELECT inhrelid::regclass::text FROM pg_inherits
             WHERE inhparent = 'inbox'::regclass AND inhrelid::regclass::text < $1
               AND inhrelid::regclass::text ~ '^inbox_[0-9]{8}$'",
            &[&partition_name(oldest)],
        )
        .await?;
    for table in &tables {
        db.batch_execute(&format!("DROP TABLE {}", table.get::<_, String>(0))).await?;
    }
    // Ids that fit no day (from a clock far off) are in a partition of their own.
    db.execute("DELETE FROM inbox_other WHERE event_id < $1", &[&first_id_of(oldest)]).await?;
    // What the topics have forgotten cannot be read again, so it need not be known as dead, nor
    // that it was redriven.
    for delete in [
        "DELETE FROM dead_lettered WHERE dead_at < now() - $1 * interval '1 second'",
        "DELETE FROM redriven WHERE passed_at < now() - $1 * interval '1 second'",
    ] {
        db.execute(delete, &[&retention.as_secs_f64()]).await?;
    }
    db.commit().await?;
    Ok(tables.len())
}

fn partition_name(date: Date) -> String {
    format!("inbox_{}", date.strftime("%Y%m%d"))
}

/// The smallest `UUIDv7` of a day: its first 48 bits are milliseconds since 1970 (RFC 9562, 5.7).
fn first_id_of(date: Date) -> Uuid {
    let millis = date.to_zoned(TimeZone::UTC).map_or(0, |at| at.timestamp().as_millisecond());
    Uuid::from_u128(u128::from(millis.unsigned_abs()) << 80)
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
