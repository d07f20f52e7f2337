//! The operator's audit of a fleet that has danced: it finds nothing wrong, and then each thing
//! that is made wrong.

mod large;

use std::collections::BTreeSet;

use cli::decisions::Decisions;
use cli::gaps::Number;
use cli::{AuditOptions, AuditReport, AuditTargets, audit, audit_at_rest, services};
use contracts::dead_letter_headers;
use contracts::{Encoder, Envelope};
use kafka::{PlainRecord, Publisher, Registry};
use order::events::OrderId;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use testkit::Sandbox;
use testkit::http::order;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::test_fleet::{PATIENCE, TestFleet};

/// Nothing is allowed that should not be, and all lines are kept.
pub(crate) const STRICT: AuditOptions = AuditOptions {
    lines: usize::MAX,
    invariants_only: false,
    allow_dead_letters: false,
    settled_letters: BTreeSet::new(),
    decisions: Decisions::NONE,
    topics_since: None,
    allow_pending_effects: false,
};

/// The fleet in a corner of the stack.
pub(crate) fn targets(sandbox: &Sandbox) -> AuditTargets {
    let urls = services().map(|name| (name.to_owned(), sandbox.database_url(name)));
    AuditTargets {
        kafka_brokers: sandbox.stack.kafka_brokers.clone(),
        registry: Registry::new(&sandbox.stack.schema_registry_url.parse().unwrap()).unwrap(),
        topics: sandbox.topics.clone(),
        database_urls: urls.collect(),
    }
}

/// The names of the checks that found something.
fn failing(report: &AuditReport) -> Vec<&'static str> {
    let failing = report.checks.iter().filter(|check| check.count > 0);
    failing.map(|check| check.name).collect()
}

/// A fleet at rest, whose services have stopped.
struct Fallen {
    sandbox: Sandbox,
    /// Completed.
    done: Uuid,
    /// Cancelled, since the card was declined.
    declined: Uuid,
    /// Cancelled, and its charge is still open.
    late: Uuid,
}

impl Fallen {
    async fn new() -> Self {
        let environment = [("ORDER_DEADLINE_S", "4"), ("RETRY_BASE_MS", "50")];
        let fleet = TestFleet::start(Sandbox::new(), &environment).await;
        fleet.sell("tea", 10).await;
        let place = async |key: &str, change: fn(&mut Value)| {
            let mut body = order("tea", 2);
            change(&mut body);
            let id = fleet.place(key, &body).await;
            fleet.settled(id).await;
            id
        };
        let done = place("done", |_| {}).await;
        let declined = place("declined", |body| {
            body["payment_method"] = json!("pm_card_visa_chargeDeclined");
        });
        let declined = declined.await;
        place("short", |body| body["lines"][0]["quantity"] = json!(11)).await;
        place("refused", |body| body["recipient"]["country"] = json!("XX")).await;
        let late = place("late", |body| body["payment_method"] = json!("pm_sim_down")).await;

        let allowing = AuditOptions { allow_pending_effects: true, ..STRICT };
        let report =
            audit_at_rest(&targets(&fleet.sandbox), &allowing, PATIENCE, |_| {}).await.unwrap();
        assert_eq!(failing(&report), [""; 0], "{report}");
        let TestFleet { sandbox, fleet } = fleet;
        fleet.stop().await;
        Self { sandbox, done, declined, late }
    }

    async fn audit(&self) -> AuditReport {
        let allowing = AuditOptions { allow_pending_effects: true, ..STRICT };
        audit(&targets(&self.sandbox), &allowing).await.unwrap()
    }

    async fn execute(&self, service: &str, sql: &str) {
        let database = Sandbox::pool(&self.sandbox.database_url(service));
        let sql = sql
            .replace("DONE", &format!("'{}'", self.done))
            .replace("DECLINED", &format!("'{}'", self.declined));
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&database).await.unwrap();
    }

    /// Says something that no service has said.
    async fn say(&self, service: &str, event_type: &str, sequence: u32, mut payload: Value) {
        payload["order_id"] = json!(self.done);
        let subject = self.sandbox.topics.subject(service, event_type);
        let registry =
            Registry::new(&self.sandbox.stack.schema_registry_url.parse().unwrap()).unwrap();
        let schema = registry.latest(&subject).await.unwrap();
        let payload = Encoder::new(schema.id, &schema.schema).unwrap().encode(&payload).unwrap();
        self.publish(service, event_type, sequence, &payload).await;
    }

    async fn publish(&self, service: &str, event_type: &str, sequence: u32, payload: &[u8]) {
        let envelope = Envelope {
            id: Uuid::now_v7(),
            event_type: event_type.to_owned(),
            source: format!("/{service}"),
            saga: OrderId(self.done),
            time: "2026-01-02T03:04:05Z".parse().unwrap(),
            sequence,
            correlation_id: "c".to_owned(),
            causation_id: "r".to_owned(),
            traceparent: None,
        };
        let publisher = Publisher::new(&self.sandbox.stack.kafka_brokers).unwrap();
        let (topic, key) = (self.sandbox.topics.events(service), envelope.saga.to_string());
        publisher.publish(&topic, key.as_bytes(), payload, &envelope.headers()).await.unwrap();
    }
}

/// What is made wrong: the checks that see it, in which database, how, and how it is mended.
type Wrong = (&'static [&'static str], &'static str, &'static str, &'static str);

const WRONGS: [Wrong; 17] = [
    (
        &["I1-stock"],
        "inventory",
        "ALTER TABLE stock DROP CONSTRAINT stock_check; UPDATE stock SET received = received + 1",
        "UPDATE stock SET received = received - 1",
    ),
    (
        &["I1-stock"],
        "inventory",
        "UPDATE stock SET available = available - 1, reserved = reserved + 1",
        "UPDATE stock SET available = available + 1, reserved = reserved - 1",
    ),
    (
        &["I4-shipments", "I7-effects", "settled"],
        "shipping",
        "UPDATE shipments SET state = '{\"status\": \"created\"}' WHERE saga = DECLINED",
        "UPDATE shipments SET state = '{\"status\": \"void\"}' WHERE saga = DECLINED",
    ),
    (
        &["I6-fates", "I7-effects", "settled"],
        "order",
        "UPDATE orders SET state = '{\"status\": \"completed\"}' WHERE saga = DECLINED",
        "UPDATE orders SET state = '{\"status\": \"cancelled\", \"reason\": \"payment_failed\"}'
         WHERE saga = DECLINED",
    ),
    (
        &["I6-fates", "I7-effects", "orders"],
        "order",
        "UPDATE orders SET state = '{\"status\": \"placed\"}' WHERE saga = DONE",
        "UPDATE orders SET state = '{\"status\": \"completed\"}' WHERE saga = DONE",
    ),
    (
        &["I7-effects", "settled"],
        "payment",
        "UPDATE payments SET state = '{\"status\": \"void\"}' || (state::jsonb - 'status')
         WHERE saga = DONE",
        "UPDATE payments SET state = '{\"status\": \"charged\"}' || (state::jsonb - 'status')
         WHERE saga = DONE",
    ),
    (
        &["I7-effects", "settled"],
        "payment",
        "UPDATE payments SET state = '{\"status\": \"melted\"}' || (state::jsonb - 'status')
         WHERE saga = DONE",
        "UPDATE payments SET state = '{\"status\": \"charged\"}' || (state::jsonb - 'status')
         WHERE saga = DONE",
    ),
    (
        &["I7-effects"],
        "shipping",
        "CREATE TABLE taken AS SELECT event_id FROM inbox ORDER BY event_id DESC LIMIT 1;
         DELETE FROM inbox WHERE event_id IN (SELECT event_id FROM taken)",
        "INSERT INTO inbox SELECT event_id FROM taken",
    ),
    (
        &["I7-effects"],
        "notification",
        "INSERT INTO inbox VALUES ('ffffffff-ffff-7fff-bfff-ffffffffffff')",
        "DELETE FROM inbox WHERE event_id = 'ffffffff-ffff-7fff-bfff-ffffffffffff'",
    ),
    (
        &["I7-effects"],
        "inventory",
        "INSERT INTO dead_lettered (topic, partition, record_offset) VALUES ('gone', 0, 0)",
        "DELETE FROM dead_lettered",
    ),
    (
        &["I7-effects", "calls"],
        "notification",
        "INSERT INTO effect_bundles (bundle_id, instance, open, due_at, sagas, steps, effects,
           correlation_ids, causation_ids, traceparents) VALUES (1, 1, B'1', now(),
           ARRAY[DONE::uuid], '{mail-confirmed}', '{\"{}\"}', '{c}', '{r}', '{null}')",
        "DELETE FROM effect_bundles",
    ),
    (
        &["numbers"],
        "inventory",
        "UPDATE reservations SET emitted = emitted + 1 WHERE saga = DONE",
        "UPDATE reservations SET emitted = emitted - 1 WHERE saga = DONE",
    ),
    (
        &["I6-fates", "numbers"],
        "order",
        "UPDATE orders SET emitted = emitted - 1 WHERE saga = DONE",
        "UPDATE orders SET emitted = emitted + 1 WHERE saga = DONE",
    ),
    (
        &["numbers"],
        "order",
        "INSERT INTO gaps (saga, source, sequence, partition, verdict)
         VALUES (DONE, '/payment', 1, 0, 'lost')",
        "DELETE FROM gaps",
    ),
    (
        &["gaps"],
        "order",
        "INSERT INTO gaps (saga, source, sequence, partition) VALUES (DONE, '/payment', 1, 0)",
        "DELETE FROM gaps",
    ),
    (
        &["outbox"],
        "shipping",
        "INSERT INTO outbox_bundles (bundle_id, instance, event_ids, sagas, sequences,
           event_types, times, correlation_ids, causation_ids, traceparents, payloads, follows)
         VALUES (1, 1, ARRAY[gen_random_uuid()], ARRAY[DONE::uuid], '{1}', '{ShipmentCreated}',
           ARRAY[now()], '{c}', '{r}', '{NULL}', '{\"\"}', '{NULL}')",
        "DELETE FROM outbox_bundles",
    ),
    (
        &["retries"],
        "order",
        "INSERT INTO retry_queue (topic, partition, record_offset, saga, header_names,
           header_values, due_at) VALUES ('t', 0, 0, DONE, '{}', '{}', now())",
        "DELETE FROM retry_queue",
    ),
];

#[tokio::test]
async fn what_is_wrong_is_found_and_nothing_else() {
    let fallen = Fallen::new().await;
    assert_eq!(failing(&fallen.audit().await), [""; 0]);
    let strict = audit(&targets(&fallen.sandbox), &STRICT).await.unwrap();
    assert_eq!(failing(&strict), ["calls"]);
    assert!(strict.not_at_rest()[0].contains(&fallen.late.to_string()), "{strict}");

    for (checks, service, make, mend) in WRONGS {
        fallen.execute(service, make).await;
        let report = fallen.audit().await;
        assert_eq!(failing(&report), checks, "{make}:\n{report}");
        fallen.execute(service, mend).await;
    }
    assert_eq!(failing(&fallen.audit().await), [""; 0]);
    what_is_known_to_be_lost_is_not_missed(&fallen).await;
    said_by_nobody(&fallen).await;
}

#[tokio::test]
async fn nothing_looks_wrong_while_much_happens() {
    let environment = [("RETRY_BASE_MS", "50")];
    let fleet = TestFleet::start(Sandbox::new(), &environment).await;
    fleet.sell("tea", 1_500).await;
    let stop = CancellationToken::new();
    let place = async |shopper: u32| {
        let mut placed = 0_u32;
        while !stop.is_cancelled() {
            let mut body = order("tea", 1 + placed % 3);
            match placed % 8 {
                0 => body["payment_method"] = json!("pm_card_visa_chargeDeclined"),
                1 => body["recipient"]["country"] = json!("XX"),
                2 => body["payment_method"] = json!("pm_sim_flaky"),
                _ => {}
            }
            fleet.place(&format!("{shopper}-{placed}"), &body).await;
            placed += 1;
        }
        placed
    };
    let audits = async {
        let (mut busy, targets) = (0_u32, targets(&fleet.sandbox));
        for _ in 0..10 {
            let report = audit(&targets, &STRICT).await.unwrap();
            assert_eq!(report.violations(), [""; 0], "{report}");
            busy += u32::from(!report.not_at_rest().is_empty());
        }
        stop.cancel();
        busy
    };
    let shoppers = futures::future::join_all((0..4).map(place));
    let (busy, placed) = tokio::join!(audits, shoppers);
    assert!(busy > 0 && placed.iter().sum::<u32>() > 0, "{busy} of the audits saw {placed:?}");
    let report = audit_at_rest(&targets(&fleet.sandbox), &STRICT, PATIENCE, |_| {}).await.unwrap();
    assert_eq!(failing(&report), [""; 0], "{report}");
}

async fn what_is_known_to_be_lost_is_not_missed(fallen: &Fallen) {
    let count =
        |by: &str| format!("UPDATE reservations SET emitted = emitted {by} WHERE saga = DONE");
    fallen.execute("inventory", &count("+ 1")).await;
    let second =
        Number { saga: OrderId(fallen.done), source: "/inventory".to_owned(), sequence: 2 };
    for (acknowledged, found) in [(vec![], vec!["numbers"]), (vec![second], vec![])] {
        let mut decisions = Decisions::NONE;
        for number in acknowledged {
            decisions.acknowledge(number);
        }
        let options = AuditOptions { decisions, allow_pending_effects: true, ..STRICT };
        let report = audit(&targets(&fallen.sandbox), &options).await.unwrap();
        assert_eq!(failing(&report), found, "{report}");
    }
    fallen.execute("inventory", &count("- 1")).await;
}

/// What is published stays, so what it makes wrong adds up.
async fn said_by_nobody(fallen: &Fallen) {
    let money = json!({"amount": 700, "currency": "EUR"});
    let refund = json!({"charge_id": "c", "refund_id": "r", "amount": money});
    fallen.say("payment", "PaymentRefunded", 2, refund).await;
    assert_eq!(failing(&fallen.audit().await), ["I3-refunds", "numbers"]);

    let charge = json!({"charge_id": "c", "amount": money});
    fallen.say("payment", "PaymentCharged", 3, charge.clone()).await;
    let found = ["I2-charges", "numbers", "unread"];
    assert_eq!(failing(&fallen.audit().await), found, "the refund is covered now");
    let charges = |report: &AuditReport| {
        report.violations().iter().filter(|line| line.contains("2 times PaymentCharged")).count()
    };
    // As a service does whose database was restored: it is the same charge.
    fallen.say("payment", "PaymentCharged", 3, charge).await;
    assert_eq!(charges(&fallen.audit().await), 1);

    let told = json!({"outcome": "completed", "message_id": "m"});
    fallen.say("notification", "CustomerNotified", 3, told).await;
    let found = ["I2-charges", "I5-messages", "numbers", "unread"];
    assert_eq!(failing(&fallen.audit().await), found);

    fallen.publish("notification", "NotificationFailed", 4, b"garbage").await;
    let report = fallen.audit().await;
    assert_eq!(failing(&report), found, "{report}");
    let illegible = |line: &String| line.contains("the outcome of NotificationFailed");
    assert!(report.violations().iter().any(illegible), "{report}");

    let cancelled = json!({"reason": "timed_out"});
    fallen.say("order", "OrderCancelled", 4, cancelled).await;
    let report = fallen.audit().await;
    let found = ["I2-charges", "I4-shipments", "I5-messages", "I6-fates", "numbers", "unread"];
    assert_eq!(failing(&report), found, "{report}");

    let publisher = Publisher::new(&fallen.sandbox.stack.kafka_brokers).unwrap();
    let header = |name: &str, value: &str| (name.to_owned(), Some(value.as_bytes().to_vec()));
    let group = fallen.sandbox.topics.group("order");
    let letter = PlainRecord {
        topic: fallen.sandbox.topics.dead_letters("order"),
        headers: vec![
            header("ce_id", &Uuid::now_v7().to_string()),
            header(dead_letter_headers::GROUP, &group),
        ],
        ..PlainRecord::default()
    };
    publisher.publish_all(&[letter]).await.unwrap();
    let report = fallen.audit().await;
    assert_eq!(failing(&report).last(), Some(&"dead-letters"), "{report}");
    let lenient = AuditOptions { allow_dead_letters: true, ..STRICT };
    let report = audit(&targets(&fallen.sandbox), &lenient).await.unwrap();
    assert!(!failing(&report).contains(&"dead-letters"), "{report}");
    let lenient = AuditOptions { invariants_only: true, lines: 1, ..STRICT };
    let report = audit(&targets(&fallen.sandbox), &lenient).await.unwrap();
    assert!(report.not_at_rest().is_empty() && !report.violations().is_empty(), "{report}");
    assert!(report.violations().iter().any(|line| line.contains("more")), "{report}");
}
