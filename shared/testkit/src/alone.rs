//! What holds of any service, whoever wrote it, alone on the real stack: it takes in what it consumes,
//! once; leaves alone what is not for it; gives up what nobody can read, alone; asks the database no more
//! often for a hundred events than for one; and goes on where its process has died.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use contracts::{Declared, Encoder, Envelope, headers};
use kafka::{Publisher, Registry};
use kernel::SagaKey;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use stack::Part;
use tokio::time::timeout;
use uuid::Uuid;

use crate::schemas::sample_of;
use crate::{Sandbox, StatementLog, api, eventually};

const PATIENCE: Duration = Duration::from_mins(1);
/// Sagas whose events come at once.
const MANY: usize = 100;
/// Where every service's process can die that takes in events. Of points that only some get to, such as
/// between a call and its outcome, the tests of the fleet tell.
const CRASH_POINTS: [&str; 3] = ["before-transaction", "after-commit", "before-offsets"];
/// SIGABRT.
const ABORTED: i32 = 6;

/// Runs a service of the fleet by its declaration, with nobody but the test beside it, and checks all of
/// the above. Of a service that begins the sagas this does not hold: it rightly refuses events of sagas
/// that it has not begun.
pub async fn assert_conforms(service: &'static Declared) {
    let stage = Stage::set(service).await;
    stage.takes_in_what_it_consumes().await;
    stage.asks_the_database_as_often_for_many().await;
    stage.goes_on_where_it_has_died().await;
}

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

    fn name(&self) -> &'static str {
        &self.service.service
    }

    async fn instance(&self, environment: &[(&str, &str)]) -> Part {
        let environment = [&[("RETRY_BASE_MS", "50")], environment].concat();
        self.sandbox.service(self.name(), 1, &environment).await
    }

    /// Has another service say something twice, as after a crash of its relay.
    async fn say(&self, (from, event): (&str, &str), saga: SagaKey, sequence: u32, what: &Said) {
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

    /// Where the event comes from, and its type.
    fn consumed(&self, at: usize) -> (&str, &str) {
        let consumed = &self.service.consumes[at];
        (&consumed.from, &consumed.event)
    }

    /// Says of some new sagas all that the service consumes.
    async fn say_all(&self, sagas: usize) -> Vec<SagaKey> {
        let sagas: Vec<SagaKey> = (0..sagas).map(|_| SagaKey(Uuid::now_v7())).collect();
        for saga in &sagas {
            let mut said: BTreeMap<&str, u32> = BTreeMap::new();
            for at in 0..self.service.consumes.len() {
                let (from, event) = self.consumed(at);
                let number = said.entry(from).or_default();
                *number += 1;
                self.say((from, event), *saga, *number, &Said::Sample).await;
            }
        }
        sagas
    }

    async fn count(&self, what: &str) -> usize {
        let pool = Sandbox::pool(&self.sandbox.database_url(self.name()));
        let count = AssertSqlSafe(format!("SELECT count(*) FROM {what}"));
        let count: i64 = sqlx::query_scalar(count).fetch_one(&pool).await.unwrap();
        pool.close().await;
        count.try_into().unwrap()
    }

    async fn until(&self, what: &str, expected: usize) {
        let name = format!("{}: {expected} {what}", self.name());
        eventually(&name, PATIENCE, async || (self.count(what).await == expected).then_some(()))
            .await;
    }

    /// All that was said of these sagas and those before, once, although each came twice.
    async fn until_taken_in(&self, sagas: usize) {
        self.until("inbox", sagas * self.service.consumes.len()).await;
        self.until("retry_queue", 0).await;
    }

    async fn takes_in_what_it_consumes(&self) {
        let (name, table) = (self.name(), &self.service.table);
        let part = self.instance(&[]).await;
        part.start().await.unwrap();
        let first = self.say_all(1).await[0];
        let (spoilt, foreign) = (SagaKey(Uuid::now_v7()), SagaKey(Uuid::now_v7()));
        self.say(self.consumed(0), spoilt, 1, &Said::Garbage).await;
        self.say(self.consumed(0), foreign, 1, &Said::Unknown).await;
        let last = self.say_all(1).await[0];

        // Garbage is given up, and what is not for it left alone.
        self.until_taken_in(2).await;
        self.until("dead_lettered", 2).await;
        for (saga, rows) in [(first, 1), (last, 1), (spoilt, 0), (foreign, 0)] {
            let of_saga = format!("{table} WHERE saga = '{saga}'");
            assert_eq!(self.count(&of_saga).await, rows, "{name}: {of_saga}");
        }
        let metrics = api(&part).get("/metrics").await.body;
        let (_, event) = self.consumed(0);
        for line in [
            format!("farandole_schema_violations_total{{type=\"{event}\"}} 2"),
            "farandole_events_ignored_total{type=\"Pondered\"} 2".to_owned(),
        ] {
            assert!(metrics.lines().any(|it| it == line), "{name} has no {line}: {metrics}");
        }
        self.declares_itself(&part).await;
        part.stop().await;
    }

    /// What it says at `/declaration` is its file, and what only a running service knows.
    async fn declares_itself(&self, part: &Part) {
        let said = api(part).get("/declaration").await.expect(200);
        let mut declared: Declared = serde_json::from_value(said).unwrap();
        assert!(declared.version.take().is_some() && declared.instance.take().is_some());
        let service = &declared.service;
        for emitted in &mut declared.emits {
            let subject = self.sandbox.topics.subject(service, &emitted.event);
            let latest = self.registry.latest(&subject).await.unwrap();
            assert_eq!(emitted.schema_id.take(), Some(latest.id), "{subject}");
            let schema: Value = serde_json::from_str(&latest.schema).unwrap();
            assert_eq!(emitted.schema.take(), Some(schema), "{subject}");
        }
        assert_eq!(declared, *self.service);
    }

    /// Each time by an instance that has read nothing yet.
    async fn asks_the_database_as_often_for_many(&self) {
        let log = StatementLog::begin(&self.sandbox, self.name()).await;
        let mut before = self.count("inbox").await / self.service.consumes.len();
        let mut most = Vec::new();
        for sagas in [1, MANY] {
            let seen = log.batches().len();
            self.say_all(sagas).await;
            before += sagas;
            let part = self.instance(&[]).await;
            part.start().await.unwrap();
            self.until_taken_in(before).await;
            part.stop().await;
            let batches = log.batches().split_off(seen);
            let events = batches.iter().map(|batch| batch.events).max().unwrap();
            let statements = batches.iter().map(|batch| batch.statements.len()).max().unwrap();
            most.push((events, statements));
        }
        let [(few, for_few), (many, for_many)] = most[..] else { unreachable!() };
        assert!(many > few && many > MANY / 10, "{}: batches of {many} events", self.name());
        assert!(
            for_many <= for_few,
            "{} asks its database {for_few} times for {few} events, and {for_many} times for {many}",
            self.name()
        );
    }

    /// Dies wherever it can, and the next goes on: everything is taken in, and nothing decided twice.
    async fn goes_on_where_it_has_died(&self) {
        let name = self.name();
        let mut before = self.count("inbox").await / self.service.consumes.len();
        let mut sagas = BTreeSet::new();
        for point in CRASH_POINTS {
            let doomed = self.instance(&[("CRASH_AT", point)]).await;
            doomed.start_without_waiting().unwrap();
            sagas.extend(self.say_all(2).await);
            before += 2;
            let ended = timeout(PATIENCE, doomed.until_ended()).await;
            let ended = ended.unwrap_or_else(|_| {
                panic!(
                    "{name} does not die at {point}; if it was built without its feature \
                     crash-points, cargo build --workspace --all-targets builds it with it"
                )
            });
            assert_eq!(ended.unwrap().signal(), Some(ABORTED), "{name} at {point}: {ended:?}");
            let part = self.instance(&[]).await;
            part.start().await.unwrap();
            self.until_taken_in(before).await;
            self.until("outbox", 0).await;
            part.stop().await;
        }
        let records = self.sandbox.records(vec![self.sandbox.topics.events(name)]).await;
        let mut ids: BTreeMap<(SagaKey, String), BTreeSet<Uuid>> = BTreeMap::new();
        for envelope in records.into_iter().map(|record| record.event.unwrap().envelope) {
            if sagas.contains(&envelope.saga) {
                ids.entry((envelope.saga, envelope.event_type)).or_default().insert(envelope.id);
            }
        }
        for ((saga, event), ids) in ids {
            let leads = self.service.consumes.iter().filter(|it| it.leads_to.contains(&event));
            let causes = leads.count();
            assert!(ids.len() <= causes, "{name}: {event} of {saga} {} times: {ids:?}", ids.len());
        }
    }
}
