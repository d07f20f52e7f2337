//! How long the audit takes and how much memory it needs, of a fleet with very many orders.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use cli::audit_at_rest;
use contracts::{Encoder, Envelope};
use jiff::Timestamp;
use kafka::{PlainRecord, Publisher, Registry};
use load::Preload;
use order::events::OrderId;
use serde_json::{Value, json};
use stack::fleet::SERVICES;
use testkit::{Sandbox, programs};
use tokio::process::Command;
use uuid::Uuid;

use super::{STRICT, targets};
use crate::test_fleet::{PATIENCE, TestFleet};

/// The events of a completed order: who says what with which number. Their ids count on from the
/// order's id.
const EVENTS: [(&str, &str, u32); 8] = [
    ("order", "OrderPlaced", 1),
    ("inventory", "StockReserved", 1),
    ("payment", "PaymentCharged", 1),
    ("order", "OrderConfirmed", 2),
    ("shipping", "ShipmentCreated", 1),
    ("order", "OrderCompleted", 3),
    ("notification", "CustomerNotified", 1),
    ("notification", "CustomerNotified", 2),
];

/// How many records are published at once.
const AT_ONCE: usize = 10_000;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; ORDERS=200000 says how many orders"]
async fn an_audit_of_many_orders() {
    let orders = std::env::var("ORDERS").map_or(200_000, |text| text.parse().unwrap());
    let TestFleet { sandbox, fleet } = TestFleet::start(Sandbox::new(), &[]).await;
    let report = audit_at_rest(&targets(&sandbox), &STRICT, PATIENCE, |_| {}).await.unwrap();
    assert!(report.not_at_rest().is_empty(), "{report}");
    fleet.stop().await;
    let preload = Preload::now();
    let began = Instant::now();
    fill_databases(&sandbox, preload, orders).await;
    fill_topics(&sandbox, preload, orders).await;
    println!("{orders} orders made in {:.0?}", began.elapsed());
    let (elapsed, memory) = run_audit(&sandbox).await;
    println!("audited in {elapsed:.1?}, {memory}");
}

async fn fill_databases(sandbox: &Sandbox, preload: Preload, orders: u32) {
    for service in SERVICES {
        let url = sandbox.database_url(service);
        preload.fill(service, &url, 1..orders + 1).await.unwrap();
    }
}

async fn fill_topics(sandbox: &Sandbox, preload: Preload, orders: u32) {
    let publisher = Publisher::new(&sandbox.stack.kafka_brokers).unwrap();
    let mut payloads = Vec::new();
    for (service, event_type, number) in EVENTS {
        payloads.push(payload(sandbox, service, event_type, number).await);
    }
    let mut records = Vec::new();
    for n in 1..=orders {
        let order = preload.order(n);
        for ((at, event), payload) in (1_u128..).zip(EVENTS).zip(&payloads) {
            records.push(record(sandbox, order, at, event, payload.clone()));
        }
        if records.len() >= AT_ONCE || n == orders {
            publisher.publish_all(&records).await.unwrap();
            records.clear();
        }
    }
}

fn record(
    sandbox: &Sandbox,
    order: Uuid,
    at: u128,
    (service, event_type, sequence): (&str, &str, u32),
    payload: Vec<u8>,
) -> PlainRecord {
    let envelope = Envelope {
        id: Uuid::from_u128(order.as_u128() + at),
        event_type: event_type.to_owned(),
        source: format!("/{service}"),
        saga: OrderId(order),
        time: Timestamp::now(),
        sequence,
        correlation_id: order.to_string(),
        causation_id: order.to_string(),
        traceparent: Some(format!("00-{}-0123456789abcdef-01", order.simple())),
    };
    let headers = envelope.headers().into_iter();
    PlainRecord {
        topic: sandbox.topics.events(service),
        key: Some(order.to_string().into_bytes()),
        payload: Some(payload),
        headers: headers.map(|(name, value)| (name.to_owned(), Some(value.into_bytes()))).collect(),
    }
}

/// What the audit reads is as it should be; of the rest only the size.
async fn payload(sandbox: &Sandbox, service: &str, event_type: &str, number: u32) -> Vec<u8> {
    let order = Uuid::nil();
    let told = ["confirmed", "completed"][(number as usize - 1) % 2];
    let said: Value = match event_type {
        "PaymentCharged" => json!({"order_id": order, "charge_id": "ch_0123456789",
            "amount": {"amount": 500, "currency": "EUR"}}),
        "CustomerNotified" => json!({"order_id": order, "outcome": told, "message_id": "m"}),
        "OrderPlaced" => return vec![0; 300],
        _ => return vec![0; 60],
    };
    let registry = Registry::new(&sandbox.stack.schema_registry_url.parse().unwrap()).unwrap();
    let schema = registry.latest(&sandbox.topics.subject(service, event_type)).await.unwrap();
    Encoder::new(schema.id, &schema.schema).unwrap().encode(&said).unwrap()
}

/// Runs the program, and tells how long it took and the most memory that it had.
async fn run_audit(sandbox: &Sandbox) -> (Duration, String) {
    let mut command = Command::new(programs().join("farandole"));
    command.arg("audit").stdin(Stdio::null()).kill_on_drop(true);
    command.env("KAFKA_BROKERS", &sandbox.stack.kafka_brokers);
    command.env("SCHEMA_REGISTRY_URL", &sandbox.stack.schema_registry_url);
    command.env("TOPIC_PREFIX", &sandbox.prefix);
    for service in SERVICES {
        let variable = format!("{}_DATABASE_URL", service.to_uppercase());
        command.env(variable, sandbox.database_url(service));
    }
    let began = Instant::now();
    let mut child = command.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id().unwrap());
    let mut most = String::new();
    let ended = loop {
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        let status = fs::read_to_string(&status).unwrap_or_default();
        if let Some(line) = status.lines().find(|line| line.starts_with("VmHWM")) {
            line.clone_into(&mut most);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let elapsed = began.elapsed();
    assert!(ended.success());
    (elapsed, most)
}
