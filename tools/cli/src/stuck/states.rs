use std::collections::BTreeMap;

use choreography::{NOT_ASKED, Service, States, UNKNOWN};
use futures::future::join_all;
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use super::databases::{Databases, Joined};
use crate::OrderId;
use crate::database::ask;
use crate::state::statuses;
use crate::unreadable::Unreadable;

/// An order, and where it is in the services.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) id: OrderId,
    pub(super) placed_at: Timestamp,
    /// When its status changed last.
    pub(super) since: Timestamp,
    pub(super) states: States,
}

/// Id, status, when it was placed and changed, and whether it should have been cancelled by now: the
/// service that decides looks at deadlines every second, and has five for it.
type OrderRow = (Uuid, String, jiff_sqlx::Timestamp, jiff_sqlx::Timestamp, bool);

/// SQL for orders as the service that decides knows them. `$1` is the status in which a deadline runs.
fn orders(condition: &str) -> AssertSqlSafe<String> {
    let told = statuses(Service::first().declared(), &["placed_at", "updated_at", "deadline_at"]);
    AssertSqlSafe(format!(
        "SELECT saga, status, placed_at, updated_at,
           status = $1 AND deadline_at < now() - interval '5 seconds'
         FROM {told} WHERE {condition}"
    ))
}

fn until_deadline() -> &'static str {
    let begins = Service::first().declared().begins.as_ref();
    begins.map_or("", |begins| begins.until_deadline.as_str())
}

/// The last `size` orders of a stretch whose status has not changed for some seconds, the newest
/// first.
pub(super) async fn page(
    first: &mut PgConnection,
    stretch: Stretch,
    older_than_s: f64,
    size: i64,
) -> Result<Vec<Order>, Unreadable> {
    let question = sqlx::query_as(orders(
        "saga >= $2 AND saga < $3 AND updated_at <= now() - $4 * interval '1 second'
         ORDER BY saga DESC LIMIT $5",
    ));
    let question = question.bind(until_deadline()).bind(stretch.from).bind(stretch.to);
    let question = question.bind(older_than_s).bind(size);
    let rows = ask(Service::first().name(), first, question).await?;
    Ok(rows.into_iter().map(Order::new).collect())
}

/// These orders, as far as they exist and have not changed for some seconds, the newest first.
pub(super) async fn these(
    first: &mut PgConnection,
    ids: &[Uuid],
    older_than_s: f64,
) -> Result<Vec<Order>, Unreadable> {
    let question = sqlx::query_as(orders(
        "saga = ANY($2) AND updated_at <= now() - $3 * interval '1 second' ORDER BY saga DESC",
    ));
    let question = question.bind(until_deadline()).bind(ids.to_vec()).bind(older_than_s);
    let rows = ask(Service::first().name(), first, question).await?;
    Ok(rows.into_iter().map(Order::new).collect())
}

/// Those of these that the service that decides does not know.
pub(super) async fn unplaced(
    order: &mut PgConnection,
    ids: &[Uuid],
) -> Result<Vec<Uuid>, Unreadable> {
    let first = Service::first();
    let question = sqlx::query_as(AssertSqlSafe(format!(
        "SELECT id FROM unnest($1::uuid[]) AS id
         WHERE NOT EXISTS (SELECT FROM {} WHERE saga = id) ORDER BY id DESC",
        first.declared().table
    )));
    let rows: Vec<(Uuid,)> = ask(first.name(), order, question.bind(ids.to_vec())).await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Ids from `from` to before `to`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    pub(super) from: Uuid,
    pub(super) to: Uuid,
}

/// Where an order is in the services other than the one that decides; unseen where they know nothing.
pub(crate) type Elsewhere = BTreeMap<Uuid, States>;

/// What the other services know of a stretch of orders, or of single ones. They are asked after the
/// one that decides, so that what that has decided is older than what they say. Of a service that
/// cannot be read, all is unknown, and why is added to `blind`.
pub(crate) async fn elsewhere(
    databases: &mut Databases,
    wanted: &Wanted<'_>,
    blind: &mut Vec<String>,
) -> Elsewhere {
    let mut dark: Vec<Service> = Vec::new();
    for (service, why) in databases.missing() {
        dark.push(*service);
        if !blind.contains(why) {
            blind.push(why.clone());
        }
    }
    let others = databases.all().filter(|(service, _)| !service.begins());
    let known = join_all(
        others.map(async |(service, database)| (service, rows(service, database, wanted).await)),
    );
    let mut found = Elsewhere::new();
    for (service, rows) in known.await {
        match rows {
            Ok(rows) => rows.into_iter().for_each(|(order, status)| {
                found.entry(order).or_insert_with(States::unseen).set(service, status);
            }),
            Err(error) => {
                dark.push(service);
                note(blind, &error);
            }
        }
    }
    if let Wanted::These(orders) = wanted
        && !dark.is_empty()
    {
        for order in *orders {
            found.entry(*order).or_insert_with(States::unseen);
        }
    }
    for states in found.values_mut() {
        for service in &dark {
            states.set(*service, UNKNOWN.to_owned());
        }
    }
    found
}

/// Why something is not known, once.
pub(super) fn note(blind: &mut Vec<String>, error: &Unreadable) {
    let why = error.to_string();
    if !blind.contains(&why) {
        blind.push(why);
    }
}

/// Puts together what the services say.
pub(super) fn join(orders: &mut [Order], elsewhere: &mut Elsewhere, joined: &Joined) {
    for order in orders {
        if let Some(states) = elsewhere.remove(&order.id.0) {
            order.states.learn(states);
        }
        let began = crate::outcomes::began_at(order.id.0);
        for (service, joined) in joined {
            let is_older = began.is_some_and(|began| began < *joined);
            if is_older && !service.begins() && !order.states.calls(*service) {
                order.states.set(*service, NOT_ASKED.to_owned());
            }
        }
    }
}

/// Which orders are asked about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted<'a> {
    Between(Stretch),
    These(&'a [Uuid]),
}

async fn rows(
    service: Service,
    database: &mut PgConnection,
    wanted: &Wanted<'_>,
) -> Result<Vec<(Uuid, String)>, Unreadable> {
    let told = statuses(service.declared(), &[]);
    let condition = match wanted {
        Wanted::Between(_) => "saga >= $1 AND saga < $2",
        Wanted::These(_) => "saga = ANY($1)",
    };
    let question = AssertSqlSafe(format!("SELECT saga, status FROM {told} WHERE {condition}"));
    let question = match wanted {
        Wanted::Between(Stretch { from, to }) => sqlx::query_as(question).bind(*from).bind(*to),
        Wanted::These(ids) => sqlx::query_as(question).bind(ids.to_vec()),
    };
    ask(service.name(), database, question).await
}

impl Order {
    fn new((id, fate, placed_at, since, overdue): OrderRow) -> Self {
        let mut states = States::unseen();
        states.overdue = overdue;
        states.set(Service::first(), fate);
        Self { id: OrderId(id), placed_at: placed_at.to_jiff(), since: since.to_jiff(), states }
    }
}
