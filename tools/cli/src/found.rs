//! Orders by what people know of them: the id of an event, a correlation id, a customer.

use std::ops::ControlFlow;

use choreography::{Essentials, Service};
use jiff::{SignedDuration, Timestamp};
use kafka::{Bounds, scan, windows};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::OrderId;
use crate::connections::Connections;
use crate::database::ask;
use crate::databases::Databases;
use crate::story::in_time;
use crate::stuck::EventPlace;

/// How many orders of a customer, or with a correlation id, are told of.
const FOUND_MAX: i32 = 20;
/// How far back a correlation id is looked for: no index leads to one.
const BACK: SignedDuration = SignedDuration::from_mins(15);
/// When an event has its id, and when it may be in its topic at the latest to be found there.
const BEFORE: SignedDuration = SignedDuration::from_secs(1);
const AFTER: SignedDuration = SignedDuration::from_mins(1);

/// What was found.
#[derive(Debug, Default)]
pub struct Known {
    /// Orders of a customer of this name, or with this correlation id; the newest first.
    pub orders: Vec<OrderId>,
    /// Where it was not looked, or not far enough.
    pub unseen: Vec<String>,
}

/// The orders of a customer, and those with a correlation id of the last quarter of an hour, as the service that
/// begins them has them: where its table has such columns.
pub async fn orders_of(text: &str, databases: &Databases) -> Known {
    let mut known = Known::default();
    for service in Service::all().filter(|service| service.begins()) {
        match in_database(text, service, databases).await {
            Ok(orders) => known.orders.extend(orders),
            Err(why) => known.unseen.push(why),
        }
    }
    known.orders.dedup();
    known
}

async fn in_database(
    text: &str,
    service: Service,
    databases: &Databases,
) -> Result<Vec<OrderId>, String> {
    let (name, table) = (service.name(), &service.declared().table);
    let mut database = databases.connect(name).await.map_err(|error| error.to_string())?;
    let columns = sqlx::query_as(
        "SELECT column_name::text FROM information_schema.columns
         WHERE table_name = $1 AND column_name IN ('customer_id', 'correlation_id')",
    );
    let columns: Vec<(String,)> =
        ask(name, &mut database, columns.bind(table)).await.map_err(|error| error.to_string())?;
    let since = kernel::least_id((Timestamp::now() - BACK).as_millisecond().unsigned_abs());
    let mut orders = Vec::new();
    for (column,) in columns {
        let newer = if column == "customer_id" { Uuid::nil() } else { since };
        let question = format!(
            "SELECT saga FROM {table} WHERE {column} = $1 AND saga > $2 ORDER BY saga DESC LIMIT {FOUND_MAX}"
        );
        let question = sqlx::query_as(AssertSqlSafe(question)).bind(text).bind(newer);
        let found: Vec<(Uuid,)> =
            ask(name, &mut database, question).await.map_err(|error| error.to_string())?;
        orders.extend(found.into_iter().map(|(id,)| OrderId(id)));
    }
    Ok(orders)
}

/// The order that an event is of, and where the event is; `None` if no topic has it about when its id was made, which
/// is in the id. Takes some seconds at most.
///
/// # Errors
///
/// Why it could not be looked, in words.
pub async fn event(
    id: Uuid,
    connections: &Connections,
) -> Result<Option<(OrderId, EventPlace)>, String> {
    let made = id.get_timestamp().filter(|_| id.get_version_num() == 7).map(|at| at.to_unix());
    let made =
        made.and_then(|(seconds, _)| Timestamp::from_second(i64::try_from(seconds).ok()?).ok());
    let Some(made) = made else { return Ok(None) };
    let services = Service::all().filter(|service| !service.declared().emits.is_empty());
    let topics: Vec<String> =
        services.map(|service| connections.topic_prefix.events(service.name())).collect();
    let brokers = connections.kafka_brokers.clone();
    in_time(move || {
        let bounds = Bounds::Times { from: Some(made - BEFORE), to: Some(made + AFTER) };
        let mut found = None;
        scan(&brokers, &windows(&brokers, &topics, bounds)?, |record| {
            let Some(event) = Essentials::of(|name| record.header(name)).filter(|it| it.id == id)
            else {
                return ControlFlow::Continue(());
            };
            let (partition, offset) = (record.partition, record.offset);
            let service = event.fact.source().name();
            found = Some((OrderId(event.order), EventPlace { service, partition, offset }));
            ControlFlow::Break(())
        })?;
        Ok(found)
    })
    .await
}
