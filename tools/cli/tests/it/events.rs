use std::time::Duration;

use contracts::Encoder;
use farandole_cli::{OrderId, Schemas, TopicShape, create_topics, reader, register_schemas};
use kafka::{Admin, EventReader, EventRecord, Publisher, ReadError, ReadFrom, Registry};
use serde_json::{Value, json};
use testkit::Sandbox;
use testkit::schemas::order_placed;

use crate::{envelope, order, run};

const PATIENCE: Duration = Duration::from_secs(30);

/// A corner of the stack with topics and schemas, and something that publishes as services do.
struct Fleet {
    sandbox: Sandbox,
    registry: Registry,
    publisher: Publisher,
}

impl Fleet {
    async fn new() -> Self {
        let sandbox = Sandbox::new();
        let registry = Registry::new(&sandbox.stack.schema_registry_url.parse().unwrap()).unwrap();
        register_schemas(&registry, &sandbox.topics, &Schemas::embedded()).await.unwrap();
        let admin = Admin::new(&sandbox.stack.kafka_brokers).unwrap();
        create_topics(&admin, &sandbox.topics, &TopicShape::default()).await.unwrap();
        let publisher = Publisher::new(&sandbox.stack.kafka_brokers).unwrap();
        Self { sandbox, registry, publisher }
    }

    async fn place(&self, order: OrderId) {
        let mut placed = order_placed(&order, "TEA");
        placed["placed_at"] = json!(1_767_323_045_000_i64);
        self.emit("OrderPlaced", order, placed).await;
    }

    async fn confirm(&self, order: OrderId) {
        self.emit("OrderConfirmed", order, json!({ "order_id": order })).await;
    }

    async fn emit(&self, event_type: &str, order: OrderId, payload: Value) {
        let subject = self.sandbox.topics.subject("order", event_type);
        let schema = self.registry.latest(&subject).await.unwrap();
        let payload = Encoder::new(schema.id, &schema.schema).unwrap().encode(&payload).unwrap();
        self.publish(order, &payload, &envelope(event_type, order).headers()).await;
    }

    async fn publish(&self, order: OrderId, payload: &[u8], headers: &[(&str, String)]) {
        let (topic, key) = (self.sandbox.topics.events("order"), order.to_string());
        self.publisher.publish(&topic, key.as_bytes(), payload, headers).await.unwrap();
    }

    async fn reader(&self, from: ReadFrom) -> EventReader {
        let brokers = &self.sandbox.stack.kafka_brokers;
        reader::open(brokers, self.registry.clone(), &self.sandbox.topics, from).await.unwrap()
    }
}

#[tokio::test]
async fn tail_shows_events_without_personal_data() {
    let fleet = Fleet::new().await;
    let (one, other) = (order(), order());
    fleet.place(one).await;
    fleet.place(other).await;
    fleet.publish(one, b"nonsense", &[]).await;

    let all = ["events", "tail", "--from-start", "--no-follow"];
    let shown = run(&fleet.sandbox, &all).await.exits(0);
    assert_eq!(shown.output.lines().count(), 3, "{}", shown.output);
    assert!(!shown.output.contains("Ada") && !shown.output.contains("Lyon"), "{}", shown.output);
    shown
        .says(&format!("2026-01-02T03:04:05.000Z order        OrderPlaced            {one} 1 {{"))
        .says(r#""recipient":"(redacted)""#)
        .says(r#""total":{"amount":900,"currency":"EUR"}"#)
        .says("unreadable: ")
        .says("header ce_specversion is missing");

    let other = other.to_string();
    let of_other = [&all[..], &["--order", &other]].concat();
    let shown = run(&fleet.sandbox, &of_other).await.exits(0);
    assert_eq!(shown.output.lines().count(), 1, "{}", shown.output);
    shown.says(&other);
}

#[tokio::test]
async fn tail_wants_the_topics_to_be_there() {
    let sandbox = Sandbox::new();
    run(&sandbox, &["events", "tail"]).await.exits(3).says("Run `farandole topics create`");
}

#[tokio::test]
async fn a_reader_reads_by_the_writers_schema() {
    let fleet = Fleet::new().await;
    let order = order();
    fleet.place(order).await;
    let mut reader = fleet.reader(ReadFrom::Beginning).await;
    assert!(!reader.caught_up());
    let EventRecord { topic, offset, event, .. } = reader.next(PATIENCE).await.unwrap().unwrap();
    assert!(reader.caught_up());
    assert_eq!((topic, offset), (fleet.sandbox.topics.events("order"), 0));
    let event = event.unwrap();
    assert_eq!((event.envelope.saga, event.envelope.sequence), (order, 1));
    assert_eq!(event.payload["order_id"], json!(order));
    assert_eq!(event.payload["lines"][0]["unit_price"]["amount"], 900);
    assert_eq!(event.payload["placed_at"], 1_767_323_045_000_i64);
}

#[tokio::test]
async fn a_reader_from_now_sees_only_what_comes() {
    let fleet = Fleet::new().await;
    let order = order();
    fleet.place(order).await;
    let mut reader = fleet.reader(ReadFrom::Now).await;
    assert!(reader.caught_up());
    fleet.confirm(order).await;
    let record = reader.next(PATIENCE).await.unwrap().unwrap();
    assert_eq!(record.event.unwrap().envelope.event_type, "OrderConfirmed");
    assert!(reader.next(Duration::from_millis(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_reader_loses_nothing_while_the_registry_is_away() {
    let fleet = Fleet::new().await;
    fleet.confirm(order()).await;
    let away = Registry::new(&"http://127.0.0.1:9/apis/ccompat/v7".parse().unwrap()).unwrap();
    let (brokers, topics) = (&fleet.sandbox.stack.kafka_brokers, &fleet.sandbox.topics);
    let mut reader = reader::open(brokers, away, topics, ReadFrom::Beginning).await.unwrap();
    for _ in 0..2 {
        let error = reader.next(PATIENCE).await.unwrap_err();
        assert!(matches!(error, ReadError::RegistryAway(_)), "{error}");
    }
    assert!(!reader.caught_up());
}
