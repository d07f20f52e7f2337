use std::collections::HashMap;

use jiff::Timestamp;
use kernel::OrderId;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use super::{Databases, States};
use crate::Unreadable;

/// An order, and where it is in the five services.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) id: OrderId,
    pub(super) cancel_reason: Option<String>,
    pub(super) placed_at: Timestamp,
    /// When its status changed last.
    pub(super) since: Timestamp,
    pub(super) states: States,
}

/// How much later than its deadline an order may be cancelled: the order service looks every
/// second.
const GRACE: &str = "interval '5 seconds'";

fn select(condition: &str) -> String {
    format!(
        "SELECT order_id, status, cancel_reason, placed_at, updated_at,
           status = 'placed' AND deadline_at < now() - {GRACE}
         FROM orders WHERE {condition}"
    )
}

/// The first orders, by their ids, after `after` whose status has not changed for some seconds.
pub(super) async fn page(
    databases: &Databases,
    after: Uuid,
    older_than_s: f64,
    size: i64,
) -> Result<Vec<Order>, Unreadable> {
    let condition = "order_id > $1 AND updated_at <= now() - $2 * interval '1 second'
         ORDER BY order_id LIMIT $3";
    let orders =
        ask("order", &databases.order, &select(condition), &[&after, &older_than_s, &size]).await?;
    with_services(databases, &orders).await
}

/// These orders, as far as they exist.
pub(super) async fn these(databases: &Databases, ids: &[Uuid]) -> Result<Vec<Order>, Unreadable> {
    let condition = "order_id = ANY($1) ORDER BY order_id";
    let orders = ask("order", &databases.order, &select(condition), &[&ids]).await?;
    with_services(databases, &orders).await
}

// Never the whole state: some hold personal data.
const RESERVATIONS: &str =
    "SELECT order_id, state->>'status' FROM reservations WHERE order_id = ANY($1)";
const PAYMENTS: &str = "SELECT order_id, state->>'status',
       coalesce((state->>'cancelled')::boolean, false)
     FROM payments WHERE order_id = ANY($1)";
const SHIPMENTS: &str = "SELECT order_id, state->>'status' FROM shipments WHERE order_id = ANY($1)";
const NOTIFICATIONS: &str = "SELECT order_id, state#>>'{messages,confirmed,status}',
       state#>>'{messages,completed,status}', state#>>'{messages,cancelled,status}'
     FROM notifications WHERE order_id = ANY($1)";

/// The orders of these rows, with what the other services know. They are asked after the order
/// service, so that what it has decided is older than what they say.
async fn with_services(databases: &Databases, rows: &[Row]) -> Result<Vec<Order>, Unreadable> {
    let mut orders: Vec<Order> = rows
        .iter()
        .map(|row| Order {
            id: OrderId(row.get(0)),
            cancel_reason: row.get(2),
            placed_at: row.get(3),
            since: row.get(4),
            states: States { overdue: row.get(5), ..States::new(row.get::<_, String>(1)) },
        })
        .collect();
    let ids: Vec<Uuid> = orders.iter().map(|order| order.id.0).collect();
    let of_these: [&(dyn ToSql + Sync); 1] = [&ids];
    let (inventory, payment, shipping, notification) = tokio::try_join!(
        ask("inventory", &databases.inventory, RESERVATIONS, &of_these),
        ask("payment", &databases.payment, PAYMENTS, &of_these),
        ask("shipping", &databases.shipping, SHIPMENTS, &of_these),
        ask("notification", &databases.notification, NOTIFICATIONS, &of_these),
    )?;
    let places: HashMap<Uuid, usize> = ids.into_iter().zip(0..).collect();
    let mut fill = |rows: &[Row], fill: fn(&mut States, &Row)| {
        for row in rows {
            if let Some(place) = places.get(&row.get(0)) {
                fill(&mut orders[*place].states, row);
            }
        }
    };
    fill(&inventory, |states, row| set(&mut states.inventory, row, 1));
    fill(&payment, |states, row| {
        set(&mut states.payment, row, 1);
        states.refund_follows = row.get(2);
    });
    fill(&shipping, |states, row| set(&mut states.shipping, row, 1));
    fill(&notification, |states, row| {
        for (message, column) in states.messages.iter_mut().zip(1..) {
            set(message, row, column);
        }
    });
    Ok(orders)
}

async fn ask(
    service: &'static str,
    database: &Client,
    select: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, Unreadable> {
    database.query(select, parameters).await.map_err(Unreadable::of(service))
}

fn set(state: &mut String, row: &Row, column: usize) {
    if let Some(value) = row.get(column) {
        *state = value;
    }
}
