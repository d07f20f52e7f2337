//! The days that orders are kept by.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Error;

/// Orders of so many days are found by the end of their ids.
const FOUND_BY_END_DAYS: i64 = 2;

/// The day of an order, by its id; `None` of one that is no `UUIDv7` of our times.
pub(super) fn day_of(id: Uuid) -> Option<Date> {
    let (seconds, _) = id.get_timestamp().filter(|_| id.get_version_num() == 7)?.to_unix();
    let at = Timestamp::from_second(i64::try_from(seconds).ok()?).ok()?;
    let tomorrow = Timestamp::now().checked_add(48.hours()).ok()?;
    let day = at.to_zoned(TimeZone::UTC).date();
    (at < tomorrow && day.year() >= 2020).then_some(day)
}

/// Makes the partitions of days that have none, and notes them.
pub(super) async fn prepare(
    database: &mut PgConnection,
    days: impl Iterator<Item = Date>,
    there: &mut BTreeSet<Date>,
) -> Result<(), Error> {
    for day in days {
        if !there.insert(day) {
            continue;
        }
        let Ok(next) = day.tomorrow() else { continue };
        let (table, from, to) = (name(day), first_id_of(day), first_id_of(next));
        let script = format!(
            "CREATE TABLE IF NOT EXISTS {table} PARTITION OF orders
               FOR VALUES FROM ('{from}') TO ('{to}');
             CREATE INDEX IF NOT EXISTS {table}_by_end ON {table} (right(id::text, 6))"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(script)).execute(&mut *database).await?;
    }
    Ok(())
}

/// Forgets days that are past, but for those with an order that is open, and what was counted of them.
pub(super) async fn forget(database: &mut PgConnection, retention: Duration) -> Result<(), Error> {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let kept = i64::try_from(retention.as_secs() / 86_400).unwrap_or(i64::MAX).min(36_500);
    let (Ok(oldest), Ok(found)) =
        (today.checked_sub(kept.days()), today.checked_sub(FOUND_BY_END_DAYS.days()))
    else {
        return Ok(());
    };
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'orders'::regclass
           AND inhrelid::regclass::text ~ '^orders_[0-9]{8}$' ORDER BY 1",
    )
    .fetch_all(&mut *database)
    .await?;
    let (oldest_name, found_name) = (name(oldest), name(found));
    let mut script = String::new();
    for table in tables {
        if table < oldest_name {
            let _ = write!(
                script,
                "DO $$ BEGIN IF NOT EXISTS (SELECT FROM {table} WHERE open) THEN
                   DROP TABLE {table}; END IF; END $$;"
            );
        } else if table < found_name {
            let _ = write!(script, "DROP INDEX IF EXISTS {table}_by_end;");
        }
    }
    let oldest = oldest.to_zoned(TimeZone::UTC).map_or(Timestamp::MIN, |day| day.timestamp());
    let _ = write!(
        script,
        "DELETE FROM counts WHERE orders = 0 AND total = 0 OR hour < '{oldest}';
         DELETE FROM reactions WHERE hour < '{oldest}';
         DELETE FROM flow WHERE minute < now() - interval '2 days' OR events = 0;"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(script)).execute(database).await?;
    Ok(())
}

fn name(day: Date) -> String {
    format!("orders_{}", day.strftime("%Y%m%d"))
}

fn first_id_of(day: Date) -> Uuid {
    day.to_zoned(TimeZone::UTC).map_or(Uuid::nil(), |at| first_id_at(at.timestamp()))
}

/// The smallest id that an order of this time may have.
pub(super) fn first_id_at(at: Timestamp) -> Uuid {
    kernel::least_id(at.as_millisecond().unsigned_abs())
}
