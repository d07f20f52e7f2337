use std::collections::HashMap;

use jiff::Timestamp;
use kernel::OrderId;
use uuid::Uuid;

use super::ask::ask;
use super::databases::Databases;
use super::moves::States;
use crate::unreadable::Unreadable;

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

/// Id, status, reason, when it was placed and changed, and whether it should have been cancelled by
/// now: the order service looks at deadlines every second, and has five for it.
type OrderRow = (Uuid, String, Option<String>, jiff_sqlx::Timestamp, jiff_sqlx::Timestamp, bool);

/// The first orders, by their ids, after `after` whose status has not changed for some seconds.
pub(super) async fn page(
    databases: &mut Databases,
    after: Uuid,
    older_than_s: f64,
    size: i64,
) -> Result<Vec<Order>, Unreadable> {
    let rows = sqlx::query_as(
        "SELECT order_id, status, cancel_reason, placed_at, updated_at,
           status = 'placed' AND deadline_at < now() - interval '5 seconds'
         FROM orders WHERE order_id > $1 AND updated_at <= now() - $2 * interval '1 second'
         ORDER BY order_id LIMIT $3",
    )
    .bind(after)
    .bind(older_than_s)
    .bind(size)
    .fetch_all(&mut databases.order)
    .await
    .map_err(Unreadable::of("order"))?;
    with_services(databases, rows).await
}

/// These orders, as far as they exist.
pub(super) async fn these(
    databases: &mut Databases,
    ids: &[Uuid],
) -> Result<Vec<Order>, Unreadable> {
    let select = "SELECT order_id, status, cancel_reason, placed_at, updated_at,
           status = 'placed' AND deadline_at < now() - interval '5 seconds'
         FROM orders WHERE order_id = ANY($1) ORDER BY order_id";
    let rows = ask("order", &mut databases.order, select, ids).await?;
    with_services(databases, rows).await
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

/// An order, and the statuses of its messages: confirmed, completed, cancelled.
type Messages = (Uuid, Option<String>, Option<String>, Option<String>);

/// The orders of these rows, with what the other services know. They are asked after the order
/// service, so that what it has decided is older than what they say.
async fn with_services(
    databases: &mut Databases,
    rows: Vec<OrderRow>,
) -> Result<Vec<Order>, Unreadable> {
    let mut orders: Vec<Order> = rows
        .into_iter()
        .map(|(id, status, cancel_reason, placed_at, since, overdue)| Order {
            id: OrderId(id),
            cancel_reason,
            placed_at: placed_at.to_jiff(),
            since: since.to_jiff(),
            states: States { overdue, ..States::new(status) },
        })
        .collect();
    let ids: Vec<Uuid> = orders.iter().map(|order| order.id.0).collect();
    let Databases { inventory, payment, shipping, notification, .. } = databases;
    let (inventory, payment, shipping, notification) = tokio::try_join!(
        ask::<(Uuid, Option<String>)>("inventory", inventory, RESERVATIONS, &ids),
        ask::<(Uuid, Option<String>, bool)>("payment", payment, PAYMENTS, &ids),
        ask::<(Uuid, Option<String>)>("shipping", shipping, SHIPMENTS, &ids),
        ask::<Messages>("notification", notification, NOTIFICATIONS, &ids),
    )?;
    let mut known: HashMap<Uuid, &mut States> =
        orders.iter_mut().map(|order| (order.id.0, &mut order.states)).collect();
    for (order, status) in inventory {
        let Some(states) = known.get_mut(&order) else { continue };
        set(&mut states.inventory, status);
    }
    for (order, status, refund_follows) in payment {
        let Some(states) = known.get_mut(&order) else { continue };
        set(&mut states.payment, status);
        states.refund_follows = refund_follows;
    }
    for (order, status) in shipping {
        let Some(states) = known.get_mut(&order) else { continue };
        set(&mut states.shipping, status);
    }
    for (order, confirmed, completed, cancelled) in notification {
        let Some(states) = known.get_mut(&order) else { continue };
        for (message, status) in states.messages.iter_mut().zip([confirmed, completed, cancelled]) {
            set(message, status);
        }
    }
    Ok(orders)
}

fn set(state: &mut String, value: Option<String>) {
    if let Some(value) = value {
        *state = value;
    }
}
