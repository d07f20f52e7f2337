use deadpool_postgres::Pool;
use jiff::Timestamp;
use kernel::{Currency, Money, OrderId};
use messaging::{BundleId, Cause, Changed, Db, Failure, Row, Seen, States, Stream};
use tokio_postgres::types::{Json, ToSql};
use uuid::Uuid;

use crate::domain::State;
use crate::events::{CancelReason, Line};

// The macro makes undocumented public items.
#[allow(missing_docs)]
mod embedded {
    refinery::embed_migrations!("migrations");
}

pub(crate) fn migrations() -> refinery::Runner {
    embedded::migrations::runner()
}

/// The states of a batch's orders.
pub(crate) async fn load(
    db: &Db<'_>,
    orders: impl Iterator<Item = OrderId>,
) -> Result<States<State>, Failure> {
    let select = db
        .prepare_cached(
            "SELECT order_id, version, emitted, last_bundle, seen, status, cancel_reason
             FROM orders WHERE order_id = ANY($1)",
        )
        .await?;
    let orders: Vec<Uuid> = orders.map(|order| order.0).collect();
    let rows = db.query(&select, &[&orders]).await?;
    let rows: Result<Vec<_>, Failure> = rows
        .iter()
        .map(|row| {
            let Json(seen) = row.try_get::<_, Json<Seen>>(4)?;
            let stream = Stream { emitted: row.get(2), last_bundle: row.get(3), seen };
            let state = state(row.get(5), row.get(6))?;
            Ok((OrderId(row.get(0)), Row { version: row.get(1), stream, state }))
        })
        .collect();
    Ok(States::new(rows?))
}

/// Writes the changed orders, with one statement. New ones are never here: placing writes those.
pub(crate) async fn save(db: &Db<'_>, states: States<State>) -> Result<(), Failure> {
    let (_, known) = states.into_changed();
    if known.is_empty() {
        return Ok(());
    }
    let update = db
        .prepare_cached(
            "UPDATE orders SET version = orders.version + 1, emitted = row.emitted,
               last_bundle = row.last_bundle, seen = row.seen, status = row.status,
               cancel_reason = row.cancel_reason, updated_at =
                 CASE WHEN orders.status = row.status THEN orders.updated_at ELSE now() END
             FROM (SELECT unnest($1::uuid[]) AS order_id, unnest($2::int[]) AS version,
               unnest($3::int[]) AS emitted, unnest($4::bigint[]) AS last_bundle,
               unnest($5::json[]) AS seen, unnest($6::text[]) AS status,
               unnest($7::text[]) AS cancel_reason) AS row
             WHERE orders.order_id = row.order_id AND orders.version = row.version",
        )
        .await?;
    let rows = || known.iter().map(|Changed { row, .. }| row);
    let versions: Vec<i32> = rows().map(|row| row.version).collect();
    let emitted: Vec<i32> = rows().map(|row| row.stream.emitted).collect();
    let bundles: Vec<i64> = rows().map(|row| row.stream.last_bundle).collect();
    let orders: Vec<Uuid> = known.iter().map(|changed| changed.order.0).collect();
    let seen: Vec<Json<&Seen>> = rows().map(|row| Json(&row.stream.seen)).collect();
    let (statuses, reasons): (Vec<&str>, Vec<Option<&str>>) =
        rows().map(|row| columns(&row.state)).unzip();
    let written = db
        .execute(&update, &[&orders, &versions, &emitted, &bundles, &seen, &statuses, &reasons])
        .await?;
    if written == known.len() as u64 { Ok(()) } else { Err(Failure::Conflict) }
}

fn columns(state: &State) -> (&'static str, Option<&'static str>) {
    match state {
        State::Unseen | State::Placed => ("placed", None),
        State::ShippedAhead => ("shipped_ahead", None),
        State::Confirmed => ("confirmed", None),
        State::Completed => ("completed", None),
        State::Cancelled { reason } => ("cancelled", Some(reason.as_str())),
    }
}

fn state(status: &str, reason: Option<&str>) -> Result<State, Failure> {
    let known = |text: &str| CancelReason::ALL.into_iter().find(|known| known.as_str() == text);
    match (status, reason.map(known)) {
        ("placed", None) => Ok(State::Placed),
        ("shipped_ahead", None) => Ok(State::ShippedAhead),
        ("confirmed", None) => Ok(State::Confirmed),
        ("completed", None) => Ok(State::Completed),
        ("cancelled", Some(Some(reason))) => Ok(State::Cancelled { reason }),
        _ => Err(Failure::Message(format!("an order's row says {status:?}, {reason:?}"))),
    }
}

/// An order, whole.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    pub(crate) state: State,
    pub(crate) customer_id: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) total: Money,
    pub(crate) idempotency_key: String,
    pub(crate) request_hash: Vec<u8>,
    pub(crate) placed_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) deadline_at: Timestamp,
}

const ORDER: &str = "order_id, status, cancel_reason, customer_id, lines, total, currency,
    idempotency_key, request_hash, placed_at, updated_at, deadline_at";

fn order(row: &tokio_postgres::Row) -> Result<Order, Failure> {
    let currency: Currency = row
        .get::<_, &str>("currency")
        .parse()
        .map_err(|error: kernel::InvalidCurrency| Failure::Message(error.to_string()))?;
    Ok(Order {
        id: OrderId(row.get("order_id")),
        state: state(row.get("status"), row.get("cancel_reason"))?,
        customer_id: row.get("customer_id"),
        lines: row.try_get::<_, Json<Vec<Line>>>("lines")?.0,
        total: Money { amount: row.get("total"), currency },
        idempotency_key: row.get("idempotency_key"),
        request_hash: row.get("request_hash"),
        placed_at: row.get("placed_at"),
        updated_at: row.get("updated_at"),
        deadline_at: row.get("deadline_at"),
    })
}

/// One order.
pub(crate) async fn find(pool: &Pool, id: OrderId) -> Result<Option<Order>, Failure> {
    let client = pool.get().await?;
    let select =
        client.prepare_cached(&format!("SELECT {ORDER} FROM orders WHERE order_id = $1")).await?;
    client.query_opt(&select, &[&id.0]).await?.as_ref().map(order).transpose()
}

/// The orders that these requests have placed before.
pub(crate) async fn placed_before(db: &Db<'_>, keys: &[&str]) -> Result<Vec<Order>, Failure> {
    let select = db
        .prepare_cached(&format!("SELECT {ORDER} FROM orders WHERE idempotency_key = ANY($1)"))
        .await?;
    db.query(&select, &[&keys]).await?.iter().map(order).collect()
}

/// An order to be written, with the id of its event and what led to it.
#[derive(Debug)]
pub(crate) struct New<'a> {
    pub(crate) order: &'a Order,
    pub(crate) event_id: Uuid,
    pub(crate) cause: &'a Cause,
}

/// Writes new orders and their deadline; [`Failure::Conflict`] if another instance has taken one of
/// the same requests in between.
pub(crate) async fn insert(db: &Db<'_>, new: &[New<'_>], bundle: BundleId) -> Result<(), Failure> {
    tokio::try_join!(biased; insert_orders(db, new, bundle), insert_deadline(db, new, bundle))?;
    Ok(())
}

async fn insert_orders(db: &Db<'_>, new: &[New<'_>], bundle: BundleId) -> Result<(), Failure> {
    let insert = db
        .prepare_cached(
            "INSERT INTO orders (order_id, emitted, last_bundle, customer_id, lines, total,
               currency, idempotency_key, request_hash, placed_at, updated_at, deadline_at,
               placed_event_id, correlation_id, traceparent)
             SELECT unnest($2::uuid[]), 1, $1, unnest($3::text[]), unnest($4::json[]),
               unnest($5::bigint[]), unnest($6::text[]), unnest($7::text[]), unnest($8::bytea[]),
               unnest($9::timestamptz[]), unnest($9::timestamptz[]), unnest($10::timestamptz[]),
               unnest($11::uuid[]), unnest($12::text[]), unnest($13::text[])",
        )
        .await?;
    let orders = || new.iter().map(|new| new.order);
    let causes = || new.iter().map(|new| new.cause);
    let ids: Vec<Uuid> = orders().map(|order| order.id.0).collect();
    let customers: Vec<&str> = orders().map(|order| order.customer_id.as_str()).collect();
    let lines: Vec<Json<&Vec<Line>>> = orders().map(|order| Json(&order.lines)).collect();
    let totals: Vec<i64> = orders().map(|order| order.total.amount).collect();
    let currencies: Vec<&str> = orders().map(|order| order.total.currency.as_str()).collect();
    let keys: Vec<&str> = orders().map(|order| order.idempotency_key.as_str()).collect();
    let hashes: Vec<&[u8]> = orders().map(|order| order.request_hash.as_slice()).collect();
    let placed: Vec<Timestamp> = orders().map(|order| order.placed_at).collect();
    let deadlines: Vec<Timestamp> = orders().map(|order| order.deadline_at).collect();
    let event_ids: Vec<Uuid> = new.iter().map(|new| new.event_id).collect();
    let correlations: Vec<&str> = causes().map(|cause| cause.correlation_id.as_str()).collect();
    let traces: Vec<Option<&str>> = causes().map(|cause| cause.traceparent.as_deref()).collect();
    db.execute(
        &insert,
        &[
            &bundle.0,
            &ids,
            &customers,
            &lines,
            &totals,
            &currencies,
            &keys,
            &hashes,
            &placed,
            &deadlines,
            &event_ids,
            &correlations,
            &traces,
        ],
    )
    .await
    .map_err(Failure::of_insert)?;
    Ok(())
}

/// Orders of one transaction have the same deadline, give or take a millisecond: the last one's.
async fn insert_deadline(db: &Db<'_>, new: &[New<'_>], bundle: BundleId) -> Result<(), Failure> {
    let insert = db.prepare_cached("INSERT INTO deadlines VALUES ($1, $2, $3)").await?;
    let deadline = new.iter().map(|new| new.order.deadline_at).max();
    let ids: Vec<Uuid> = new.iter().map(|new| new.order.id.0).collect();
    db.execute(&insert, &[&deadline, &bundle.0, &ids]).await?;
    Ok(())
}

/// Which orders to list.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub(crate) customer_id: Option<String>,
    pub(crate) statuses: Option<&'static [&'static str]>,
    pub(crate) after: Option<OrderId>,
    pub(crate) limit: i64,
}

/// A page of orders, newest first. Each combination of filters is a statement of its own: with
/// "or is null" in one for all, no plan could use the customers' index.
pub(crate) async fn list(pool: &Pool, filter: &Filter) -> Result<Vec<Order>, Failure> {
    let after = filter.after.map(|order| order.0);
    let mut conditions = vec!["true".to_owned()];
    let mut parameters: Vec<&(dyn ToSql + Sync)> = Vec::new();
    if let Some(customer) = &filter.customer_id {
        parameters.push(customer);
        conditions.push(format!("customer_id = ${}", parameters.len()));
    }
    if let Some(statuses) = &filter.statuses {
        parameters.push(statuses);
        conditions.push(format!("status = ANY(${})", parameters.len()));
    }
    if let Some(after) = &after {
        parameters.push(after);
        conditions.push(format!("order_id < ${}", parameters.len()));
    }
    parameters.push(&filter.limit);
    let sql = format!(
        "SELECT {ORDER} FROM orders WHERE {} ORDER BY order_id DESC LIMIT ${}",
        conditions.join(" AND "),
        parameters.len()
    );
    let client = pool.get().await?;
    let select = client.prepare_cached(&sql).await?;
    client.query(&select, &parameters).await?.iter().map(order).collect()
}

/// Forgets deadlines that have passed with all their orders decided, so many at most, and says how many.
pub(crate) async fn forget_deadlines(pool: &Pool, max: u32) -> Result<u64, Failure> {
    let client = pool.get().await?;
    let delete = client
        .prepare_cached(
            "DELETE FROM deadlines WHERE (deadline_at, bundle_id) IN (
             SELECT deadline_at, bundle_id FROM deadlines
             WHERE deadline_at < now() AND NOT EXISTS (
               SELECT FROM unnest(order_ids) AS placed (order_id) JOIN orders USING (order_id)
               WHERE status = 'placed')
             ORDER BY deadline_at LIMIT $1 FOR UPDATE SKIP LOCKED)",
        )
        .await?;
    Ok(client.execute(&delete, &[&i64::from(max)]).await?)
}

/// Orders whose deadline has passed without a payment, oldest first, and what their cancellation
/// goes back to: that they were placed.
pub(crate) async fn overdue(pool: &Pool) -> Result<Vec<(OrderId, Cause)>, Failure> {
    let client = pool.get().await?;
    let select = client
        .prepare_cached(
            "SELECT order_id, placed_event_id, correlation_id, traceparent
             FROM deadlines, unnest(order_ids) AS placed (order_id) JOIN orders USING (order_id)
             WHERE deadlines.deadline_at < now() AND status = 'placed'
             ORDER BY deadlines.deadline_at LIMIT 1000",
        )
        .await?;
    let rows = client.query(&select, &[]).await?;
    let overdue = rows.iter().map(|row| {
        let cause = Cause {
            causation_id: row.get::<_, Uuid>(1).to_string(),
            correlation_id: row.get(2),
            traceparent: row.get(3),
        };
        (OrderId(row.get(0)), cause)
    });
    Ok(overdue.collect())
}
