//! Where a test plays: topics, schemas and a database of its own, and what can be seen of them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use contracts::{Topics, WriterSchema};
use farandole_messaging::{Database, LoopSettings, RetryPolicy};
use kernel::SagaKey;
use rdkafka::producer::FutureProducer;
use serde::Deserialize;
use sqlx::migrate::Migrator;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, PgPool};
use testkit::{Sandbox, eventually};
use uuid::Uuid;

use crate::gateway::Gateway;
use crate::instance::{Instance, Process};
use crate::letter::{Letter, SchemaIds};
use crate::tally::{ADDED, ANSWERED, COUNTED, INSERTED, SIDESTREAM, State, TABLE, TALLY, UPSTREAM};
use crate::topic::{self, Record};

/// No test should come near it on an idle machine; it turns a hang into a failure.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The class of the locks by which instances show that they live.
pub(crate) const LOCK_CLASS: i32 = 0x4641_524F;

pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) database: String,
    pub(crate) pool: PgPool,
    pub(crate) gateway: Gateway,
    pub(crate) ids: SchemaIds,
    producer: FutureProducer,
}

/// What a record in the service's topic says.
#[derive(Debug, Deserialize)]
struct Counted {
    number: i64,
}

impl Stage {
    /// With three partitions, on the shared stack.
    pub(crate) async fn set() -> Self {
        Self::build(Sandbox::new(), 3).await
    }

    /// With one partition, so that what is sent together is fetched together.
    pub(crate) async fn set_narrow() -> Self {
        Self::build(Sandbox::new(), 1).await
    }

    pub(crate) async fn build(sandbox: Sandbox, partitions: i32) -> Self {
        sandbox.create_topics(&[UPSTREAM, SIDESTREAM, TALLY], partitions).await;
        let ids = register(&sandbox).await;
        let database = database(&sandbox).await;
        let pool = Sandbox::pool(&database);
        let producer = topic::producer(&sandbox.stack.kafka_brokers);
        Self { database, pool, gateway: Gateway::open().await, ids, producer, sandbox }
    }

    pub(crate) fn settings(&self) -> LoopSettings {
        settings_in(&self.sandbox)
    }

    pub(crate) async fn start(&self) -> Instance {
        self.start_with(self.settings()).await
    }

    pub(crate) async fn start_with(&self, settings: LoopSettings) -> Instance {
        Instance::start(&self.database, self.gateway.address, settings).await.unwrap()
    }

    /// In a process of its own, under a name, so that after a kill the next one of that name goes
    /// on at once.
    pub(crate) fn start_process(&self, name: Option<&str>, batch_max: usize) -> Process {
        let group_instance_id = name.map(str::to_owned);
        let settings = LoopSettings { group_instance_id, batch_max, ..self.settings() };
        Process::start(&self.sandbox.prefix, &self.database, self.gateway.address, settings)
    }

    pub(crate) async fn send(&self, letters: &[Letter]) {
        let topic = |letter: &Letter| self.sandbox.topics.events(letter.from);
        topic::send(&self.producer, topic, letters).await;
    }

    /// What the service has published.
    pub(crate) async fn published(&self) -> Vec<Record> {
        topic::read(&self.sandbox.stack.kafka_brokers, self.sandbox.topics.events(TALLY)).await
    }

    /// All that was sent to the service through the first topic.
    pub(crate) async fn sent(&self) -> Vec<Record> {
        topic::read(&self.sandbox.stack.kafka_brokers, self.sandbox.topics.events(UPSTREAM)).await
    }

    pub(crate) async fn dead_letters(&self) -> Vec<Record> {
        topic::read(&self.sandbox.stack.kafka_brokers, self.sandbox.topics.dead_letters(TALLY))
            .await
    }

    /// How many records the service will not read again.
    pub(crate) async fn committed(&self) -> i64 {
        let topics = &self.sandbox.topics;
        let sources = vec![topics.events(UPSTREAM), topics.events(SIDESTREAM)];
        topic::committed(&self.sandbox.stack.kafka_brokers, &topics.group(TALLY), sources).await
    }

    /// Has the group take all that is in the upstream's topic for done. Nobody may be in it.
    pub(crate) async fn skip_all(&self) {
        let topics = &self.sandbox.topics;
        let brokers = &self.sandbox.stack.kafka_brokers;
        topic::commit_end(brokers, &topics.group(TALLY), topics.events(UPSTREAM)).await;
    }

    pub(crate) async fn count(&self, table: &str) -> i64 {
        let count = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        sqlx::query_scalar(count).fetch_one(&self.pool).await.unwrap()
    }

    /// Waits until there are so many rows in the table.
    pub(crate) async fn until_count(&self, table: &str, expected: i64) {
        let what = format!("{expected} × {table}");
        eventually(&what, PATIENCE, || async {
            (self.count(table).await == expected).then_some(())
        })
        .await;
    }

    /// Waits until there are more than so many rows in the table.
    pub(crate) async fn until_more(&self, table: &str, than: i64) {
        let what = format!("more than {than} × {table}");
        eventually(&what, PATIENCE, || async { (self.count(table).await > than).then_some(()) })
            .await;
    }

    /// Waits until so many events have been processed and nothing is left to do.
    pub(crate) async fn until_done(&self, events: usize) {
        self.until_count("inbox", i64::try_from(events).unwrap()).await;
        for queue in ["retry_queue", "effect_bundles", "outbox_bundles"] {
            self.until_count(queue, 0).await;
        }
    }

    pub(crate) async fn execute(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.pool).await.unwrap();
    }

    /// How many events each transaction brought in.
    pub(crate) async fn batch_sizes(&self) -> Vec<i64> {
        let sizes = sqlx::query_scalar("SELECT count(*) FROM inbox GROUP BY xmin::text");
        sizes.fetch_all(&self.pool).await.unwrap()
    }

    /// The number of the instance that was started last.
    pub(crate) async fn last_instance(&self) -> i32 {
        let number = sqlx::query_scalar("SELECT last_value::int FROM instance_numbers");
        number.fetch_one(&self.pool).await.unwrap()
    }

    /// The states of all sagas.
    pub(crate) async fn states(&self) -> BTreeMap<SagaKey, State> {
        let select = sqlx::query_as("SELECT saga, state FROM tallies");
        let rows: Vec<(Uuid, Json<State>)> = select.fetch_all(&self.pool).await.unwrap();
        rows.into_iter().map(|(saga, Json(state))| (SagaKey(saga), state)).collect()
    }

    pub(crate) async fn numbers(&self, saga: SagaKey) -> Vec<i64> {
        self.states().await.remove(&saga).unwrap_or_default().numbers
    }

    /// Asserts that each of these took effect once, each saga's in the order they were sent, and
    /// that the sandbox was told so: at least once, in order and without gaps.
    pub(crate) async fn assert_took_effect_once(&self, letters: &[Letter]) {
        let mut expected: BTreeMap<SagaKey, Vec<i64>> = BTreeMap::new();
        for letter in letters {
            expected.entry(letter.saga).or_default().push(letter.number);
        }
        let states = self.states().await;
        let actual: BTreeMap<_, _> =
            states.into_iter().map(|(saga, state)| (saga, state.numbers)).collect();
        assert!(actual == expected, "{}", first_difference(&actual, &expected));
        let published = in_order(&self.published().await);
        assert!(published == expected, "published: {}", first_difference(&published, &expected));
    }
}

/// Registers all schemas that the service needs.
pub(crate) async fn register(sandbox: &Sandbox) -> SchemaIds {
    sandbox.register(TALLY, "Counted", COUNTED).await;
    sandbox.register(TALLY, "Answered", ANSWERED).await;
    SchemaIds {
        added: sandbox.register(UPSTREAM, "Added", ADDED).await,
        inserted: sandbox.register(SIDESTREAM, "Inserted", INSERTED).await,
    }
}

/// The service's database, with all its tables.
pub(crate) async fn database(sandbox: &Sandbox) -> String {
    let database = sandbox.database(TALLY).await;
    let none_of_its_own = Migrator::with_migrations(vec![]);
    testkit::database::migrate(&Database::new(&database).unwrap(), none_of_its_own).await.unwrap();
    sqlx::raw_sql(TABLE).execute(&Sandbox::pool(&database)).await.unwrap();
    database
}

pub(crate) fn settings_in(sandbox: &Sandbox) -> LoopSettings {
    let stack = sandbox.stack.clone();
    settings(stack.kafka_brokers, &stack.schema_registry_url, sandbox.topics.clone())
}

pub(crate) fn settings(brokers: String, registry: &str, topics: Topics) -> LoopSettings {
    LoopSettings {
        kafka_brokers: brokers,
        schema_registry: registry.parse().unwrap(),
        topics,
        group_instance_id: None,
        // The least that Kafka grants.
        session_timeout: Duration::from_secs(6),
        batch_max: 1_000,
        batch_linger: Duration::from_millis(5),
        batch_linger_min: Duration::ZERO,
        retry: RetryPolicy {
            max_attempts: 3,
            base: Duration::from_millis(20),
            cap: Duration::from_millis(200),
            max_age: Duration::from_hours(24),
        },
        retry_by_type: HashMap::new(),
        backlog_max: 100_000,
        gap_grace: Duration::ZERO,
        publish_rate: None,
        effect_concurrency: 3,
        effect_timeout: Duration::from_secs(20),
        inbox_retention: Duration::from_hours(14 * 24),
    }
}

/// The numbers that were published per saga, without repetitions. Asserts that a saga's events
/// come in the order of their sequence numbers, from 1 and without gaps, and that an id is one
/// event's only.
pub(crate) fn in_order(records: &[Record]) -> BTreeMap<SagaKey, Vec<i64>> {
    let counted = WriterSchema::parse(COUNTED).unwrap();
    let mut seen = HashSet::new();
    let mut last: BTreeMap<SagaKey, u32> = BTreeMap::new();
    let mut numbers: BTreeMap<SagaKey, Vec<i64>> = BTreeMap::new();
    for record in records {
        let envelope = record.envelope();
        assert_eq!(record.key.as_deref(), Some(envelope.saga.to_string().as_bytes()));
        if seen.insert(envelope.id) {
            let last = last.entry(envelope.saga).or_default();
            assert_eq!(envelope.sequence, *last + 1, "of saga {}", envelope.saga);
            *last += 1;
            if envelope.event_type == "Counted" {
                let Counted { number } = record.decode(&counted);
                numbers.entry(envelope.saga).or_default().push(number);
            }
        }
    }
    numbers
}

fn first_difference(
    actual: &BTreeMap<SagaKey, Vec<i64>>,
    expected: &BTreeMap<SagaKey, Vec<i64>>,
) -> String {
    let sagas: HashSet<_> = actual.keys().chain(expected.keys()).collect();
    let mut different = sagas.into_iter().filter(|saga| actual.get(saga) != expected.get(saga));
    different.next().map_or_else(String::new, |saga| {
        format!("saga {saga}: {:?}, expected {:?}", actual.get(saga), expected.get(saga))
    })
}
