//! A fleet of all services, and how to look at it from outside.

use std::collections::BTreeMap;
use std::panic::Location;
use std::process::Stdio;
use std::time::Duration;

use declarations::variable;
use kafka::ReadEvent;
use reqwest::Method;
use serde_json::{Value, json};
use stack::fleet::{Fleet, SERVICES};
use testkit::http::{Api, order, send};
use testkit::{Sandbox, eventually, programs};
use tokio::process::Command;
use tokio::sync::OnceCell;
use uuid::Uuid;

/// The services that stories are about.
const IN_STORIES: [&str; 5] = ["order", "inventory", "payment", "shipping", "notification"];

/// No order takes that long unless something is wrong.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Long enough for every story that is not about it, in seconds.
const DEADLINE_S: &str = "6";

/// The fleet of all tests that need nothing special.
pub(crate) async fn shared() -> &'static TestFleet {
    static TROUPE: OnceCell<TestFleet> = OnceCell::const_new();
    let environment = [("ORDER_DEADLINE_S", DEADLINE_S), ("RETRY_BASE_MS", "50")];
    TROUPE.get_or_init(|| async { TestFleet::start(Sandbox::new(), &environment).await }).await
}

/// A name that nothing else has, for a SKU or an idempotency key.
pub(crate) fn fresh(what: &str) -> String {
    format!("{what}-{}", Uuid::new_v4().simple())
}

/// All services in a corner of their own.
pub(crate) struct TestFleet {
    pub(crate) sandbox: Sandbox,
    pub(crate) fleet: Fleet,
}

impl TestFleet {
    /// Starts them, and lets one order through, so that nobody waits for a first time later.
    pub(crate) async fn start(sandbox: Sandbox, environment: &[(&str, &str)]) -> Self {
        sandbox.prepare_fleet().await;
        let fleet = Fleet::start(&sandbox.stack, &sandbox.fleet(environment)).await.unwrap();
        let fleet = Self { sandbox, fleet };
        fleet.sell("rehearsal", 1_000_000).await;
        for attempt in 0.. {
            let id = fleet.place(&format!("rehearsal-{attempt}"), &order("rehearsal", 1)).await;
            if fleet.settled(id).await["status"] == "completed" {
                break;
            }
            // The deadline may be shorter than a first time takes.
            assert!(attempt < 5, "the rehearsal does not complete");
        }
        fleet
    }

    pub(crate) fn api(&self, service: &str) -> Api {
        Api::new(self.fleet.url(service))
    }

    /// Puts a product for sale, and some pieces of it on hand.
    pub(crate) async fn sell(&self, sku: &str, pieces: u32) {
        let product = json!({"name": sku, "unit_price": {"amount": 250, "currency": "EUR"}});
        self.api("order").put(&format!("/products/{sku}"), &product).await.expect(201);
        if pieces > 0 {
            let stock = json!({"on_hand": pieces});
            self.api("inventory").put(&format!("/stock/{sku}"), &stock).await.expect(200);
        }
    }

    /// Places an order; the key is its correlation id, too.
    pub(crate) async fn place(&self, key: &str, order: &Value) -> Uuid {
        let request = self.api("order").request(Method::POST, "/orders");
        let request = request.header("idempotency-key", key).header("x-correlation-id", key);
        let placed = send(request.json(order)).await.expect(201);
        placed["order_id"].as_str().unwrap().parse().unwrap()
    }

    /// The order once it is terminal.
    pub(crate) async fn settled(&self, order: Uuid) -> Value {
        let path = format!("/orders/{order}");
        let request = self.api("order").request(Method::GET, &path).header("prefer", "wait=60");
        send(request).await.expect(200)
    }

    /// Where each service is with an order, what was said of it, and what is left of its SKU.
    pub(crate) async fn account(&self, id: Uuid, sku: &str) -> Value {
        let status = async |service: &str, path: &str| {
            let answer = self.api(service).get(&format!("/{path}/{id}")).await;
            if answer.status == 404 { Value::Null } else { answer.expect(200)["status"].clone() }
        };
        let order = self.api("order").get(&format!("/orders/{id}")).await.expect(200);
        let stock = self.api("inventory").get(&format!("/stock/{sku}")).await;
        let level = |name: &str| (stock.status == 200).then(|| stock.expect(200)[name].clone());
        let notifications = self.api("notification").get(&format!("/notifications/{id}")).await;
        let messages = match notifications.status {
            404 => json!([]),
            _ => notifications.expect(200)["messages"].clone(),
        };
        let message = |it: &Value| {
            format!("{}: {}", it["outcome"].as_str().unwrap(), it["status"].as_str().unwrap())
        };
        json!({
            "order": order["cancel_reason"].as_str().or(order["status"].as_str()),
            "reservation": status("inventory", "reservations").await,
            "payment": status("payment", "payments").await,
            "shipment": status("shipping", "shipments").await,
            "messages": messages.as_array().unwrap().iter().map(message).collect::<Vec<_>>(),
            "stock": [level("available"), level("reserved"), level("shipped")],
            "events": said(&self.events_of(id).await),
        })
    }

    /// Waits until the account of an order is this one.
    pub(crate) async fn until_account(&self, id: Uuid, sku: &str, expected: &Value) {
        let mut last = Value::Null;
        let begin = std::time::Instant::now();
        while last != *expected {
            assert!(begin.elapsed() < PATIENCE, "{last:#}\n is not\n{expected:#}");
            last = self.account(id, sku).await;
        }
    }

    /// The events of an order, those of each service in sequence.
    pub(crate) async fn events_of(&self, id: Uuid) -> Vec<ReadEvent> {
        let mut events = self.sandbox.events().await;
        events.retain(|event| event.envelope.saga.0 == id);
        events
    }

    /// A program that looks at this fleet from outside: it knows where everything is.
    pub(crate) fn command(&self, program: &str) -> Command {
        let stack = &self.sandbox.stack;
        let mut command = Command::new(programs().join(program));
        command
            .env("KAFKA_BROKERS", &stack.kafka_brokers)
            .env("SCHEMA_REGISTRY_URL", &stack.schema_registry_url)
            .env("TOPIC_PREFIX", &self.sandbox.prefix)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        for service in SERVICES {
            command.env(variable(service, "DATABASE_URL"), self.sandbox.database_url(service));
        }
        command
    }

    /// The same, that also asks the services.
    pub(crate) fn command_with_urls(&self, program: &str) -> Command {
        let mut command = self.command(program);
        for service in SERVICES {
            command.env(variable(service, "URL"), self.fleet.url(service));
        }
        command
    }

    /// What the operator's tool says, and its exit code.
    pub(crate) async fn tool(&self, arguments: &[&str]) -> (String, i32) {
        let output = self.command("farandole").args(arguments).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        (format!("{said}{errors}"), output.status.code().unwrap())
    }

    /// The same, where it says that all is well.
    #[track_caller]
    pub(crate) fn tool_does(&self, arguments: &[&str]) -> impl Future<Output = String> {
        let caller = Location::caller();
        async move {
            let (said, code) = self.tool(arguments).await;
            assert_eq!(code, 0, "{caller}: {arguments:?}: {said}");
            said
        }
    }

    /// Waits until a service's metrics have this line.
    pub(crate) async fn until_metric(&self, service: &str, line: &str) {
        let api = self.api(service);
        eventually(&format!("{service} has {line}"), PATIENCE, async || {
            api.get("/metrics").await.body.lines().any(|it| it == line).then_some(())
        })
        .await;
    }

    /// Waits until a service says that an order is in this status.
    pub(crate) async fn until_status(&self, service: &str, path: &str, status: &str) {
        let api = self.api(service);
        eventually(&format!("{path} is {status}"), PATIENCE, async || {
            let answer = api.get(path).await;
            (answer.status == 200 && answer.expect(200)["status"] == status).then_some(())
        })
        .await;
    }
}

/// The types of events by who emitted them, without services that no story is about: they may say what
/// they like.
fn said(events: &[ReadEvent]) -> BTreeMap<&str, Vec<&str>> {
    let mut said = BTreeMap::<&str, Vec<&str>>::new();
    for ReadEvent { envelope, .. } in events {
        said.entry(&envelope.source[1..]).or_default().push(&envelope.event_type);
    }
    said.retain(|service, _| IN_STORIES.contains(service));
    said
}
