use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::postgres::PgConnection;
use sqlx::{FromRow, postgres::PgRow};
use uuid::Uuid;

use super::databases::Databases;
use super::moves::{States, UNKNOWN};
use crate::OrderId;
use crate::database::ask;
use crate::state::state;
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

/// The last `size` orders of a stretch whose status has not changed for some seconds, the newest
/// first.
pub(super) async fn page(
    order: &mut PgConnection,
    stretch: Stretch,
    older_than_s: f64,
    size: i64,
) -> Result<Vec<Order>, Unreadable> {
    let question = sqlx::query_as(
        "SELECT saga, status, cancel_reason, placed_at, updated_at,
           status = 'placed' AND deadline_at < now() - interval '5 seconds'
         FROM orders WHERE saga >= $1 AND saga < $2
           AND updated_at <= now() - $3 * interval '1 second'
         ORDER BY saga DESC LIMIT $4",
    );
    let question = question.bind(stretch.from).bind(stretch.to).bind(older_than_s).bind(size);
    Ok(ask("order", order, question).await?.into_iter().map(Order::new).collect())
}

/// These orders, as far as they exist and have not changed for some seconds, the newest first.
pub(super) async fn these(
    order: &mut PgConnection,
    ids: &[Uuid],
    older_than_s: f64,
) -> Result<Vec<Order>, Unreadable> {
    let question = sqlx::query_as(
        "SELECT saga, status, cancel_reason, placed_at, updated_at,
           status = 'placed' AND deadline_at < now() - interval '5 seconds'
         FROM orders WHERE saga = ANY($1)
           AND updated_at <= now() - $2 * interval '1 second'
         ORDER BY saga DESC",
    );
    let question = question.bind(ids.to_vec()).bind(older_than_s);
    Ok(ask("order", order, question).await?.into_iter().map(Order::new).collect())
}

/// Those of these that the order service does not know.
pub(super) async fn unplaced(
    order: &mut PgConnection,
    ids: &[Uuid],
) -> Result<Vec<Uuid>, Unreadable> {
    let question = sqlx::query_as(
        "SELECT id FROM unnest($1::uuid[]) AS id
         WHERE NOT EXISTS (SELECT FROM orders WHERE saga = id) ORDER BY id DESC",
    );
    let rows: Vec<(Uuid,)> = ask("order", order, question.bind(ids.to_vec())).await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Ids from `from` to before `to`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    pub(super) from: Uuid,
    pub(super) to: Uuid,
}

/// Where an order is in the services other than the order service; unseen where they know nothing.
pub(super) type Elsewhere = BTreeMap<Uuid, States>;

/// What the other services know of a stretch of orders, or of single ones. They are asked after the
/// order service, so that what it has decided is older than what they say. Of a service that cannot
/// be read, all is unknown, and why is added to `blind`.
pub(super) async fn elsewhere(
    databases: &mut Databases,
    wanted: &Wanted<'_>,
    blind: &mut Vec<String>,
) -> Elsewhere {
    let Databases { inventory, payment, shipping, notification, .. } = databases;
    let (reserved, paid, shipped, told) = tokio::join!(
        rows::<(Uuid, Option<String>)>("inventory", inventory, RESERVATIONS, wanted),
        rows::<(Uuid, Option<String>, bool)>("payment", payment, PAYMENTS, wanted),
        rows::<(Uuid, Option<String>)>("shipping", shipping, SHIPMENTS, wanted),
        rows::<Messages>("notification", notification, NOTIFICATIONS, wanted),
    );
    let mut gathered = Gathered { found: Elsewhere::new(), dark: Vec::new(), blind };
    gathered.take(
        reserved,
        |(order, is), found| set(&mut of(found, order).inventory, is),
        |states| UNKNOWN.clone_into(&mut states.inventory),
    );
    gathered.take(
        paid,
        |(order, is, refund_follows), found| {
            let states = of(found, order);
            set(&mut states.payment, is);
            states.refund_follows = refund_follows;
        },
        |states| UNKNOWN.clone_into(&mut states.payment),
    );
    gathered.take(
        shipped,
        |(order, is), found| set(&mut of(found, order).shipping, is),
        |states| UNKNOWN.clone_into(&mut states.shipping),
    );
    gathered.take(
        told,
        |(order, confirmed, completed, cancelled), found| {
            let messages = &mut of(found, order).messages;
            for (message, is) in messages.iter_mut().zip([confirmed, completed, cancelled]) {
                set(message, is);
            }
        },
        |states| states.messages = [(); 3].map(|()| UNKNOWN.to_owned()),
    );
    gathered.elsewhere(wanted)
}

/// What services say, put together.
struct Gathered<'a> {
    found: Elsewhere,
    /// What to say of those that could not be asked.
    dark: Vec<fn(&mut States)>,
    blind: &'a mut Vec<String>,
}

impl Gathered<'_> {
    fn take<R>(
        &mut self,
        rows: Result<Vec<R>, Unreadable>,
        put: impl Fn(R, &mut Elsewhere),
        dark: fn(&mut States),
    ) {
        match rows {
            Ok(rows) => rows.into_iter().for_each(|row| put(row, &mut self.found)),
            Err(error) => {
                self.dark.push(dark);
                note(self.blind, &error);
            }
        }
    }

    fn elsewhere(self, wanted: &Wanted<'_>) -> Elsewhere {
        let Self { mut found, dark, .. } = self;
        if let Wanted::These(orders) = wanted
            && !dark.is_empty()
        {
            orders.iter().for_each(|order| _ = of(&mut found, *order));
        }
        for states in found.values_mut() {
            for say in &dark {
                say(states);
            }
        }
        found
    }
}

fn of(found: &mut Elsewhere, order: Uuid) -> &mut States {
    found.entry(order).or_insert_with(|| States::new(""))
}

/// Why something is not known, once.
pub(super) fn note(blind: &mut Vec<String>, error: &Unreadable) {
    let why = error.to_string();
    if !blind.contains(&why) {
        blind.push(why);
    }
}

/// Puts together what the services say.
pub(super) fn join(orders: &mut [Order], elsewhere: &mut Elsewhere) {
    for order in orders {
        if let Some(states) = elsewhere.remove(&order.id.0) {
            let (own, overdue) = (order.states.order.clone(), order.states.overdue);
            order.states = States { order: own, overdue, ..states };
        }
    }
}

/// Which orders are asked about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted<'a> {
    Between(Stretch),
    These(&'a [Uuid]),
}

async fn rows<R: for<'r> FromRow<'r, PgRow> + Send + Unpin>(
    service: &str,
    database: &mut PgConnection,
    [by_stretch, by_id]: [&'static str; 2],
    wanted: &Wanted<'_>,
) -> Result<Vec<R>, Unreadable> {
    let question = match wanted {
        Wanted::Between(Stretch { from, to }) => sqlx::query_as(by_stretch).bind(*from).bind(*to),
        Wanted::These(ids) => sqlx::query_as(by_id).bind(ids.to_vec()),
    };
    ask(service, database, question).await
}

/// A question by a stretch of ids, and the same by ids.
macro_rules! both {
    ($($part:expr),+) => {
        [
            concat!($($part),+, " WHERE saga >= $1 AND saga < $2"),
            concat!($($part),+, " WHERE saga = ANY($1)"),
        ]
    };
}

// Never the whole state: some hold personal data.
const RESERVATIONS: [&str; 2] = both!("SELECT saga, ", state!(), "->>'status' FROM reservations");
const PAYMENTS: [&str; 2] = both!(
    "SELECT saga, ",
    state!(),
    "->>'status', coalesce((",
    state!(),
    "->>'cancelled')::boolean, false) FROM payments"
);
const SHIPMENTS: [&str; 2] = both!("SELECT saga, ", state!(), "->>'status' FROM shipments");
const NOTIFICATIONS: [&str; 2] = both!(
    "SELECT saga, ",
    state!(),
    "#>>'{messages,confirmed,status}', ",
    state!(),
    "#>>'{messages,completed,status}', ",
    state!(),
    "#>>'{messages,cancelled,status}' FROM notifications"
);

/// An order, and the statuses of its messages: confirmed, completed, cancelled.
type Messages = (Uuid, Option<String>, Option<String>, Option<String>);

impl Order {
    fn new((id, status, cancel_reason, placed_at, since, overdue): OrderRow) -> Self {
        Self {
            id: OrderId(id),
            cancel_reason,
            placed_at: placed_at.to_jiff(),
            since: since.to_jiff(),
            states: States { overdue, ..States::new(status) },
        }
    }
}

fn set(state: &mut String, value: Option<String>) {
    if let Some(value) = value {
        *state = value;
    }
}
