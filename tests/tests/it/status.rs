//! What the operator's first look says of a fleet that dances, of one that does not, and afterwards.

use std::time::{Duration, Instant};

use sqlx::{Connection as _, PgConnection};
use stack::fleet::SERVICES;
use testkit::http::order;
use testkit::{Sandbox, eventually, programs};
use tokio::process::Command;

use crate::test_fleet::{PATIENCE, TestFleet, fresh};

/// What `farandole status` says, and its exit code.
async fn look(fleet: &TestFleet) -> (Option<i32>, String) {
    let sandbox = &fleet.sandbox;
    let mut command = Command::new(programs().join("farandole"));
    command
        .arg("status")
        .env("KAFKA_BROKERS", &sandbox.stack.kafka_brokers)
        .env("SCHEMA_REGISTRY_URL", &sandbox.stack.schema_registry_url)
        .env("TOPIC_PREFIX", &sandbox.prefix);
    for service in SERVICES {
        let name = service.to_uppercase();
        command.env(format!("{name}_URL"), fleet.fleet.url(service));
        command.env(format!("{name}_DATABASE_URL"), sandbox.database_url(service));
    }
    let began = Instant::now();
    let output = command.output().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(4), "it took {:?}", began.elapsed());
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

async fn until(fleet: &TestFleet, what: &str, words: &[&str]) {
    eventually(what, PATIENCE, async || {
        let (code, text) = look(fleet).await;
        let well = words.is_empty();
        let said = words.iter().all(|words| text.contains(words));
        (said && code == Some(i32::from(!well))).then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_keeps_a_fleet_from_dancing_is_named_and_it_is_well_before_and_after() {
    // Nobody's time is up meanwhile.
    let environment = [("ORDER_DEADLINE_S", "300"), ("RETRY_BASE_MS", "50")];
    let fleet = TestFleet::start(Sandbox::new(), &environment).await;
    let sku = fresh("sku");
    fleet.sell(&sku, 1_000).await;
    until(&fleet, "the fleet is well", &[]).await;
    let (_, text) = look(&fleet).await;
    assert!(!text.contains(": none"), "what is well needs no word: {text}");

    let url = fleet.sandbox.database_url("inventory");
    let mut somebody = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE stock").execute(&mut somebody).await.unwrap();
    for _ in 0..5 {
        fleet.place(&fresh("order"), &order(&sku, 1)).await;
    }
    let locked = "its table stock is locked by session";
    let words = [locked, "wait", "pg_terminate_backend", "inventory:"];
    until(&fleet, "the session is named", &words).await;
    drop(somebody);
    until(&fleet, "the fleet is well again", &[]).await;

    fleet.fleet.service("shipping").pause();
    fleet.place(&fresh("order"), &order(&sku, 1)).await;
    let words = ["shipping", "does not answer within", "kill -CONT"];
    until(&fleet, "who does not answer is named", &words).await;
    fleet.fleet.service("shipping").resume();
    until(&fleet, "the fleet is well in the end", &[]).await;
}
