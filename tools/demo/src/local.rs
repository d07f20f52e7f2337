//! A fleet of our own on this machine.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context as _, bail};
use cli::{OrderId, Schemas, TopicShape, create_topics, register_schemas};
use contracts::Topics;
use kafka::{Admin, Registry};
use stack::fleet::{Fleet, FleetOptions, SERVICES, instance};
use stack::{Options, Part, Stack};
use tokio::process::Command;
use tokio::select;

use crate::endpoints::Endpoints;

/// How long preparing the registry and Kafka may take: seconds, unless one of them hangs.
const PREPARE_LIMIT: Duration = Duration::from_mins(1);
/// How long parking what hangs may take: moments, unless the payment service hangs itself.
const PARK_LIMIT: Duration = Duration::from_secs(30);
/// Short enough to watch an order run out of time, long enough to cancel one by hand.
const ORDER_DEADLINE_S: u32 = 8;
/// Lines of each log that are shown when a story failed.
const LOG_LINES: usize = 15;

/// The stack and the services. [`Local::stop`] ends them in order; dropping kills them.
pub(crate) struct Local {
    // Dropped first: the services need the stack.
    fleet: Fleet,
    stack: Stack,
    options: FleetOptions,
}

impl Local {
    /// Starts everything and waits until it is ready. `data` keeps data and logs.
    pub(crate) async fn start(data: Option<PathBuf>, free_ports: bool) -> anyhow::Result<Self> {
        let programs = env::current_exe().context("cannot tell where this program is")?;
        let programs = programs.parent().unwrap_or(Path::new(".")).to_owned();
        let stack = Stack::start(Options { data, ..Options::default() }).await?;
        tokio::time::timeout(PREPARE_LIMIT, prepare(&stack)).await.with_context(|| {
            format!(
                "the schemas and topics took over {PREPARE_LIMIT:?}; the logs are in {}",
                stack.directory().display()
            )
        })??;
        let began = Instant::now();
        let options = FleetOptions {
            programs,
            environment: vec![("ORDER_DEADLINE_S".to_owned(), ORDER_DEADLINE_S.to_string())],
            default_ports: !free_ports,
            prefix: String::new(),
        };
        let fleet = Fleet::start(&stack.connections(), &options).await.map_err(advise)?;
        eprintln!("the services are ready after {:.1} s", began.elapsed().as_secs_f64());
        Ok(Self { fleet, stack, options })
    }

    pub(crate) fn endpoints(&self) -> Endpoints {
        Endpoints {
            services: SERVICES
                .map(|service| (service, self.fleet.url(service)))
                .into_iter()
                .collect(),
            kafka_brokers: self.stack.kafka_brokers(),
            schema_registry_url: self.stack.schema_registry_url(),
            topic_prefix: Topics::default(),
        }
    }

    /// Where a service's database is.
    pub(crate) fn database_url(&self, service: &str) -> String {
        self.stack.connections().postgres_url(service)
    }

    /// Makes a database that none of the services has, unless it is there.
    pub(crate) async fn create_database(&self, name: &str) -> anyhow::Result<()> {
        Ok(self.stack.create_database(name).await?)
    }

    /// Where the programs are that were built together with this one.
    pub(crate) fn programs(&self) -> &Path {
        &self.options.programs
    }

    /// Whether the services listen on their own ports, and not on any that were free.
    pub(crate) fn has_default_ports(&self) -> bool {
        self.options.default_ports
    }

    /// All parts, each to be frozen, killed and started for itself.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Part> {
        let stack = [&self.stack.kafka, &self.stack.postgres];
        self.fleet.services().map(|(_, part)| part).chain(stack)
    }

    /// One of them: a service, `kafka` or `postgres`.
    pub(crate) fn part(&self, name: &str) -> anyhow::Result<&Part> {
        let mut parts = self.parts();
        parts
            .find(|part| part.name().eq_ignore_ascii_case(name))
            .with_context(|| format!("there is no {name}"))
    }

    /// Another instance of a service, with one more setting, to run in its place: not beside it, for it has
    /// its port and its name in the consumer group.
    pub(crate) fn substitute(&self, part: &Part, setting: (&str, &str)) -> anyhow::Result<Part> {
        let mut options = self.options.clone();
        options.environment.push((setting.0.to_owned(), setting.1.to_owned()));
        let to = self.stack.connections();
        Ok(instance(&to, &options, part.name(), 1, Some(part.port()))?)
    }

    /// Where data and logs are.
    pub(crate) fn directory(&self) -> &Path {
        self.stack.directory()
    }

    /// Parks these orders' charges, which never have an outcome, as an operator would: two stories are
    /// about a provider that does not answer, and are over. Afterwards nothing of theirs is open.
    pub(crate) async fn park_charges(&self, orders: &[OrderId]) {
        if orders.is_empty() {
            return;
        }
        if let Err(error) = self.try_to_park_charges(orders).await {
            eprintln!("the charges that never end could not be parked: {error:#}");
        }
    }

    async fn try_to_park_charges(&self, orders: &[OrderId]) -> anyhow::Result<()> {
        let at = self.endpoints();
        let why = "the stories are over, and this provider never answers";
        let mut park = Command::new(self.programs().join("farandole"));
        park.args(["calls", "park", "--yes", "--by", "farandole-demo", "--reason", why])
            .args(orders.iter().map(|order| format!("{order}/charge")))
            .env("KAFKA_BROKERS", &at.kafka_brokers)
            .env("SCHEMA_REGISTRY_URL", &at.schema_registry_url)
            .env("PAYMENT_DATABASE_URL", self.database_url("payment"))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = tokio::time::timeout(PARK_LIMIT, park.output()).await;
        let output = output.with_context(|| format!("it took over {PARK_LIMIT:?}"))??;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    /// The last lines of the services' logs, to find out why a story failed.
    pub(crate) fn logs(&self) -> String {
        let mut text = String::new();
        for (name, part) in self.fleet.services() {
            let log = part.log().and_then(|log| fs::read_to_string(log).ok()).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
            let _ = writeln!(text, "--- {name}\n{tail}");
        }
        text
    }

    /// Waits until a part has ended by itself, and tells which and how.
    pub(crate) async fn until_broken(&self) -> stack::Error {
        select! {
            error = self.stack.until_broken() => error,
            error = self.fleet.until_broken() => error,
        }
    }

    /// The services first, so that they can finish what they are at.
    pub(crate) async fn stop(&self) {
        self.fleet.stop().await;
        self.stack.stop_parts().await;
    }
}

fn advise(error: stack::Error) -> anyhow::Error {
    match error {
        taken @ stack::Error::PortTaken { .. } => {
            anyhow::Error::from(taken).context("start with --free-ports")
        }
        other => other.into(),
    }
}

/// What `farandole schemas register` and `farandole topics create` do.
async fn prepare(stack: &Stack) -> anyhow::Result<()> {
    let topics = Topics::default();
    let registry = Registry::new(&stack.schema_registry_url().parse()?)?;
    let reports = register_schemas(&registry, &topics, &Schemas::embedded()).await?;
    if let Some(report) = reports.iter().find(|report| !report.state.is_good()) {
        bail!("{} cannot be registered: {:?}", report.subject, report.state);
    }
    let admin = Admin::new(&stack.kafka_brokers())?;
    create_topics(&admin, &topics, &TopicShape::default()).await?;
    Ok(())
}
