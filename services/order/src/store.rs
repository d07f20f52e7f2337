use futures::FutureExt as _;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::{Currency, Money};
use messaging::{BundleId, Cause, Failure, JsonText, Pool, Session, StateTable, Write};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::types::Json;
use sqlx::{Arguments as _, AssertSqlSafe, Row as _};
use uuid::Uuid;

use crate::domain::State;
use crate::events::{Channel, Line, OrderId, UnknownChannel};

/// One row per order; new ones are written by placing.
pub(crate) const ORDERS: StateTable = StateTable::new("orders").also_setting(
    "updated_at = CASE WHEN orders.status = changed.state->>'status' THEN orders.updated_at
       ELSE now() END",
);

/// An order, whole.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    pub(crate) state: State,
    pub(crate) customer_id: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) total: Money,
    pub(crate) channel: Channel,
    pub(crate) idempotency_key: String,
    pub(crate) request_hash: Vec<u8>,
    pub(crate) placed_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) deadline_at: Timestamp,
}

/// What was never placed here is no order to anybody who asks.
const PLACED: &str = "cancel_reason IS DISTINCT FROM 'never_placed'";

const ORDER: &str = "saga, state, customer_id, lines, total, currency, channel, idempotency_key,
    request_hash, placed_at, updated_at, deadline_at";

fn order(row: &PgRow) -> Result<Order, Failure> {
    let currency: Currency = row
        .try_get::<&str, _>("currency")?
        .parse()
        .map_err(|error: kernel::InvalidCurrency| Failure::Poison(error.to_string()))?;
    let channel = row
        .try_get::<&str, _>("channel")?
        .parse()
        .map_err(|error: UnknownChannel| Failure::Poison(error.to_string()))?;
    let time = |column| -> Result<Timestamp, Failure> {
        Ok(row.try_get::<jiff_sqlx::Timestamp, _>(column)?.to_jiff())
    };
    Ok(Order {
        id: OrderId(row.try_get("saga")?),
        state: row.try_get::<Json<State>, _>("state")?.0,
        customer_id: row.try_get("customer_id")?,
        lines: row.try_get::<Json<Vec<Line>>, _>("lines")?.0,
        total: Money { amount: row.try_get("total")?, currency },
        channel,
        idempotency_key: row.try_get("idempotency_key")?,
        request_hash: row.try_get("request_hash")?,
        placed_at: time("placed_at")?,
        updated_at: time("updated_at")?,
        deadline_at: time("deadline_at")?,
    })
}

/// One order.
pub(crate) async fn find(pool: &Pool, id: OrderId) -> Result<Option<Order>, Failure> {
    let select = AssertSqlSafe(format!("SELECT {ORDER} FROM orders WHERE saga = $1 AND {PLACED}"));
    let row = pool
        .run(|connection| {
            async move { sqlx::query(select).bind(id.0).fetch_optional(connection).await }.boxed()
        })
        .await?;
    row.as_ref().map(order).transpose()
}

/// The orders that these requests have placed before.
pub(crate) async fn placed_before(
    session: &mut Session,
    keys: Vec<String>,
) -> Result<Vec<Order>, Failure> {
    let select =
        AssertSqlSafe(format!("SELECT {ORDER} FROM orders WHERE idempotency_key = ANY($1)"));
    let rows = session
        .run(|connection| {
            async move { sqlx::query(select).bind(keys).fetch_all(connection).await }.boxed()
        })
        .await?;
    rows.iter().map(order).collect()
}

/// An order to be written, with the id of its event and what led to it.
#[derive(Debug)]
pub(crate) struct New<'a> {
    pub(crate) order: &'a Order,
    pub(crate) event_id: Uuid,
    pub(crate) cause: &'a Cause,
}

/// Has new orders and their deadline written; that one of the same requests has placed an order
/// already is a [`Failure::Conflict`].
pub(crate) fn insert(new: &[New<'_>], bundle: BundleId, write: &mut Write) -> Result<(), Failure> {
    let orders = || new.iter().map(|new| new.order);
    let causes = || new.iter().map(|new| new.cause);
    let texts = |of: fn(&Order) -> &str| -> Vec<String> {
        orders().map(|order| of(order).to_owned()).collect()
    };
    let bundle = write.bind(bundle.0)?;
    let ids = write.bind(orders().map(|order| order.id.0).collect::<Vec<Uuid>>())?;
    let states = orders().map(|order| JsonText::of(&order.state)).collect::<Result<Vec<_>, _>>()?;
    let lines = orders().map(|order| JsonText::of(&order.lines)).collect::<Result<Vec<_>, _>>()?;
    let placed = write.bind(orders().map(|order| order.placed_at.to_sqlx()).collect::<Vec<_>>())?;
    let columns = [
        write.bind(states)?,
        write.bind(texts(|order| &order.customer_id))?,
        write.bind(lines)?,
        write.bind(orders().map(|order| order.total.amount).collect::<Vec<i64>>())?,
        write.bind(texts(|order| order.total.currency.as_str()))?,
        write.bind(texts(|order| order.channel.as_str()))?,
        write.bind(texts(|order| &order.idempotency_key))?,
        write.bind(orders().map(|order| order.request_hash.as_slice()).collect::<Vec<&[u8]>>())?,
        placed.clone(),
        placed,
        write.bind(orders().map(|order| order.deadline_at.to_sqlx()).collect::<Vec<_>>())?,
        write.bind(new.iter().map(|new| new.event_id).collect::<Vec<Uuid>>())?,
        write.bind(causes().map(|cause| cause.correlation_id.clone()).collect::<Vec<String>>())?,
        write.bind(causes().map(|cause| cause.traceparent.clone()).collect::<Vec<_>>())?,
    ];
    let columns = columns.map(|column| format!("unnest({column})")).join(", ");
    write.part(&format!(
        "INSERT INTO orders (saga, version, emitted, last_bundle, state, customer_id, lines,
           total, currency, channel, idempotency_key, request_hash, placed_at, updated_at, deadline_at,
           placed_event_id, correlation_id, traceparent)
         SELECT unnest({ids}), 1, 1, {bundle}, {columns}"
    ));
    // Orders of one transaction have the same deadline.
    let deadline =
        write.bind(orders().map(|order| order.deadline_at).max().map(ToSqlx::to_sqlx))?;
    write.part(&format!("INSERT INTO deadlines VALUES ({deadline}, {bundle}, {ids})"));
    Ok(())
}

/// Which orders to list.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub(crate) customer_id: Option<String>,
    pub(crate) statuses: Option<&'static [&'static str]>,
    pub(crate) after: Option<OrderId>,
    pub(crate) limit: usize,
}

/// A page of orders, newest first.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) orders: Vec<Order>,
    /// After which one to go on, if there may be more.
    pub(crate) next: Option<OrderId>,
}

/// The most orders that are looked through for a page of those in some status. There is no index by
/// status: it would have every change of an order write all indexes.
const LOOK_MAX: usize = 1_000;

/// A page of orders. However many there are, a statement looks at no more than [`LOOK_MAX`], by an index.
/// Each combination of filters is a statement of its own: with "or is null" in one for all, no plan could
/// use the customers' index.
pub(crate) async fn list(pool: &Pool, filter: &Filter) -> Result<Page, Failure> {
    let (select, values) = page(filter)?;
    let rows = pool
        .run(|connection| {
            async move { sqlx::query_with(select, values).fetch_all(connection).await }.boxed()
        })
        .await?;
    // All rows say the same of what was looked at. Without a row there was nothing.
    let edge = match rows.first() {
        Some(row) => Some((OrderId(row.try_get("edge")?), row.try_get::<i64, _>("seen")?)),
        None => None,
    };
    let found = rows
        .iter()
        .filter(|row| row.try_get::<Option<Uuid>, _>("saga").is_ok_and(|id| id.is_some()));
    let mut orders: Vec<Order> = found.map(order).collect::<Result<_, _>>()?;
    let has_more = orders.len() > filter.limit;
    orders.truncate(filter.limit);
    let next = match edge {
        _ if has_more => orders.last().map(|order| order.id),
        Some((edge, seen))
            if filter.statuses.is_some() && usize::try_from(seen) == Ok(LOOK_MAX) =>
        {
            Some(edge)
        }
        _ => None,
    };
    Ok(Page { orders, next })
}

/// One order more than the page has, with the last of all that were looked at (`edge`) and their number
/// (`seen`).
fn page(filter: &Filter) -> Result<(AssertSqlSafe<String>, PgArguments), Failure> {
    let mut conditions = vec![PLACED.to_owned()];
    let mut values = PgArguments::default();
    let unwritable = |error| Failure::Poison(format!("a filter cannot be written: {error}"));
    if let Some(customer) = &filter.customer_id {
        values.add(customer).map_err(unwritable)?;
        conditions.push(format!("customer_id = ${}", values.len()));
    }
    if let Some(after) = filter.after {
        values.add(after.0).map_err(unwritable)?;
        conditions.push(format!("saga < ${}", values.len()));
    }
    let wanted = filter.limit + 1;
    let (look, status) = match filter.statuses {
        None => (wanted, "true".to_owned()),
        Some(statuses) => {
            values.add(statuses).map_err(unwritable)?;
            (LOOK_MAX, format!("status = ANY(${})", values.len()))
        }
    };
    let select = format!(
        "WITH seen AS MATERIALIZED (
           SELECT saga, status FROM orders WHERE {}
           ORDER BY saga DESC LIMIT {look}),
         edge AS (SELECT saga AS edge, (SELECT count(*) FROM seen) AS seen FROM seen
           ORDER BY saga LIMIT 1),
         page AS MATERIALIZED (
           SELECT saga FROM seen WHERE {status} ORDER BY saga DESC LIMIT {wanted}),
         whole AS (SELECT {ORDER} FROM page JOIN orders USING (saga))
         SELECT * FROM edge LEFT JOIN whole ON true ORDER BY saga DESC",
        conditions.join(" AND "),
    );
    Ok((AssertSqlSafe(select), values))
}

/// Forgets deadlines that have passed with all their orders decided, so many at most, and says how many.
pub(crate) async fn forget_deadlines(session: &mut Session, max: u32) -> Result<u64, Failure> {
    let max = i64::from(max);
    let done = session
        .run(|connection| {
            sqlx::query!(
                "DELETE FROM deadlines WHERE (deadline_at, bundle_id) IN (
                 SELECT deadline_at, bundle_id FROM deadlines
                 WHERE deadline_at < now() AND NOT EXISTS (
                   SELECT FROM unnest(sagas) AS placed (saga) JOIN orders USING (saga)
                   WHERE status = 'placed')
                 ORDER BY deadline_at LIMIT $1 FOR UPDATE SKIP LOCKED)",
                max
            )
            .execute(connection)
            .boxed()
        })
        .await?;
    Ok(done.rows_affected())
}

/// Orders whose deadline has passed without a payment and without anything that waits in the retry
/// queue, oldest first, and what their cancellation goes back to: that they were placed.
pub(crate) async fn overdue(session: &mut Session) -> Result<Vec<(OrderId, Cause)>, Failure> {
    let rows = session
        .run(|connection| {
            sqlx::query!(
                "SELECT orders.saga, placed_event_id, correlation_id, traceparent
                 FROM deadlines, unnest(sagas) AS placed (saga)
                   JOIN orders USING (saga)
                 WHERE deadlines.deadline_at < now() AND status = 'placed'
                   AND NOT EXISTS (SELECT FROM retry_queue
                     WHERE retry_queue.saga = orders.saga AND NOT dead)
                 ORDER BY deadlines.deadline_at LIMIT 1000"
            )
            .fetch_all(connection)
            .boxed()
        })
        .await?;
    let overdue = rows.into_iter().map(|row| {
        let cause = Cause {
            causation_id: row.placed_event_id.to_string(),
            correlation_id: row.correlation_id,
            traceparent: row.traceparent,
        };
        (OrderId(row.saga), cause)
    });
    Ok(overdue.collect())
}
