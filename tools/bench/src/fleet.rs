//! One fleet after the other, each in a corner of its own, with topics and databases that are empty
//! at first.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use contracts::Topics;
use futures::future::join_all;
use load::{Length, Mix, Target, open_shop};
use serde::Deserialize;
use stack::fleet::{FleetOptions, SERVICES, instance};
use stack::{Part, Stack};

use crate::build::Build;
use crate::ground::Ground;
use crate::loads::closed;
use crate::meter::Meter;
use crate::postgres::{connect, execute, told};

/// Registering schemas and creating topics takes seconds.
const PREPARE_LIMIT: Duration = Duration::from_mins(1);
/// How long a fleet may take to come to rest, in seconds.
const REST_LIMIT: &str = "240";
/// The same, and the audit to look once more through all that the fleet has done.
const AUDIT_LIMIT: Duration = Duration::from_mins(6);
/// How long warming up may take at most.
const WARM_LIMIT: Duration = Duration::from_mins(2);
/// Postgres has 300 connections for all instances of all services.
const POOL_CONNECTIONS: u32 = 200;
/// Of each topic, unless there are more instances.
const PARTITIONS: u32 = 3;

/// What a fleet is like.
#[derive(Clone, Copy)]
pub(crate) struct Setup<'s> {
    /// Begins the names of its topics and databases.
    pub(crate) name: &'s str,
    /// Of each service.
    pub(crate) instances: u32,
    /// Of the inventory service, if not as many as of the others.
    pub(crate) inventories: Option<u32>,
    /// Variables of all services.
    pub(crate) environment: &'s [(&'s str, &'s str)],
    /// Another build than the one that is measured.
    pub(crate) build: Option<&'s Build>,
}

impl<'s> Setup<'s> {
    /// As it is when nobody says otherwise.
    pub(crate) fn plain(name: &'s str) -> Self {
        Self { name, instances: 1, inventories: None, environment: &[], build: None }
    }

    fn instances_of(&self, service: &str) -> u32 {
        self.inventories.filter(|_| service == "inventory").unwrap_or(self.instances)
    }
}

/// The services, ready. Dropping it kills them.
pub(crate) struct Fleet<'g> {
    pub(crate) ground: &'g Ground,
    build: Build,
    prefix: String,
    topics: Topics,
    services: Vec<(&'static str, Part)>,
    kafka: PathBuf,
}

impl Ground {
    /// Starts a fleet, puts something for sale, and lets it run until it is warm.
    pub(crate) async fn fleet(&self, setup: Setup<'_>, warm: u64) -> anyhow::Result<Fleet<'_>> {
        let Setup { name, instances, inventories, .. } = setup;
        let others = inventories.filter(|number| *number != instances);
        let others = others.map(|number| format!(", of inventory: {number}")).unwrap_or_default();
        self.show.say(&format!(
            "{name}: starting a fleet, instances of each service: {instances}{others}"
        ));
        let fleet = Fleet::prepare(self, setup).await?;
        fleet.start().await?;
        fleet.warm_up(warm).await?;
        Ok(fleet)
    }
}

impl<'g> Fleet<'g> {
    /// With schemas, topics and databases; nothing is started yet.
    async fn prepare(ground: &'g Ground, setup: Setup<'_>) -> anyhow::Result<Self> {
        let prefix = format!("{}-", setup.name);
        let pool = (POOL_CONNECTIONS / 5 / setup.instances).clamp(4, 16).to_string();
        let environment: Vec<(String, String)> = [("DATABASE_POOL_MAX", pool.as_str())]
            .iter()
            .chain(setup.environment)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .chain(ground.environment.iter().cloned())
            .collect();
        let build = setup.build.unwrap_or(&ground.build).clone();
        let options = options(&build, &prefix, environment);
        let to = ground.stack.connections();
        let (mut services, mut partitions) = (Vec::new(), PARTITIONS);
        for service in SERVICES {
            to.create_database(&format!("{prefix}{service}")).await?;
            let instances = setup.instances_of(service);
            partitions = partitions.max(instances);
            for number in 1..=instances {
                services.push((service, instance(&to, &options, service, number, None)?));
            }
        }
        let kafka = ground.stack.directory().join("kafka");
        let fleet = Self { ground, build, topics: prefix.parse()?, prefix, services, kafka };
        fleet.farandole(&["schemas", "register"], PREPARE_LIMIT).await?;
        let partitions = partitions.to_string();
        let create = ["topics", "create", "--partitions", &partitions];
        fleet.farandole(&create, PREPARE_LIMIT).await?;
        Ok(fleet)
    }

    /// Starts all services that are not running, and waits for each.
    pub(crate) async fn start(&self) -> anyhow::Result<()> {
        for (_, part) in &self.services {
            part.start_without_waiting()?;
        }
        for (_, part) in &self.services {
            part.start().await?;
        }
        Ok(())
    }

    /// Stops all services.
    pub(crate) async fn stop(&self) {
        join_all(self.services.iter().map(|(_, part)| part.stop())).await;
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

    /// For a further program beside the services, with these variables.
    pub(crate) fn options(&self, environment: Vec<(String, String)>) -> FleetOptions {
        options(&self.build, &self.prefix, environment)
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
            postgres: self.ground.postgres(),
            kafka: &self.kafka,
            prefix: &self.prefix,
        }
    }

    /// Waits until nothing is under way, and audits: an error when anything is wrong, else how many
    /// orders were looked at.
    pub(crate) async fn audit(&self) -> anyhow::Result<usize> {
        self.ground.show.message("auditing");
        let audit = ["audit", "--json", "--wait", REST_LIMIT];
        let said = self.farandole(&audit, AUDIT_LIMIT).await?;
        let audited: Audited = serde_json::from_str(&said).context("cannot read the audit")?;
        Ok(audited.orders.into_values().sum())
    }

    /// Audits, stops the services and removes their databases.
    pub(crate) async fn close(self) -> anyhow::Result<usize> {
        let audited = self.audit().await?;
        self.stop().await;
        for service in SERVICES {
            let statement = format!("DROP DATABASE \"{}\" WITH (FORCE)", self.database(service));
            execute(self.ground.postgres(), &statement).await?;
        }
        Ok(audited)
    }

    /// The build's own tool, for this fleet.
    async fn farandole(&self, arguments: &[&str], limit: Duration) -> anyhow::Result<String> {
        let stack = &self.ground.stack;
        let databases = SERVICES.map(|service| {
            (declarations::variable(service, "DATABASE_URL"), self.database_url(service))
        });
        let environment = [
            ("KAFKA_BROKERS".to_owned(), stack.kafka_brokers()),
            ("SCHEMA_REGISTRY_URL".to_owned(), stack.schema_registry_url()),
            ("TOPIC_PREFIX".to_owned(), self.prefix.clone()),
        ];
        let environment: Vec<_> = environment.into_iter().chain(databases).collect();
        self.build.farandole(arguments, &environment, limit).await
    }
}

/// What `farandole audit --json` says, as far as it is wanted.
#[derive(Deserialize)]
struct Audited {
    /// By status.
    orders: BTreeMap<String, usize>,
}

fn options(build: &Build, prefix: &str, environment: Vec<(String, String)>) -> FleetOptions {
    let (programs, prefix) = (build.directory.clone(), prefix.to_owned());
    FleetOptions { programs, environment, default_ports: false, prefix }
}

fn url(part: &Part) -> String {
    format!("http://127.0.0.1:{}", part.port())
}
