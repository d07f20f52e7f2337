//! Orders that were completed long ago, as rows in the services' databases: written by statements
//! over whole ranges, a hundred times as fast as a fleet could complete them. The topics stay as
//! they are.

use std::io;
use std::ops::Range;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, Error, PgConnection};
use tokio::time::timeout;
use uuid::Uuid;

/// Each service's table and its rows of completed orders, and which of an order's events it has
/// read. `ID` is an order's. Written by hand, for nothing declares the columns that a service adds; one
/// that is not here keeps no completed orders.
const ROWS: [(&str, &str, &str, [i32; 3]); 5] = [
    (
        "order",
        "orders",
        "(saga, version, emitted, last_bundle, state, customer_id, lines, total, currency,
           idempotency_key, request_hash, placed_at, updated_at, deadline_at, placed_event_id,
           correlation_id)
         SELECT ID, 3, 3, 1, '{\"status\": \"completed\"}', 'c-' || n % 100000,
           '[{\"sku\": \"tea\", \"quantity\": 2}]', 500, 'EUR', gen_random_uuid()::text, '', now(),
           now(), now(), ID, 'c'",
        [3, 5, 5],
    ),
    (
        "inventory",
        "reservations",
        "(saga, version, emitted, last_bundle, state)
         SELECT ID, 2, 1, 1, '{\"status\": \"shipped\", \"lines\": [{\"sku\": \"tea\",
           \"quantity\": 2}]}'",
        [1, 5, 5],
    ),
    (
        "payment",
        "payments",
        "(saga, version, emitted, last_bundle, state)
         SELECT ID, 3, 1, 1, '{\"status\": \"charged\", \"charge_id\": \"ch_0123456789\",
           \"amount\": {\"amount\": 500, \"currency\": \"EUR\"}}'",
        [1, 2, 2],
    ),
    (
        "shipping",
        "shipments",
        "(saga, version, emitted, last_bundle, state)
         SELECT ID, 3, 1, 1, '{\"status\": \"created\", \"shipment_id\": \"s_0123456789\",
           \"carrier\": \"simulated\", \"tracking_number\": \"0123456789\"}'",
        [1, 4, 4],
    ),
    (
        "notification",
        "notifications",
        "(saga, version, emitted, last_bundle, state)
         SELECT ID, 5, 2, 1, '{\"address\": \"forgotten\", \"messages\": {
           \"confirmed\": {\"status\": \"sent\", \"message_id\": \"m1\"},
           \"completed\": {\"status\": \"sent\", \"message_id\": \"m2\"}}}'",
        [1, 4, 6],
    ),
];

/// A server that is not there may not even refuse.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How many orders one statement writes.
const AT_ONCE: u32 = 500_000;

/// Orders to put into databases. The ids of an order's events count on from its own.
#[derive(Debug, Clone, Copy)]
pub struct Preload {
    base: Uuid,
}

impl Preload {
    /// The ids are of `UUIDv7`'s form, and all of this moment.
    pub fn now() -> Self {
        let (seconds, nanoseconds) =
            Uuid::now_v7().get_timestamp().map_or((0, 0), |time| time.to_unix());
        let milliseconds = u128::from(seconds) * 1_000 + u128::from(nanoseconds) / 1_000_000;
        Self { base: Uuid::from_u128(milliseconds << 80 | 0x7 << 76 | 0x8 << 60) }
    }

    /// The id of order `number`.
    pub fn order(&self, number: u32) -> Uuid {
        Uuid::from_u128(self.base.as_u128() + u128::from(number) * 16)
    }

    /// Puts the orders with these numbers into the database at `url`, that of `service`, and tells
    /// the planner.
    pub async fn fill(&self, service: &str, url: &str, numbers: Range<u32>) -> Result<(), Error> {
        let mut database = connect(url).await?;
        let prefix = &self.base.simple().to_string()[..17];
        let id = |add: i32| format!("('{prefix}' || lpad(to_hex(n * 16 + {add}), 15, '0'))::uuid");
        let Some((_, table, rows, read)) = ROWS.into_iter().find(|(name, ..)| *name == service)
        else {
            return Ok(());
        };
        for from in numbers.clone().step_by(AT_ONCE as usize) {
            let to = numbers.end.min(from + AT_ONCE);
            let all = format!("FROM generate_series({from}::bigint, {}) AS n", to - 1);
            let rows = rows.replace("ID", &id(0));
            execute(&mut database, format!("INSERT INTO {table} {rows} {all}")).await?;
            for event in read {
                let insert =
                    format!("INSERT INTO inbox SELECT {} {all} ON CONFLICT DO NOTHING", id(event));
                execute(&mut database, insert).await?;
            }
        }
        if service == "inventory" {
            let pieces = 2 * numbers.len();
            let stock = format!(
                "INSERT INTO stock VALUES ('tea', 0, 0, {pieces}, {pieces}) ON CONFLICT (sku)
                 DO UPDATE SET shipped = stock.shipped + {pieces},
                   received = stock.received + {pieces}"
            );
            execute(&mut database, stock).await?;
        }
        execute(&mut database, "VACUUM ANALYZE".to_owned()).await
    }

    /// Takes all these orders out again. Nothing else may write meanwhile.
    pub async fn remove(&self, service: &str, url: &str) -> Result<(), Error> {
        let mut database = connect(url).await?;
        let Some((_, table, ..)) = ROWS.into_iter().find(|(name, ..)| *name == service) else {
            return Ok(());
        };
        let (first, last) = (self.order(0), self.order(u32::MAX));
        let mut transaction = database.begin().await?;
        // By keeping the few others: deleting millions takes minutes.
        for (table, id) in [(table, "saga"), ("inbox", "event_id")] {
            // What follows from other columns is not written.
            let columns: String = sqlx::query_scalar(
                "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute
                 WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped
                   AND attgenerated = ''",
            )
            .bind(table)
            .fetch_one(&mut *transaction)
            .await?;
            let statement = format!(
                "LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE;
                 CREATE TEMP TABLE kept ON COMMIT DROP AS
                   SELECT {columns} FROM {table} WHERE {id} NOT BETWEEN '{first}' AND '{last}';
                 TRUNCATE {table};
                 INSERT INTO {table} ({columns}) SELECT * FROM kept;
                 DROP TABLE kept"
            );
            execute(&mut transaction, statement).await?;
        }
        if service == "inventory" {
            execute(&mut transaction, "DELETE FROM stock WHERE sku = 'tea'".to_owned()).await?;
        }
        transaction.commit().await
    }
}

async fn connect(url: &str) -> Result<PgConnection, Error> {
    timeout(CONNECT_LIMIT, PgConnection::connect(url)).await.unwrap_or_else(|_| {
        let why = format!("no answer within {CONNECT_LIMIT:?}");
        Err(Error::Io(io::Error::new(io::ErrorKind::TimedOut, why)))
    })
}

async fn execute(database: &mut PgConnection, statements: String) -> Result<(), Error> {
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(database).await.map(|_| ())
}
