//! Many orders where there were few, for who measures how the read model is with many.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use sqlx::{AssertSqlSafe, PgConnection};
use std::collections::BTreeSet;
use std::time::Duration;

use super::{Error, connect, generations, partitions};

/// How long a day's copies may take.
const DAY_LIMIT: Duration = Duration::from_mins(5);
/// How many orders are copied, again and again.
const MODELS: i64 = 1_000;

/// Puts so many copies of the newest orders at rest into the generation that is shown, spread evenly over so many
/// days before today, with what is counted of them. Ids are new, and of their day; an order's events stay where
/// those of its model are. Tells how many there are then.
///
/// # Errors
///
/// When the database cannot be written, has no generation, or no order at rest.
pub async fn put_copies(url: &str, orders: i64, days: i64) -> Result<i64, Error> {
    let mut database = connect(url, None, DAY_LIMIT).await?;
    let shown = generations::shown(&mut database).await?;
    let Some(shown) = shown else {
        return Err(Error::Damaged("there is no generation to put copies into".to_owned()));
    };
    let mut database = connect(url, Some(shown.number), DAY_LIMIT).await?;
    let script = format!(
        "CREATE TEMPORARY TABLE models AS
           SELECT row_number() OVER () - 1 AS number, began, moved, way, reason, total, currency, steps
           FROM (SELECT * FROM orders WHERE NOT open ORDER BY id DESC LIMIT {MODELS}) AS newest"
    );
    sqlx::raw_sql(AssertSqlSafe(script)).execute(&mut database).await?;
    let models: i64 =
        sqlx::query_scalar("SELECT count(*) FROM models").fetch_one(&mut database).await?;
    if models == 0 {
        return Err(Error::Damaged("there is no order at rest to copy".to_owned()));
    }
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let mut there = BTreeSet::new();
    for ago in (1..=days).rev() {
        let Ok(day) = today.checked_sub(ago.days()) else { continue };
        partitions::prepare(&mut database, std::iter::once(day), &mut there).await?;
        put_day(&mut database, &day.to_string(), orders / days, models).await?;
    }
    // One after the other: it is for no transaction.
    for table in ["orders", "counts"] {
        let script = format!("VACUUM (ANALYZE) {table}");
        sqlx::raw_sql(AssertSqlSafe(script)).execute(&mut database).await?;
    }
    Ok(sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&mut database).await?)
}

async fn put_day(
    database: &mut PgConnection,
    day: &str,
    orders: i64,
    models: i64,
) -> Result<(), Error> {
    // A UUIDv7: 48 bits of time in milliseconds, the version, and chance.
    let script = format!(
        "WITH copies AS (
           SELECT '{day}'::timestamptz + n * (interval '1 day' / {orders}) AS at, n % {models} AS model
             FROM generate_series(0, {orders} - 1) AS n),
         put AS (INSERT INTO orders (id, began, moved, way, open, reason, total, currency, steps)
           SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7'
                   || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15))::uuid,
                  at, at + (moved - began), way, false, reason, total, currency, steps
             FROM copies JOIN models ON number = model
           RETURNING began, way, reason, currency, total)
         INSERT INTO counts (hour, way, reason, currency, orders, total, took)
           SELECT date_trunc('hour', began, 'UTC'), way, coalesce(reason, ''), coalesce(currency, ''),
                  count(*), coalesce(sum(total), 0),
                  (SELECT took FROM counts AS known
                    WHERE known.way = put.way AND known.reason = coalesce(put.reason, '')
                      AND took IS NOT NULL LIMIT 1)
             FROM put GROUP BY 1, 2, 3, 4, put.reason
         ON CONFLICT DO NOTHING"
    );
    sqlx::raw_sql(AssertSqlSafe(script)).execute(database).await?;
    Ok(())
}
