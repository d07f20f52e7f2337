//! Several instances that reserve from the same few rows at once.

use std::collections::BTreeMap;
use std::time::Duration;

use contracts::{Encoder, Envelope};
use futures::future::{join_all, try_join_all};
use inventory::events::OrderId;
use kafka::{PlainRecord, Publisher};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgPool};
use testkit::{Part, Sandbox, api, eventually, schemas};
use uuid::Uuid;

/// It turns a hang into a failure.
const PATIENCE: Duration = Duration::from_mins(2);
const INSTANCES: u32 = 3;
/// Of each kind of order.
const ORDERS: usize = 1_000;

/// What is on hand of each SKU: less of the first and the last than is asked for.
const ON_HAND: [(&str, i64); 3] = [("hot", 1_500), ("warm", 1_000_000), ("cold", 700)];

/// What orders ask for, a piece of each, and whether they are cancelled at once. Two SKUs are asked
/// for in either order.
const KINDS: [(&[&str], bool); 5] = [
    (&["hot"], false),
    (&["hot", "warm"], false),
    (&["warm", "hot"], false),
    (&["warm", "cold"], true),
    (&["cold", "warm"], false),
];

/// Writes the order service's events.
struct OrderService {
    publisher: Publisher,
    topic: String,
    placed: Encoder,
    cancelled: Encoder,
}

impl OrderService {
    async fn new(sandbox: &Sandbox) -> Self {
        let encoder = async |event_type: &str| {
            let released = schemas::released().into_iter();
            let (_, _, schema) = { released }
                .find(|(service, event, _)| service == "order" && event == event_type)
                .unwrap();
            Encoder::new(sandbox.register("order", event_type, &schema).await, &schema).unwrap()
        };
        Self {
            publisher: Publisher::new(&sandbox.stack.kafka_brokers).unwrap(),
            topic: sandbox.topics.events("order"),
            placed: encoder("OrderPlaced").await,
            cancelled: encoder("OrderCancelled").await,
        }
    }

    fn record(
        &self,
        order: Uuid,
        sequence: u32,
        event_type: &str,
        payload: Vec<u8>,
    ) -> PlainRecord {
        let envelope = Envelope {
            id: Uuid::now_v7(),
            event_type: event_type.to_owned(),
            source: "/order".to_owned(),
            saga: OrderId(order),
            time: "2026-01-02T03:04:05Z".parse().unwrap(),
            sequence,
            correlation_id: "c".to_owned(),
            causation_id: "r".to_owned(),
            traceparent: None,
        };
        let headers = envelope.headers().into_iter();
        PlainRecord {
            topic: self.topic.clone(),
            key: Some(order.to_string().into_bytes()),
            payload: Some(payload),
            headers: headers.map(|(name, it)| (name.to_owned(), Some(it.into_bytes()))).collect(),
        }
    }

    fn placed(&self, order: Uuid, skus: &[&str]) -> PlainRecord {
        let price = json!({"amount": 100, "currency": "EUR"});
        let line = |sku| json!({"sku": sku, "quantity": 1, "unit_price": price});
        let mut payload = schemas::order_placed(&order, "");
        payload["lines"] = skus.iter().map(line).collect();
        self.record(order, 1, "OrderPlaced", self.placed.encode(&payload).unwrap())
    }

    fn cancelled(&self, order: Uuid) -> PlainRecord {
        let payload = json!({"order_id": order, "reason": "customer_request"});
        self.record(order, 2, "OrderCancelled", self.cancelled.encode(&payload).unwrap())
    }

    /// All kinds of orders in turn. Returns how many events that were.
    async fn place_all(&self) -> usize {
        let mut events = 0;
        for _ in 0..ORDERS / 100 {
            let mut records = Vec::new();
            for (skus, is_cancelled) in [KINDS; 100].concat() {
                let order = Uuid::now_v7();
                records.push(self.placed(order, skus));
                records.extend(is_cancelled.then(|| self.cancelled(order)));
            }
            self.publisher.publish_all(&records).await.unwrap();
            events += records.len();
        }
        events
    }
}

async fn number(database: &PgPool, of: &str) -> i64 {
    let select = AssertSqlSafe(format!("SELECT {of}"));
    sqlx::query_scalar(select).fetch_one(database).await.unwrap()
}

/// How many pieces of each SKU are reserved for orders.
async fn reserved(database: &PgPool) -> BTreeMap<String, i64> {
    let sum = "SELECT line->>'sku', sum((line->>'quantity')::bigint)::bigint
        FROM reservations, json_array_elements(state->'lines') AS line
        WHERE state->>'status' = 'reserved' GROUP BY 1";
    sqlx::query_as(sum).fetch_all(database).await.unwrap().into_iter().collect()
}

#[tokio::test]
async fn instances_that_share_hot_stock_neither_deadlock_nor_oversell() {
    let sandbox = Sandbox::new();
    sandbox.prepare_fleet().await;
    let mut services: Vec<Part> = Vec::new();
    for number in 1..=INSTANCES {
        services.push(sandbox.service("inventory", number, &[]).await);
    }
    try_join_all(services.iter().map(Part::start)).await.unwrap();
    for (sku, pieces) in ON_HAND {
        let stock = json!({"on_hand": pieces});
        api(&services[0]).put(&format!("/stock/{sku}"), &stock).await.expect(200);
    }
    let events = OrderService::new(&sandbox).await.place_all().await;
    let database = Sandbox::pool(&sandbox.database_url("inventory"));
    eventually("all events are read", PATIENCE, || async {
        let read = number(&database, "count(*) FROM inbox").await;
        (usize::try_from(read) == Ok(events)).then_some(())
    })
    .await;
    join_all(services.iter().map(Part::stop)).await;

    let held = reserved(&database).await;
    for (sku, on_hand) in ON_HAND {
        let of = async |column: &str| {
            number(&database, &format!("{column} FROM stock WHERE sku = '{sku}'")).await
        };
        let (available, reserved) = (of("available").await, of("reserved").await);
        assert_eq!(available + reserved, on_hand, "{sku}: none is lost or made up");
        assert_eq!(Some(&reserved), held.get(sku), "{sku}: each has an order");
    }
    assert_eq!(held["hot"], 1_500, "none was refused while there was one");
    let rejected =
        number(&database, "count(*) FROM reservations WHERE state->>'status' = 'rejected'");
    assert!(rejected.await >= 1_500, "not all could be had");
    let deadlocks = "deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(number(&database, deadlocks).await, 0);
    assert_eq!(number(&database, "count(*) FROM retry_queue").await, 0);
    assert_eq!(sandbox.dead_letters().await.len(), 0);
    let instances = "count(DISTINCT last_bundle >> 32) FROM reservations";
    assert_eq!(number(&database, instances).await, i64::from(INSTANCES), "all took part");
}
