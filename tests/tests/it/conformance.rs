//! What holds of any service, whoever wrote it, on the real stack: it takes in what it consumes, once;
//! leaves alone what is not for it; and gives up what nobody can read, alone.

use std::time::Duration;

use contracts::{Declared, Encoder, Envelope, headers};
use kafka::{Publisher, Registry};
use order::events::OrderId;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use stack::Part;
use testkit::schemas::sample_of;
use testkit::{Sandbox, api, eventually};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(40);

/// A service alone, and others who speak.
struct Stage {
    service: &'static Declared,
    sandbox: Sandbox,
    publisher: Publisher,
    registry: Registry,
}

/// What is said.
enum Said {
    /// A sample of the event.
    Sample,
    /// What no schema has written.
    Garbage,
    /// An event of a type that nobody has declared.
    Unknown,
}

impl Stage {
    async fn set(service: &'static Declared) -> Self {
        let sandbox = Sandbox::new();
        sandbox.prepare_fleet().await;
        let publisher = Publisher::new(&sandbox.stack.kafka_brokers).unwrap();
        let registry = Registry::new(&sandbox.stack.schema_registry_url.parse().unwrap()).unwrap();
        Self { service, sandbox, publisher, registry }
    }

    /// Has another service say something twice, as after a crash of its relay.
    async fn say(&self, (from, event): (&str, &str), saga: OrderId, sequence: u32, what: &Said) {
        let envelope = Envelope {
            id: Uuid::now_v7(),
            event_type: event.to_owned(),
            source: format!("/{from}"),
            saga,
            time: "2026-01-02T03:04:05Z".parse().unwrap(),
            sequence,
            correlation_id: "c".to_owned(),
            causation_id: "r".to_owned(),
            traceparent: None,
        };
        let mut headers = envelope.headers();
        let payload = match what {
            Said::Garbage => b"garbage".to_vec(),
            Said::Sample | Said::Unknown => {
                let mut sample: Value = sample_of(from, event);
                sample["order_id"] = json!(saga);
                let subject = self.sandbox.topics.subject(from, event);
                let schema = self.registry.latest(&subject).await.unwrap();
                Encoder::new(schema.id, &schema.schema).unwrap().encode(&sample).unwrap()
            }
        };
        if let Said::Unknown = what {
            let of_type = headers.iter_mut().find(|(name, _)| *name == headers::TYPE).unwrap();
            "Pondered".clone_into(&mut of_type.1);
        }
        let (topic, key) = (self.sandbox.topics.events(from), saga.to_string());
        for _ in 0..2 {
            self.publisher.publish(&topic, key.as_bytes(), &payload, &headers).await.unwrap();
        }
    }

    async fn count(&self, what: &str) -> i64 {
        let pool = Sandbox::pool(&self.sandbox.database_url(&self.service.service));
        let count = AssertSqlSafe(format!("SELECT count(*) FROM {what}"));
        sqlx::query_scalar(count).fetch_one(&pool).await.unwrap()
    }

    async fn until(&self, what: &str, expected: i64) {
        let name = format!("{}: {expected} {what}", self.service.service);
        eventually(&name, PATIENCE, async || (self.count(what).await == expected).then_some(()))
            .await;
    }
}

/// The service that begins the sagas rightly refuses events of sagas that it has not begun: of it, other
/// tests tell.
#[tokio::test]
async fn a_service_takes_in_what_it_consumes_and_nothing_else() {
    for service in declarations::fleet().services().iter().filter(|it| it.begins.is_none()) {
        takes_in_what_it_consumes(service).await;
    }
}

async fn takes_in_what_it_consumes(service: &'static Declared) {
    let Declared { service: name, table, consumes, .. } = service;
    let stage = Stage::set(service).await;
    let part = stage.sandbox.service(name, 1, &[("RETRY_BASE_MS", "50")]).await;
    part.start().await.unwrap();
    let saga = || OrderId(Uuid::now_v7());
    let (first, last) = (saga(), saga());
    let (spoilt, foreign) = (saga(), saga());
    let from = |at: usize| (consumes[at].from.as_str(), consumes[at].event.as_str());

    let say_all = async |saga: OrderId| {
        let mut said: Vec<(&str, u32)> = Vec::new();
        for at in 0..consumes.len() {
            let (source, _) = from(at);
            let number = said.iter().filter(|(other, _)| *other == source).count() + 1;
            let number = u32::try_from(number).unwrap();
            stage.say(from(at), saga, number, &Said::Sample).await;
            said.push((source, number));
        }
    };
    say_all(first).await;
    stage.say(from(0), spoilt, 1, &Said::Garbage).await;
    stage.say(from(0), foreign, 1, &Said::Unknown).await;
    say_all(last).await;

    // Each event once, although each came twice; garbage is given up, and what is not for it left alone.
    let events = i64::try_from(2 * consumes.len()).unwrap();
    stage.until("inbox", events).await;
    stage.until("dead_lettered", 2).await;
    stage.until("retry_queue", 0).await;
    assert_eq!(stage.count("inbox").await, events);
    for (saga, rows) in [(first, 1), (last, 1), (spoilt, 0), (foreign, 0)] {
        let of_saga = format!("{table} WHERE saga = '{saga}'");
        assert_eq!(stage.count(&of_saga).await, rows, "{name}: {of_saga}");
    }
    let metrics = api(&part).get("/metrics").await.body;
    let (_, event) = from(0);
    for line in [
        format!("farandole_schema_violations_total{{type=\"{event}\"}} 2"),
        "farandole_events_ignored_total{type=\"Pondered\"} 2".to_owned(),
    ] {
        assert!(metrics.lines().any(|it| it == line), "{name} has no {line}: {metrics}");
    }
    declares_itself(&stage, &part).await;
    part.stop().await;
}

/// What it says at `/declaration` is its file, and what only a running service knows.
async fn declares_itself(stage: &Stage, part: &Part) {
    let said = api(part).get("/declaration").await.expect(200);
    let mut declared: Declared = serde_json::from_value(said).unwrap();
    assert!(declared.version.take().is_some() && declared.instance.take().is_some());
    let service = &declared.service;
    for emitted in &mut declared.emits {
        let subject = stage.sandbox.topics.subject(service, &emitted.event);
        let latest = stage.registry.latest(&subject).await.unwrap();
        assert_eq!(emitted.schema_id.take(), Some(latest.id), "{subject}");
        let schema: Value = serde_json::from_str(&latest.schema).unwrap();
        assert_eq!(emitted.schema.take(), Some(schema), "{subject}");
    }
    assert_eq!(declared, *stage.service);
}
