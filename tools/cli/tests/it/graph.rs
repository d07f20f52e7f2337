//! Who says what to whom: as it is declared, as it runs, and as it is seen.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

use contracts::{Declared, Envelope};
use farandole_cli::OrderId;
use kafka::{Publisher, Registry};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::Sandbox;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::Command;
use uuid::Uuid;

use crate::{Run, envelope, order, output, run};

/// `farandole graph`, where nothing runs; of the fleet in this directory, or of that in the tree.
async fn alone(arguments: &[&str], declarations: Option<&Path>) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_farandole"));
    command.arg("graph").args(arguments).stdin(Stdio::null());
    if let Some(declarations) = declarations {
        command.env("FARANDOLE_DECLARATIONS", declarations);
    }
    output(command).await
}

/// The fleet, with something changed.
fn changed(change: impl FnOnce(&mut Vec<Declared>)) -> TempDir {
    let mut services = declarations::fleet().services().to_vec();
    change(&mut services);
    let directory = tempfile::tempdir().unwrap();
    for service in services {
        let file = directory.path().join(format!("{}.json", service.service));
        std::fs::write(file, serde_json::to_string(&service).unwrap()).unwrap();
    }
    directory
}

#[tokio::test]
async fn the_fleet_is_drawn_in_each_way_and_nothing_is_wrong_with_it() {
    for (format, words) in [
        ("text", "Every saga ends, and what was done for one that fails is undone."),
        ("mermaid", "    inventory -- StockReserved --> payment"),
        ("dot", "\"inventory\" -> \"payment\" [label=\"StockReserved, 60 s\"]"),
        ("svg", ">StockReserved</text>"),
    ] {
        let drawn = alone(&["--format", format, "--check"], None).await.exits(0).says(words);
        assert_eq!(drawn.errors, "", "{format}");
    }
    let json = alone(&["--json"], None).await.exits(0);
    let json: Value = serde_json::from_str(&json.output).unwrap();
    assert_eq!((&json["findings"], &json["observed"]), (&json!([]), &Value::Null));
    assert_eq!(json["edges"][0]["event"], "OrderPlaced");
    alone(&["--since", "1h"], None).await.exits(2).says("--observed");
}

#[tokio::test]
async fn what_is_wrong_with_a_fleet_is_told_with_what_to_do() {
    let payment = |services: &mut Vec<Declared>| {
        let payment = services.iter_mut().find(|it| it.service == "payment").unwrap();
        payment.compensates.clear();
    };
    let fleet = changed(payment);
    let told = alone(&["--check"], Some(fleet.path())).await.exits(1);
    told.says("no-compensation").says("PaymentCharged of payment").says("Declare which event");
    alone(&[], Some(fleet.path())).await.exits(0).says("no-compensation");
    let drawn = alone(&["--check", "--format", "svg"], Some(fleet.path())).await.exits(1);
    assert!(drawn.errors.contains("no-compensation") && !drawn.output.contains("no-compensation"));
}

/// Where something answers this, to whoever asks for anything.
async fn answering(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut caller, _) = listener.accept().await.unwrap();
            let mut asked = [0; 1_024];
            let _ = caller.read(&mut asked).await;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", answer.len());
            let _ = caller.write_all(format!("{head}{answer}").as_bytes()).await;
        }
    });
    url
}

#[tokio::test]
async fn a_service_that_the_tool_does_not_know_is_a_service_like_any_other() {
    let applause = json!({
        "service": "applause",
        "owner": "marketing",
        "consumes": [{
            "event": "OrderCompleted", "from": "order", "leads_to": ["ApplauseGiven"], "within_s": 60,
        }],
        "emits": [{"event": "ApplauseGiven", "end": true, "schema": {"type": "record"}}],
        "in_another_language": true,
    });
    let url = answering(applause.to_string()).await;
    let with = alone(&["--check", "--also", &url, "--format", "mermaid"], None).await.exits(0);
    let with = with.says("    order -- OrderCompleted --> applause");
    assert_eq!(with.errors, "");

    let mut misspelt = applause;
    misspelt["consumes"][0]["event"] = json!("OrderCompletd");
    let url = answering(misspelt.to_string()).await;
    let told = alone(&["--check", "--also", &url], None).await.exits(1);
    told.says("applause reads OrderCompletd from order").says("Is OrderCompleted meant?");
}

#[tokio::test]
async fn who_gives_no_answer_is_named_and_nothing_is_said_to_be_well() {
    let url = answering("<html>".to_owned()).await;
    let none = alone(&["--check", "--also", &url], None).await.exits(3);
    none.says("says nothing of itself: no declaration").says("leaves out whom it does not know");
    let url = answering(json!({"service": "payment", "consumes": [], "emits": []}).to_string());
    let url = url.await;
    let running = ["--check", "--running", "--order-url", &url];
    let one = alone(&running, None).await.exits(3);
    one.says("order at")
        .says("it is the service \"payment\", not order")
        .says("takes what it knows");
}

/// A corner of the stack with topics and schemas, and something that publishes as services do.
struct Topics {
    sandbox: Sandbox,
    registry: Registry,
    publisher: Publisher,
}

impl Topics {
    async fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.prepare_fleet().await;
        let registry = Registry::new(&sandbox.stack.schema_registry_url.parse().unwrap()).unwrap();
        let publisher = Publisher::new(&sandbox.stack.kafka_brokers).unwrap();
        Self { sandbox, registry, publisher }
    }

    /// Publishes an event, and returns its id. Only its frame is read.
    async fn says(&self, service: &str, event: &str, order: OrderId, cause: &str) -> Uuid {
        let subject = self.sandbox.topics.subject(service, event);
        let id = self.registry.latest(&subject).await.map_or(999_999, |schema| schema.id);
        let envelope = Envelope {
            source: format!("/{service}"),
            causation_id: cause.to_owned(),
            ..envelope(event, order)
        };
        let payload = [&[0][..], &id.to_be_bytes()].concat();
        let (topic, key) = (self.sandbox.topics.events(service), order.to_string());
        let headers = envelope.headers();
        self.publisher.publish(&topic, key.as_bytes(), &payload, &headers).await.unwrap();
        envelope.id
    }

    async fn observed(&self, arguments: &[&str]) -> Value {
        let words = [&["graph", "--observed", "--json"], arguments].concat();
        let seen = run(&self.sandbox, &words).await.exits(0);
        let mut seen: Value = serde_json::from_str(&seen.output).unwrap();
        seen["observed"].take()
    }

    async fn records(&self, arguments: &[&str]) -> u64 {
        self.observed(arguments).await["records"].as_u64().unwrap()
    }

    /// The rules of what differs, each with what it is about.
    async fn differences(&self) -> Vec<(String, String)> {
        let observed = self.observed(&[]).await;
        let differences = observed["differences"].as_array().unwrap().iter();
        let wrong = differences.filter(|it| it["verdict"] == "wrong");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        wrong.map(|it| (text(&it["rule"]), text(&it["path"]))).collect()
    }
}

#[tokio::test]
async fn what_is_seen_and_not_declared_is_told_with_where_it_is() {
    let topics = Topics::new().await;
    let first = order();
    let placed = topics.says("order", "OrderPlaced", first, "request").await;
    topics.says("inventory", "StockReserved", first, &placed.to_string()).await;
    topics.says("payment", "PaymentCharged", first, &placed.to_string()).await;
    // No service runs here, so nobody reads.
    let silent = |name: &str| ("D7".to_owned(), name.to_owned());
    let readers = declarations::fleet().services().iter().filter(|it| !it.consumes.is_empty());
    let mut nobody_reads: Vec<_> = readers.map(|it| silent(&it.service)).collect();
    nobody_reads.sort();
    assert_eq!(topics.differences().await, nobody_reads);

    let other = order();
    let placed = topics.says("order", "OrderPlaced", other, "request").await.to_string();
    topics.says("inventory", "StockReleased", other, &placed).await;
    topics.says("inventory", "StockCounted", other, &placed).await;
    topics.says("shipping", "ShipmentCreated", other, "nothing").await;
    let expected = [
        ("D1", "inventory/StockCounted"),
        ("D3", "inventory/StockReleased"),
        ("D11", "shipping/ShipmentCreated"),
    ];
    let mut found = topics.differences().await;
    found.retain(|(rule, _)| rule != "D7");
    assert_eq!(found, expected.map(|(rule, path)| (rule.to_owned(), path.to_owned())));

    let told = run(&topics.sandbox, &["graph", "--observed", "--check"]).await.exits(1);
    let told = told.says("OrderPlaced led inventory to StockReleased, which it does not declare.");
    let ways = expected.len() + nobody_reads.len();
    let told = told.says(&format!("7 records: the dance is not as declared, in {ways} ways."));
    told.says(&format!("{}/", topics.sandbox.topics.events("inventory")));

    let file = tempfile::NamedTempFile::new().unwrap();
    let entry =
        "[[accepted]]\nrule = \"D1\"\npath = \"inventory/StockCounted\"\nreason = \"a trial\"\n";
    std::fs::write(&file, format!("{entry}until = \"9999-12-31\"\n")).unwrap();
    let accepted = ["graph", "--observed", "--accepted", file.path().to_str().unwrap()];
    let told = run(&topics.sandbox, &accepted).await.exits(0);
    told.says("Accepted: a trial (until 9999-12-31).").says(&format!("in {} ways.", ways - 1));

    // What is older is not read, and need not be known.
    for order in [order(), order(), order()] {
        topics.says("shipping", "ShipmentFailed", order, "nothing").await;
    }
    let (whole, part) = (topics.records(&[]).await, topics.records(&["--limit", "1"]).await);
    assert_eq!(whole, 10);
    assert!(part < whole, "{part}");
}

#[tokio::test]
async fn topics_and_subjects_that_are_not_as_they_are_to_be_are_told() {
    let topics = Topics::new().await;
    let events = topics.sandbox.topics.events("payment");
    topics.sandbox.set_topic(&events, "retention.ms", "60000").await;
    let subject = topics.sandbox.topics.subject("order", "OrderPlaced");
    topics.registry.set_compatibility(&subject, "NONE").await.unwrap();
    let expected = [("D12".to_owned(), subject), ("D12".to_owned(), events)];
    let found: BTreeSet<_> = topics.differences().await.into_iter().collect();
    assert_eq!(found, expected.into());
}
