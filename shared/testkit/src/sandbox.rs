use std::env;
use std::future::Future;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use contracts::Topics;
use kafka::{Admin, Registry, TopicPlan};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use stack::fleet::{FleetOptions, SERVICES, instance};
use stack::{Connections, Options, Part, Stack};
use uuid::Uuid;

use crate::http::Api;

/// The stack that tests share: the one that `farandole-stack exec` runs them on, or else one that
/// this process starts and that dies with it.
pub fn stack() -> &'static Connections {
    static STACK: OnceLock<Connections> = OnceLock::new();
    STACK.get_or_init(|| given().unwrap_or_else(start))
}

fn given() -> Option<Connections> {
    let of = |name: &str| env::var(format!("FARANDOLE_STACK_{name}")).ok();
    Some(Connections {
        kafka_brokers: of("KAFKA")?,
        schema_registry_url: of("REGISTRY")?,
        postgres_server: of("POSTGRES")?,
        directory: of("DIRECTORY")?.into(),
    })
}

/// On a runtime of its own, for that of the test that comes first ends with it.
fn start() -> Connections {
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let stack = runtime.block_on(Stack::start(Options::default())).unwrap();
        let connections = stack.connections();
        // They live as long as this process.
        std::mem::forget((stack, runtime));
        connections
    })
    .join()
    .unwrap()
}

/// Where the services' programs are: in the directory that `FARANDOLE_PROGRAMS` names, else where
/// `cargo build` puts them, beside the test that runs.
pub fn programs() -> PathBuf {
    if let Some(given) = env::var_os("FARANDOLE_PROGRAMS") {
        return std::path::absolute(given).unwrap();
    }
    let test = env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().to_owned()
}

/// A test's own corner of the shared stack: a prefix for its topics, groups and databases.
#[derive(Debug, Clone)]
pub struct Sandbox {
    /// Where the stack is.
    pub stack: Connections,
    /// The names of topics and groups, with a prefix that no other test has.
    pub topics: Topics,
    /// That prefix.
    pub prefix: String,
}

impl Sandbox {
    /// On the shared stack.
    pub fn new() -> Self {
        Self::on(stack().clone())
    }

    /// On a stack that the test has for itself.
    pub fn on(stack: Connections) -> Self {
        let prefix = format!("t{}-", &Uuid::new_v4().simple().to_string()[..8]);
        Self { stack, topics: prefix.parse().unwrap(), prefix }
    }

    /// A new, empty database with this name after the prefix; returns its URL.
    pub async fn database(&self, name: &str) -> String {
        let name = format!("{}{name}", self.prefix);
        self.stack.create_database(&name).await.unwrap();
        self.stack.postgres_url(&name)
    }

    /// A pool of connections for looking at a database, and for changing it.
    pub fn pool(url: &str) -> PgPool {
        PgPoolOptions::new().max_connections(8).connect_lazy(url).unwrap()
    }

    /// Creates `<service>.events` and `<service>.dead-letters` for each of the services.
    pub async fn create_topics(&self, services: &[&str], partitions: i32) {
        let week = Duration::from_hours(7 * 24);
        let plans: Vec<TopicPlan> = services
            .iter()
            .flat_map(|service| {
                let plan = |name, retention: Option<_>| {
                    let large_records = retention.is_none();
                    TopicPlan { name, partitions, replication: 1, retention, large_records }
                };
                [
                    plan(self.topics.events(service), Some(week)),
                    plan(self.topics.dead_letters(service), None),
                ]
            })
            .collect();
        Admin::new(&self.stack.kafka_brokers).unwrap().create(&plans).await.unwrap();
    }

    /// Sets one of a topic's settings, and all others to their defaults.
    pub async fn set_topic(&self, topic: &str, name: &str, value: &str) {
        let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
            .set("bootstrap.servers", &self.stack.kafka_brokers)
            .create()
            .unwrap();
        let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(name, value);
        // Kafka may be away at the moment.
        eventually("the topic is set", Duration::from_mins(1), async || {
            admin.alter_configs([&change], &AdminOptions::new()).await.ok()?.remove(0).ok()?;
            // The broker hears of it a little later than the controller.
            let found = [ResourceSpecifier::Topic(topic)];
            let found = admin.describe_configs(&found, &AdminOptions::new()).await.ok()?.remove(0);
            let is_set = found.ok()?.get(name)?.value.as_deref() == Some(value);
            is_set.then_some(())
        })
        .await;
    }

    /// Registers one schema and returns its id.
    pub async fn register(&self, service: &str, event_type: &str, schema: &str) -> i32 {
        let registry = Registry::new(&self.stack.schema_registry_url.parse().unwrap()).unwrap();
        registry.register(&self.topics.subject(service, event_type), schema).await.unwrap()
    }

    /// All topics and schemas of the fleet, as `farandole` makes them before a deployment.
    pub async fn prepare_fleet(&self) {
        self.create_topics(&SERVICES, 3).await;
        let operations = TopicPlan {
            name: self.topics.operations(),
            partitions: 1,
            replication: 1,
            retention: None,
            large_records: false,
        };
        Admin::new(&self.stack.kafka_brokers).unwrap().create(&[operations]).await.unwrap();
        for (service, event_type, schema) in crate::schemas::all_versions() {
            self.register(&service, &event_type, &schema).await;
        }
    }

    /// How to start services in this corner.
    pub fn fleet(&self, environment: &[(&str, &str)]) -> FleetOptions {
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        FleetOptions {
            programs: programs(),
            environment,
            default_ports: false,
            prefix: self.prefix.clone(),
        }
    }

    /// An instance of a service in this corner, not started yet, with a database to start on.
    pub async fn service(
        &self,
        name: &'static str,
        number: u32,
        environment: &[(&str, &str)],
    ) -> Part {
        self.stack.create_database(&format!("{}{name}", self.prefix)).await.unwrap();
        instance(&self.stack, &self.fleet(environment), name, number, None).unwrap()
    }

    /// The URL of a service's database.
    pub fn database_url(&self, service: &str) -> String {
        self.stack.postgres_url(&format!("{}{service}", self.prefix))
    }
}

/// The API of a service that runs as a part.
pub fn api(part: &Part) -> Api {
    Api::new(format!("http://127.0.0.1:{}", part.port()))
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

/// Asks again and again until the answer is `Some`, and gives up loudly after `limit`.
pub async fn eventually<T, F>(what: &str, limit: Duration, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begin.elapsed() < limit, "after {limit:?} still not: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
