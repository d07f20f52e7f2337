//! Dead letters of a running service, and the operator's tool at work on them.

use std::process::Stdio;

use contracts::{Encoder, Envelope};
use kafka::{Publisher, Registry};
use order::events::OrderId;
use serde_json::Value;
use stack::Part;
use testkit::http::Api;
use testkit::schemas::order_placed;
use testkit::{LateRegistry, Sandbox, api, eventually, programs};
use tokio::process::Command;
use uuid::Uuid;

use crate::test_fleet::PATIENCE;

/// The payment service alone, and events that it cannot read yet.
struct Stage {
    sandbox: Sandbox,
    registry: LateRegistry,
    payment: Part,
}

impl Stage {
    async fn set() -> Self {
        let sandbox = Sandbox::new();
        sandbox.prepare_fleet().await;
        let real = Registry::new(&sandbox.stack.schema_registry_url.parse().unwrap()).unwrap();
        let subject = sandbox.topics.subject("order", "OrderPlaced");
        let schema = real.latest(&subject).await.unwrap().schema;
        let registry = LateRegistry::start(&sandbox.stack, schema).await;
        // Its schema is not waited for.
        let environment = [("SCHEMA_REGISTRY_URL", &*registry.url), ("RETRY_MAX_ATTEMPTS", "1")];
        let payment = sandbox.service("payment", 1, &environment).await;
        payment.start().await.unwrap();
        Self { sandbox, registry, payment }
    }

    /// Orders are placed by somebody who was deployed before their schema was registered.
    async fn place(&self, count: usize) -> Vec<OrderId> {
        let orders: Vec<OrderId> = (0..count).map(|_| OrderId(Uuid::now_v7())).collect();
        let publisher = Publisher::new(&self.sandbox.stack.kafka_brokers).unwrap();
        let encoder = Encoder::new(LateRegistry::ID, &self.registry.schema).unwrap();
        let topic = self.sandbox.topics.events("order");
        for order in &orders {
            let placed = order_placed(order, "TEA");
            let envelope = Envelope {
                id: Uuid::now_v7(),
                event_type: "OrderPlaced".to_owned(),
                source: "/order".to_owned(),
                saga: *order,
                time: "2026-01-02T03:04:05Z".parse().unwrap(),
                sequence: 1,
                correlation_id: "c".to_owned(),
                causation_id: "r".to_owned(),
                traceparent: None,
            };
            let (key, payload) = (order.to_string(), encoder.encode(&placed).unwrap());
            let headers = envelope.headers();
            publisher.publish(&topic, key.as_bytes(), &payload, &headers).await.unwrap();
        }
        self.until_open(count).await;
        orders
    }

    async fn until_open(&self, count: usize) {
        eventually(&format!("{count} letters are open"), PATIENCE, async || {
            (self.json("list").await["open"] == count).then_some(())
        })
        .await;
    }

    fn tool(&self, arguments: &str) -> Command {
        let stack = &self.sandbox.stack;
        let mut command = Command::new(programs().join("farandole"));
        command
            .arg("dlq")
            .args(arguments.split_whitespace())
            .env("KAFKA_BROKERS", &stack.kafka_brokers)
            .env("SCHEMA_REGISTRY_URL", &stack.schema_registry_url)
            .env("TOPIC_PREFIX", &self.sandbox.prefix)
            .env("PAYMENT_DATABASE_URL", self.sandbox.database_url("payment"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// What the tool says as JSON, and whether it calls that good.
    async fn run(&self, arguments: &str) -> (Value, bool) {
        let output = self.tool(&format!("{arguments} --json")).output().await.unwrap();
        let said = serde_json::from_slice(&output.stdout);
        (said.unwrap_or_else(|_| panic!("{output:?}")), output.status.success())
    }

    async fn json(&self, arguments: &str) -> Value {
        self.run(arguments).await.0
    }

    /// Each order's payment is known, and each event is in the inbox twice: by its own id, and by
    /// that of its redrive.
    async fn assert_applied_once(&self, orders: &[OrderId]) {
        let payment: Api = api(&self.payment);
        for order in orders {
            let path = format!("/payments/{order}");
            eventually(&path, PATIENCE, async || {
                (payment.get(&path).await.status == 200).then_some(())
            })
            .await;
        }
        let pool = Sandbox::pool(&self.sandbox.database_url("payment"));
        let counts = sqlx::query_as(
            "SELECT (SELECT count(*) FROM inbox) + (SELECT count(*) FROM redriven),
               (SELECT count(*) FROM retry_queue)",
        );
        let counts: (i64, i64) = counts.fetch_one(&pool).await.unwrap();
        assert_eq!(counts, (i64::try_from(2 * orders.len()).unwrap(), 0));
    }
}

#[tokio::test]
async fn letters_come_back_until_their_cause_is_gone() {
    let stage = Stage::set().await;
    let orders = stage.place(12).await;
    let list = stage.json("list").await;
    assert_eq!(list["groups"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!(list["groups"][0]["cause"], "schema id <n> is not in the schema registry");

    let (said, good) = stage.run("redrive --yes --all-open --canary 3 --reason hopeful").await;
    assert!(!good);
    assert_eq!(said["stopped"], "a canary failed again", "{said}");
    // The first that fails is enough; the other two follow.
    stage.until_open(12).await;
    let back = stage.json("list --group-by none").await["letters"][11]["letter"].clone();
    let shown = stage.json(&format!("show {}", back.as_str().unwrap())).await;
    assert_eq!(shown["history"].as_array().unwrap().len(), 1, "{shown}");
    assert_eq!(shown["history"][0]["reason"], "hopeful");
    assert_eq!(shown["attempts"], 1, "its own, of this round");

    stage.registry.register();
    let (said, good) = stage.run("redrive --yes --all-open --canary 3 --rate 100").await;
    assert!(good, "{said}");
    assert_eq!(said["summary"], "12 redriven: 12 applied");
    assert_eq!(stage.json("list").await["open"], 0);
    stage.assert_applied_once(&orders).await;
    stage.payment.stop().await;
}

#[tokio::test]
async fn a_redrive_that_is_killed_is_finished_by_the_next() {
    let stage = Stage::set().await;
    let orders = stage.place(40).await;
    stage.registry.register();
    let mut child = stage.tool("redrive --yes --all-open --rate 20").spawn().unwrap();
    eventually("some are redriven", PATIENCE, async || {
        let log = stage.json("log").await;
        log[0]["done"].as_u64().is_some_and(|done| done >= 5).then_some(())
    })
    .await;
    child.start_kill().unwrap();
    child.wait().await.unwrap();
    let left = stage.json("list").await["open"].as_u64().unwrap();
    assert!((1..=35).contains(&left), "{left}");

    let (said, good) = stage.run("redrive --yes --all-open --canary 2").await;
    assert!(good, "{said}");
    assert_eq!(said["summary"], format!("{left} redriven: {left} applied"));
    stage.assert_applied_once(&orders).await;
    // What was redriven before the kill and after it is told as one story.
    let log = stage.json("log").await;
    let done = |at: usize| log[at]["done"].as_u64().unwrap();
    assert_eq!(done(0) + done(1), 40, "{log}");
    stage.payment.stop().await;
}
