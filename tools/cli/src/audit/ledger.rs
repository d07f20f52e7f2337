use std::pin::pin;

use futures::TryStreamExt as _;
use tokio_postgres::{IsolationLevel, NoTls, Row, Transaction};
use uuid::Uuid;

use super::facts::Service;
use super::{AuditError, rules};

/// What a service's database says, all of it at one moment.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) service: Service,
    /// A status per order, by order.
    pub(crate) rows: Vec<Status>,
    /// Rows whose status this audit does not know, with what they say.
    pub(crate) unknown: Vec<(Uuid, String)>,
    /// The ids of the events whose effect is here, sorted.
    pub(crate) inbox: Vec<Uuid>,
    /// What is older than this id, the inbox may have forgotten.
    pub(crate) inbox_since: Uuid,
    /// Events that may not have been published yet: order and number, sorted.
    pub(crate) outbox: Vec<(Uuid, u16)>,
    /// Calls that are to be made: order and step, sorted.
    pub(crate) calls: Vec<(Uuid, String)>,
    /// Records that wait to be tried again.
    pub(crate) parked: Vec<Parked>,
    /// Records that have gone to the dead-letter topic.
    pub(crate) buried: Vec<Place>,
    pub(crate) gaps: Vec<Gap>,
    /// Of the inventory service: SKUs whose pieces do not add up.
    pub(crate) stock: Vec<String>,
}

/// Where a service is with an order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Status {
    pub(crate) order: Uuid,
    /// How many events of the order it has emitted.
    pub(crate) emitted: u16,
    /// The number of its status in the service's rules.
    pub(crate) rule: u16,
}

/// Where a record is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

/// A record in the retry queue.
#[derive(Debug)]
pub(crate) struct Parked {
    pub(crate) place: Place,
    pub(crate) order: Option<Uuid>,
    pub(crate) attempts: i32,
}

/// A number that is missing in an order's stream of events.
#[derive(Debug)]
pub(crate) struct Gap {
    pub(crate) order: Uuid,
    pub(crate) source: String,
    pub(crate) sequence: i32,
    pub(crate) verdict: String,
}

impl Ledger {
    /// Reads a service's database. Nothing can be written meanwhile on this connection.
    pub(crate) async fn read(service: Service, url: &str) -> Result<Self, AuditError> {
        let failed = |error: tokio_postgres::Error| AuditError::Database {
            service: service.name(),
            reason: kernel::error_chain(&error),
        };
        Self::read_from(service, url).await.map_err(failed)
    }

    async fn read_from(service: Service, url: &str) -> Result<Self, tokio_postgres::Error> {
        let mut config: tokio_postgres::Config = url.parse()?;
        config
            .options("-c default_transaction_read_only=on -c statement_timeout=600000")
            .connect_timeout(std::time::Duration::from_secs(5));
        let (mut client, connection) = config.connect(NoTls).await?;
        // Ends when the client is dropped.
        tokio::spawn(connection);
        let snapshot = client
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await?;
        let (rows, unknown) = statuses(&snapshot, service).await?;
        let stock = match service {
            Service::Inventory => all(&snapshot, STOCK, stock).await?,
            _ => Vec::new(),
        };
        let mut inbox = all(&snapshot, INBOX, |row| row.get(0)).await?;
        inbox.sort_unstable();
        Ok(Self {
            service,
            rows,
            unknown,
            inbox,
            inbox_since: inbox_since(&snapshot).await?,
            outbox: all(&snapshot, OUTBOX, |row| (row.get(0), number(row.get(1)))).await?,
            calls: all(&snapshot, CALLS, |row| (row.get(0), row.get(1))).await?,
            parked: all(&snapshot, PARKED, parked).await?,
            buried: all(&snapshot, BURIED, place).await?,
            gaps: all(&snapshot, GAPS, gap).await?,
            stock,
        })
    }

    /// Whether the order's status is one that this audit does not know.
    pub(crate) fn is_unknown(&self, order: Uuid) -> bool {
        self.unknown.iter().any(|(other, _)| *other == order)
    }

    /// The numbers of an order's events that may not have been published yet.
    pub(crate) fn unpublished(&self, order: Uuid) -> impl Iterator<Item = u16> {
        let from = self.outbox.partition_point(|(other, _)| *other < order);
        let of_order = self.outbox[from..].iter().take_while(move |(other, _)| *other == order);
        of_order.map(|(_, sequence)| *sequence)
    }

    /// The steps of an order's calls that are to be made.
    pub(crate) fn calls_of(&self, order: Uuid) -> impl Iterator<Item = &str> {
        let from = self.calls.partition_point(|(other, _)| *other < order);
        let of_order = self.calls[from..].iter().take_while(move |(other, _)| *other == order);
        of_order.map(|(_, step)| step.as_str())
    }
}

/// The smallest id of the days for which the inbox has partitions.
async fn inbox_since(snapshot: &Transaction<'_>) -> Result<Uuid, tokio_postgres::Error> {
    let oldest = snapshot
        .query_one(
            "SELECT (1000 * extract(epoch FROM to_date(min(right(inhrelid::regclass::text, 8)),
               'YYYYMMDD')))::bigint
             FROM pg_inherits WHERE inhparent = 'inbox'::regclass
               AND inhrelid::regclass::text ~ '^inbox_[0-9]{8}$'",
            &[],
        )
        .await?;
    let milliseconds = oldest.get::<_, Option<i64>>(0).unwrap_or(0);
    Ok(Uuid::from_u128(u128::from(milliseconds.unsigned_abs()) << 80))
}

/// With the redrives that have passed; their ids are no events'.
const INBOX: &str = "SELECT event_id FROM inbox UNION ALL SELECT redrive_id FROM redriven";
const OUTBOX: &str = "SELECT order_id, sequence FROM outbox ORDER BY order_id, sequence";
const CALLS: &str = "SELECT order_id, step FROM effects ORDER BY order_id, step COLLATE \"C\"";
const PARKED: &str = "SELECT topic, partition, record_offset, order_id, attempts FROM retry_queue";
const BURIED: &str = "SELECT topic, partition, record_offset FROM dead_lettered";
const GAPS: &str = "SELECT order_id, source, sequence, verdict FROM gaps ORDER BY order_id";

/// I1, within one database: the pieces of each SKU add up, none is less than nothing, and those
/// that are not available are those of orders.
const STOCK: &str = "
    WITH held AS (
      SELECT line->>'sku' AS sku,
        sum((line->>'quantity')::bigint) FILTER (WHERE status = 'reserved') AS reserved,
        sum((line->>'quantity')::bigint) FILTER (WHERE status = 'shipped') AS shipped
      FROM (SELECT state->>'status' AS status, state->'lines' AS lines FROM reservations
            WHERE state->>'status' IN ('reserved', 'shipped')) AS holding,
        json_array_elements(lines) AS line
      GROUP BY 1
    ), level AS (
      SELECT sku, coalesce(available, 0) AS available, coalesce(stock.reserved, 0) AS reserved,
        coalesce(stock.shipped, 0) AS shipped, coalesce(received, 0) AS received,
        coalesce(held.reserved, 0)::bigint AS reserved_by_orders,
        coalesce(held.shipped, 0)::bigint AS shipped_by_orders
      FROM stock FULL JOIN held USING (sku)
    )
    SELECT * FROM level
    WHERE available + reserved + shipped <> received OR least(available, reserved, shipped) < 0
      OR reserved <> reserved_by_orders OR shipped <> shipped_by_orders
    ORDER BY sku";

fn stock(row: &Row) -> String {
    let pieces = |column: &str| row.get::<_, i64>(column);
    format!(
        "{}: {} available + {} reserved + {} shipped, of {} received; orders hold {} reserved \
         and {} shipped",
        row.get::<_, &str>("sku"),
        pieces("available"),
        pieces("reserved"),
        pieces("shipped"),
        pieces("received"),
        pieces("reserved_by_orders"),
        pieces("shipped_by_orders"),
    )
}

/// The status of each order, in the words of the service's rules.
fn status_query(service: Service) -> &'static str {
    match service {
        Service::Order => "SELECT order_id, emitted, coalesce(cancel_reason, status) FROM orders",
        Service::Inventory => "SELECT order_id, emitted, state->>'status' FROM reservations",
        Service::Payment => {
            "SELECT order_id, emitted, state->>'status'
               || CASE WHEN state->>'cancelled' = 'true' THEN '_cancelled' ELSE '' END
             FROM payments"
        }
        Service::Shipping => "SELECT order_id, emitted, state->>'status' FROM shipments",
        Service::Notification => {
            "SELECT order_id, emitted, concat_ws(' ',
               CASE json_typeof(state->'address') WHEN 'object' THEN 'known'
                 ELSE state->>'address' END,
               coalesce(state#>>'{messages,confirmed,status}', '-'),
               coalesce(state#>>'{messages,completed,status}', '-'),
               coalesce(state#>>'{messages,cancelled,status}', '-'))
             FROM notifications"
        }
    }
}

type Statuses = (Vec<Status>, Vec<(Uuid, String)>);

async fn statuses(
    snapshot: &Transaction<'_>,
    service: Service,
) -> Result<Statuses, tokio_postgres::Error> {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    let mut rows = pin!(snapshot.query_raw(status_query(service), [0_i32; 0]).await?);
    while let Some(row) = rows.try_next().await? {
        let (order, emitted) = (row.get(0), number(row.get(1)));
        let text = row.get::<_, Option<&str>>(2).unwrap_or("nothing");
        match rules::number(service, text) {
            Some(rule) => known.push(Status { order, emitted, rule }),
            None => unknown.push((order, text.to_owned())),
        }
    }
    known.shrink_to_fit();
    known.sort_unstable_by_key(|row| row.order);
    Ok((known, unknown))
}

/// All rows of a query, one by one, so that they are held in memory once.
async fn all<T>(
    snapshot: &Transaction<'_>,
    query: &str,
    read: impl Fn(&Row) -> T,
) -> Result<Vec<T>, tokio_postgres::Error> {
    let mut found = Vec::new();
    let mut rows = pin!(snapshot.query_raw(query, [0_i32; 0]).await?);
    while let Some(row) = rows.try_next().await? {
        found.push(read(&row));
    }
    found.shrink_to_fit();
    Ok(found)
}

/// An order has a handful of events; whatever is beyond that stands for too many.
fn number(sequence: i32) -> u16 {
    u16::try_from(sequence).unwrap_or(u16::MAX)
}

fn place(row: &Row) -> Place {
    Place { topic: row.get(0), partition: row.get(1), offset: row.get(2) }
}

fn parked(row: &Row) -> Parked {
    Parked { place: place(row), order: row.get(3), attempts: row.get(4) }
}

fn gap(row: &Row) -> Gap {
    let (order, source, sequence) = (row.get(0), row.get(1), row.get(2));
    Gap { order, source, sequence, verdict: row.get(3) }
}
