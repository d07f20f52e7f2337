//! Where it is measured: one stack, and on it one fleet after the other, each in a corner of its
//! own, with topics and databases that are empty at first.

use std::collections::HashMap;
use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use cli::{
    AuditOptions, AuditTargets, Schemas, TopicShape, audit_at_rest, create_topics, register_schemas,
};
use contracts::Topics;
use load::{Arrivals, Length, Load, Mix, Target, open_shop};
use messaging::{Admin, Registry};
use sqlx::PgPool;
use stack::fleet::{FleetOptions, SERVICES, instance};
use stack::{Options, Part, Stack};

use crate::meter::Meter;
use crate::postgres::{connect, execute, told};
use crate::show::Show;

/// How long a fleet may take to come to rest, and the audit to look through all it has done.
const AUDIT_LIMIT: Duration = Duration::from_mins(4);
/// Orders under way in a closed loop that uses all there is.
const AT_ONCE: usize = 1_500;
/// How long warming up may take at most.
const WARM_LIMIT: Duration = Duration::from_mins(2);
/// Postgres has 300 connections for all instances of all services.
const POOL_CONNECTIONS: u32 = 200;

/// Kafka, the registry and Postgres, and where the services' programs are.
pub(crate) struct Ground {
    pub(crate) stack: Stack,
    pub(crate) show: Show,
    programs: PathBuf,
    /// Variables of all services of all fleets.
    environment: Vec<(String, String)>,
    postgres: PgPool,
}

/// What a fleet is like.
#[derive(Clone, Copy)]
pub(crate) struct Setup<'s> {
    /// Begins the names of its topics and databases.
    pub(crate) name: &'s str,
    /// Of each service.
    pub(crate) instances: u32,
    /// Variables of all services.
    pub(crate) environment: &'s [(&'s str, &'s str)],
}

impl<'s> Setup<'s> {
    /// As it is when nobody says otherwise.
    pub(crate) fn plain(name: &'s str) -> Self {
        Self { name, instances: 1, environment: &[] }
    }
}

impl Ground {
    /// Starts the stack; `data` keeps its data and all logs.
    pub(crate) async fn prepare(
        data: Option<PathBuf>,
        environment: Vec<(String, String)>,
    ) -> anyhow::Result<Self> {
        let programs = env::current_exe().context("cannot tell where this program is")?;
        let programs = programs.parent().unwrap_or(Path::new(".")).to_owned();
        let stack = Stack::start(Options { data, ..Options::default() }).await?;
        let postgres = connect(&stack.postgres_url("postgres")).await?;
        Ok(Self { stack, show: Show::new(), programs, environment, postgres })
    }

    /// Starts a fleet, puts something for sale, and lets it run until it is warm.
    pub(crate) async fn fleet(&self, setup: Setup<'_>, warm: u64) -> anyhow::Result<Fleet<'_>> {
        let Setup { name, instances, .. } = setup;
        self.show.say(&format!("{name}: starting a fleet, instances of each service: {instances}"));
        let fleet = Fleet::start(self, setup).await?;
        fleet.warm_up(warm).await?;
        Ok(fleet)
    }

    pub(crate) fn postgres(&self) -> &PgPool {
        &self.postgres
    }

    /// Postgres with what only comes with a restart; no fleet may be running.
    pub(crate) async fn restart_postgres(&mut self, setting: &str) -> anyhow::Result<()> {
        execute(&self.postgres, setting).await?;
        self.stack.postgres.stop().await;
        self.stack.postgres.start().await?;
        self.postgres = connect(&self.stack.postgres_url("postgres")).await?;
        Ok(())
    }

    pub(crate) async fn stop(self) {
        self.postgres.close().await;
        self.stack.stop().await;
    }
}

/// The services, ready. Dropping it kills them.
pub(crate) struct Fleet<'g> {
    pub(crate) ground: &'g Ground,
    prefix: String,
    topics: Topics,
    services: Vec<(&'static str, Part)>,
    kafka: PathBuf,
}

impl<'g> Fleet<'g> {
    async fn start(ground: &'g Ground, setup: Setup<'_>) -> anyhow::Result<Self> {
        let Setup { name, instances, environment } = setup;
        let prefix = format!("{name}-");
        let topics: Topics = prefix.parse()?;
        prepare(&ground.stack, &topics, instances).await?;
        let pool = (POOL_CONNECTIONS / 5 / instances).clamp(4, 16).to_string();
        let environment: Vec<(String, String)> = [("DATABASE_POOL_MAX", pool.as_str())]
            .iter()
            .chain(environment)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .chain(ground.environment.iter().cloned())
            .collect();
        let options = FleetOptions {
            programs: ground.programs.clone(),
            environment,
            default_ports: false,
            prefix: prefix.clone(),
        };
        let to = ground.stack.connections();
        let mut services = Vec::new();
        for service in SERVICES {
            to.create_database(&format!("{prefix}{service}")).await?;
            for number in 1..=instances {
                services.push((service, instance(&to, &options, service, number, None)?));
            }
        }
        let kafka = ground.stack.directory().join("kafka");
        let fleet = Self { ground, prefix, topics, services, kafka };
        for (_, part) in &fleet.services {
            part.start_without_waiting()?;
        }
        // They start at once; this waits for each.
        for (_, part) in &fleet.services {
            part.start().await?;
        }
        Ok(fleet)
    }

    async fn warm_up(&self, orders: u64) -> anyhow::Result<()> {
        let mix = Mix::default();
        let target = self.target();
        open_shop(&target, &mix).await.context("cannot put anything for sale")?;
        let load = closed(Length::Orders(orders));
        let show = &self.ground.show;
        let run = load::run(&target, &load, async |it| show.progress("warming up", it));
        let phase = tokio::time::timeout(WARM_LIMIT, run)
            .await
            .with_context(|| format!("{orders} orders took over {WARM_LIMIT:?}"))??;
        ensure!(phase.completed == orders, "not all orders were completed: {phase:?}");
        Ok(())
    }

    /// For the load generator.
    pub(crate) fn target(&self) -> Target {
        Target {
            order_urls: self.parts("order").map(url).collect(),
            inventory_url: self.parts("inventory").map(url).next().unwrap_or_default(),
            kafka_brokers: self.ground.stack.kafka_brokers(),
            topics: self.topics.clone(),
        }
    }

    /// The instances of a service.
    pub(crate) fn parts(&self, service: &str) -> impl Iterator<Item = &Part> {
        self.services.iter().filter(move |(name, _)| *name == service).map(|(_, part)| part)
    }

    /// The name of a service's database.
    pub(crate) fn database(&self, service: &str) -> String {
        format!("{}{service}", self.prefix)
    }

    pub(crate) fn database_url(&self, service: &str) -> String {
        self.ground.stack.postgres_url(&self.database(service))
    }

    /// How many orders are in the order service's database.
    pub(crate) async fn order_rows(&self) -> anyhow::Result<u64> {
        let database = connect(&self.database_url("order")).await?;
        let counted = sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&database).await;
        counted.map(i64::unsigned_abs).map_err(told)
    }

    pub(crate) fn topics(&self) -> &Topics {
        &self.topics
    }

    pub(crate) fn meter(&self) -> Meter<'_> {
        let services = self.services.iter().map(|(name, part)| (*name, part.pids()));
        let Stack { kafka, registry, postgres, .. } = &self.ground.stack;
        let parts = [kafka, registry, postgres].map(|part| (part.name(), part.pids()));
        Meter {
            processes: services.chain(parts).collect(),
            postgres: &self.ground.postgres,
            kafka: &self.kafka,
            prefix: &self.prefix,
        }
    }

    /// Waits until nothing is under way, and audits: an error when anything is wrong, else how many
    /// orders were looked at.
    pub(crate) async fn audit(&self) -> anyhow::Result<usize> {
        let urls = SERVICES.map(|service| (service.to_owned(), self.database_url(service)));
        let targets = AuditTargets {
            kafka_brokers: self.ground.stack.kafka_brokers(),
            registry: Registry::new(&self.ground.stack.schema_registry_url())?,
            topics: self.topics.clone(),
            database_urls: HashMap::from(urls),
        };
        let show = &self.ground.show;
        show.message("auditing");
        let report = audit_at_rest(&targets, &AuditOptions::default(), AUDIT_LIMIT, |_| {
            show.message("auditing again");
        })
        .await?;
        let clean = report.violations().is_empty() && report.not_at_rest().is_empty();
        ensure!(clean, "the audit found something:\n{report}");
        Ok(report.orders.iter().map(|(_, count)| count).sum())
    }

    /// Audits, stops the services and removes their databases.
    pub(crate) async fn close(self) -> anyhow::Result<usize> {
        let audited = self.audit().await?;
        self.discard().await?;
        Ok(audited)
    }

    async fn discard(self) -> anyhow::Result<()> {
        let Self { services, ground, prefix, .. } = self;
        let mut stopping = tokio::task::JoinSet::new();
        for (_, part) in services {
            stopping.spawn(async move { part.stop().await });
        }
        stopping.join_all().await;
        for service in SERVICES {
            let statement = format!("DROP DATABASE \"{prefix}{service}\" WITH (FORCE)");
            execute(&ground.postgres, &statement).await?;
        }
        Ok(())
    }
}

/// All that the fleet can do at once.
pub(crate) fn closed(length: Length) -> Load {
    Load {
        arrivals: Arrivals::Closed(AT_ONCE),
        length,
        ..open(1.0, Duration::ZERO, Duration::ZERO)
    }
}

/// So many orders a second.
pub(crate) fn open(rate: f64, warm_up: Duration, duration: Duration) -> Load {
    Load {
        arrivals: Arrivals::Even(rate),
        mix: Mix::default(),
        warm_up,
        length: Length::Time(duration),
        patience: Duration::from_mins(1),
        connections: 256,
    }
}

fn url(part: &Part) -> String {
    format!("http://127.0.0.1:{}", part.port())
}

/// What `farandole schemas register` and `farandole topics create` do.
async fn prepare(stack: &Stack, topics: &Topics, instances: u32) -> anyhow::Result<()> {
    let registry = Registry::new(&stack.schema_registry_url())?;
    let reports = register_schemas(&registry, topics, &Schemas::embedded()).await?;
    if let Some(report) = reports.iter().find(|report| !report.state.is_good()) {
        bail!("{} cannot be registered: {:?}", report.subject, report.state);
    }
    let admin = Admin::new(&stack.kafka_brokers())?;
    let shape = TopicShape::default();
    let partitions = shape.partitions.max(instances.cast_signed());
    create_topics(&admin, topics, &TopicShape { partitions, ..shape }).await?;
    Ok(())
}
