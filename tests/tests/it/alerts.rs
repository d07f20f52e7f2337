//! The alerts, as Prometheus raises them for a fleet to which something happens: the right one, no other,
//! and only as long as it lasts.
//!
//! Ten times as fast as they are shipped: each time in the rules is a tenth, and Prometheus looks each
//! second.

mod prometheus;

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use stack::{Options, Stack};
use testkit::http::order;
use testkit::raw::{RawRecord, publish};
use testkit::{Sandbox, group, programs};
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use uuid::Uuid;

use self::prometheus::Prometheus;
use crate::metrics::Exporter;
use crate::test_fleet::{TestFleet, fresh};

/// Longer than any alert waits before it fires, and after that for its cause to be out of sight.
const PATIENCE: Duration = Duration::from_mins(3);
/// How long nothing happens at first.
const QUIET: Duration = Duration::from_secs(20);

const ENVIRONMENT: [(&str, &str); 6] = [
    ("ORDER_DEADLINE_S", "8"),
    ("KAFKA_SESSION_TIMEOUT_MS", "6000"),
    ("EFFECT_TIMEOUT_MS", "1000"),
    ("RETRY_BASE_MS", "50"),
    ("RETRY_CAP_MS", "2000"),
    ("GAP_GRACE_MS", "1000"),
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the machine for itself: make alerts-check"]
async fn what_happens_to_a_fleet_raises_its_alert_and_no_other() {
    let stack = Stack::start(Options { quiet: true, ..Options::default() }).await.unwrap();
    let fleet = TestFleet::start(Sandbox::on(stack.connections()), &ENVIRONMENT).await;
    fleet.sell("plenty", 1_000_000).await;
    let exporter = Exporter::start(&fleet).await;
    let prometheus = Prometheus::start(&fleet, exporter.address()).await;
    let customers = Customers::come(&fleet);
    let stage = Stage { fleet, stack, prometheus };

    stage.prometheus.until_it_has_looked().await;
    let began = Instant::now();
    while began.elapsed() < QUIET {
        assert_eq!(stage.prometheus.firing().await, BTreeSet::new(), "nothing has happened");
        sleep(Duration::from_secs(1)).await;
    }
    stage.a_service_is_stopped().await;
    stage.a_record_is_poison().await;
    stage.a_provider_gives_no_answer().await;
    stage.offsets_are_moved().await;
    stage.postgres_freezes().await;
    customers.go().await;
    exporter.stop().await;
}

struct Stage {
    fleet: TestFleet,
    stack: Stack,
    prometheus: Prometheus,
}

impl Stage {
    /// Waits until just these alerts fire, each with the service that it names.
    async fn fires(&self, what: &str, expected: &[(&str, &str)]) {
        self.fires_after(what, expected, &[]).await;
    }

    /// The same, where some others may be about to end.
    async fn fires_after(&self, what: &str, expected: &[(&str, &str)], ending: &[&str]) {
        let expected: BTreeSet<(String, String)> =
            expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let began = Instant::now();
        loop {
            let firing = self.prometheus.firing().await;
            let others: Vec<_> = firing
                .difference(&expected)
                .filter(|(name, _)| !ending.contains(&name.as_str()))
                .collect();
            assert!(others.is_empty(), "{what}: {others:?} fire, too");
            if firing == expected {
                break println!("{what}: after {:.0?} {firing:?}", began.elapsed());
            }
            assert!(began.elapsed() < PATIENCE, "{what}: of {expected:?} fire {firing:?}");
            sleep(Duration::from_millis(500)).await;
        }
    }

    /// Waits until nothing fires any more; what did meanwhile was to.
    async fn is_over(&self, what: &str, raised: &[&str]) {
        let began = Instant::now();
        loop {
            let firing = self.prometheus.firing().await;
            if firing.is_empty() {
                break println!("{what}: over after {:.0?}", began.elapsed());
            }
            let others: Vec<_> =
                firing.iter().filter(|(name, _)| !raised.contains(&name.as_str())).collect();
            assert!(others.is_empty(), "{what}: afterwards {others:?} fire");
            assert!(began.elapsed() < PATIENCE, "{what}: {firing:?} do not end");
            sleep(Duration::from_millis(500)).await;
        }
    }

    async fn a_service_is_stopped(&self) {
        let shipping = self.fleet.fleet.service("shipping");
        shipping.pause();
        self.fires("shipping is stopped", &[("ServiceGone", "shipping")]).await;
        shipping.resume();
        self.is_over("shipping is stopped", &["ServiceGone"]).await;
    }

    async fn a_record_is_poison(&self) {
        // Order and payment read this topic.
        let poison = RawRecord {
            topic: self.fleet.sandbox.topics.events("inventory"),
            partition: 0,
            key: Some(Uuid::now_v7().to_string().into_bytes()),
            payload: Some(b"poison".to_vec()),
            headers: Vec::new(),
        };
        publish(&self.fleet.sandbox.stack.kafka_brokers, &poison).await.unwrap();
        let both = [("DeadLetters", "order"), ("DeadLetters", "payment")];
        self.fires("one record is poison", &both).await;
        self.operator(&["dlq", "discard", "--all-open"]).await;
        self.is_over("the dead letter is discarded", &["DeadLetters"]).await;
    }

    async fn a_provider_gives_no_answer(&self) {
        let sku = fresh("unpaid");
        self.fleet.sell(&sku, 1_000).await;
        let mut unpaid = order(&sku, 1);
        unpaid["payment_method"] = json!("pm_sim_down");
        let more = AtomicBool::new(true);
        let orders = async {
            while more.load(Ordering::Relaxed) {
                self.fleet.place(&fresh("unpaid"), &unpaid).await;
                sleep(Duration::from_millis(100)).await;
            }
        };
        let seen = async {
            self.fires("a provider gives no answer", &[("CircuitOpen", "payment")]).await;
            more.store(false, Ordering::Relaxed);
        };
        tokio::join!(orders, seen);
        // Once their time is up, nobody waits for these charges.
        sleep(Duration::from_secs(10)).await;
        self.operator(&["calls", "park", "--step", "charge"]).await;
        self.is_over("its calls are parked", &["CircuitOpen", "ChargeUnknown"]).await;
    }

    async fn offsets_are_moved(&self) {
        let payment = self.fleet.fleet.service("payment");
        payment.stop().await;
        let id = self.fleet.place(&fresh("skipped"), &order("plenty", 1)).await;
        self.fires("payment does not run", &[("ServiceGone", "payment")]).await;
        let Sandbox { stack, topics, .. } = &self.fleet.sandbox;
        let (brokers, topic) = (stack.kafka_brokers.clone(), topics.events("order"));
        let name = topics.group("payment");
        // The brokers take a member that has left for one until its session is over.
        sleep(Duration::from_secs(7)).await;
        let skip = move || group::skip_to_the_end(&brokers, &name, &topic);
        tokio::task::spawn_blocking(skip).await.unwrap();
        payment.start().await.unwrap();
        let skipped = [("EventsSkipped", "payment")];
        self.fires_after("offsets were moved", &skipped, &["ServiceGone"]).await;
        self.fleet.settled(id).await;
        // What was skipped and has nothing after it is not found by the service.
        let mut replay = Command::new(programs().join("payment"));
        self.connect(replay.args(["replay", "--from", "5m"]));
        run(replay.env("DATABASE_URL", self.fleet.sandbox.database_url("payment"))).await;
        self.is_over("what was skipped is repaired", &["EventsSkipped"]).await;
    }

    async fn postgres_freezes(&self) {
        self.stack.postgres.pause();
        self.fires("Postgres is frozen", &[("PostgresAway", "")]).await;
        self.stack.postgres.resume();
        self.is_over("Postgres goes on", &["PostgresAway"]).await;
    }

    /// What an operator does about it.
    async fn operator(&self, words: &[&str]) {
        let mut command = Command::new(programs().join("farandole"));
        self.connect(command.args(words).args(["--yes", "--reason", "a test of alerts"]));
        let database = self.fleet.sandbox.database_url("payment");
        run(command.env("PAYMENT_DATABASE_URL", database)).await;
    }

    fn connect(&self, command: &mut Command) {
        let Sandbox { stack, prefix, .. } = &self.fleet.sandbox;
        command
            .env("KAFKA_BROKERS", &stack.kafka_brokers)
            .env("SCHEMA_REGISTRY_URL", &stack.schema_registry_url)
            .env("TOPIC_PREFIX", prefix);
    }
}

async fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Some orders a second, all the time, whatever happens.
struct Customers {
    stay: Arc<AtomicBool>,
    ordering: JoinHandle<()>,
}

impl Customers {
    fn come(to: &TestFleet) -> Self {
        let stay = Arc::new(AtomicBool::new(true));
        let (api, staying) = (to.api("order"), stay.clone());
        let ordering = tokio::spawn(async move {
            while staying.load(Ordering::Relaxed) {
                let request = api.request(reqwest::Method::POST, "/orders");
                let request = request.header("idempotency-key", fresh("customer"));
                // It is refused while Postgres is away.
                let _ = testkit::http::try_send(request.json(&order("plenty", 1))).await;
                sleep(Duration::from_millis(200)).await;
            }
        });
        Self { stay, ordering }
    }

    async fn go(self) {
        self.stay.store(false, Ordering::Relaxed);
        self.ordering.await.unwrap();
    }
}
