//! The services as parts: real processes, to be killed, paused and started again.

use std::collections::BTreeMap;
use std::path::PathBuf;

use futures::future::try_join_all;
use rustix::process::Signal;

use crate::connections::Connections;
use crate::error::Error;
use crate::part::{Launch, Part, until_broken};
use crate::ports::{PORT_ATTEMPTS, Ports};
use crate::probe::Probe;

pub use declarations::SERVICES;

/// How to start services.
#[derive(Clone, Debug)]
pub struct FleetOptions {
    /// Where the services' programs are.
    pub programs: PathBuf,
    /// Variables for all services, beside those that connect them with the stack.
    pub environment: Vec<(String, String)>,
    /// The services' default ports instead of free ones.
    pub default_ports: bool,
    /// Put before the name of each service to give its database; and, in `environment`, before
    /// topics as `TOPIC_PREFIX`.
    pub prefix: String,
}

/// One instance of each service. Dropping it kills them.
pub struct Fleet {
    services: BTreeMap<&'static str, Part>,
}

impl Fleet {
    /// Creates the databases that are missing, starts the services at once and waits until each
    /// says that it is ready. Schemas and topics must be there.
    pub async fn start(to: &Connections, options: &FleetOptions) -> Result<Self, Error> {
        let mut attempt = 1;
        loop {
            match Self::start_once(to, options).await {
                // Somebody took a port between choice and use.
                Err(Error::PortTaken { .. })
                    if attempt < PORT_ATTEMPTS && !options.default_ports =>
                {
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn start_once(to: &Connections, options: &FleetOptions) -> Result<Self, Error> {
        let mut services = BTreeMap::new();
        for (name, declared) in SERVICES.into_iter().zip(declarations::fleet().services()) {
            to.create_database(&format!("{}{name}", options.prefix)).await?;
            let port = options.default_ports.then_some(declared.port);
            services.insert(name, instance(to, options, name, 1, port)?);
        }
        try_join_all(services.values().map(Part::start)).await?;
        Ok(Self { services })
    }

    /// One of them.
    pub fn service(&self, name: &str) -> &Part {
        &self.services[name]
    }

    /// The base URL of a service's HTTP API.
    pub fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}", self.service(name).port())
    }

    /// All of them, by name.
    pub fn services(&self) -> impl Iterator<Item = (&'static str, &Part)> {
        self.services.iter().map(|(name, part)| (*name, part))
    }

    /// Waits until a service has ended although nobody stopped it, and tells which and how.
    pub async fn until_broken(&self) -> Error {
        until_broken(self.services.values()).await
    }

    /// Stops all services in an orderly way, within about ten seconds.
    pub async fn stop(&self) {
        futures::future::join_all(self.services.values().map(Part::stop)).await;
    }
}

/// A further instance of a service, not started yet. Its database must exist. `number` makes its
/// name in the consumer group.
pub fn instance(
    to: &Connections,
    options: &FleetOptions,
    name: &'static str,
    number: u32,
    port: Option<u16>,
) -> Result<Part, Error> {
    let program = options.programs.join(name);
    if !program.exists() {
        return Err(Error::NotBuilt(program));
    }
    let ports = Ports::pick(port)?;
    let database = format!("{}{name}", options.prefix);
    let own = [
        ("KAFKA_BROKERS", to.kafka_brokers.clone()),
        ("SCHEMA_REGISTRY_URL", to.schema_registry_url.clone()),
        ("DATABASE_URL", to.postgres_url(&database)),
        ("HTTP_ADDR", format!("127.0.0.1:{}", ports.main)),
        ("TOPIC_PREFIX", options.prefix.clone()),
        ("KAFKA_GROUP_INSTANCE_ID", format!("{}{name}-{number}", options.prefix)),
        ("LOG_FORMAT", "json".to_owned()),
        // As the images have it: after a burst, memory goes back soon, and not after a second.
        ("MIMALLOC_PURGE_DELAY", "50".to_owned()),
    ];
    let launch = launch(to, options, program, own, &format!("{name}-{number}"), ports.main);
    Ok(Part::new(name, Some(launch)))
}

/// The console, not started yet, on a free port. Where the services and their databases are is in `options`, and
/// whether it has one of its own (`CONSOLE_DATABASE_URL`).
pub fn console(to: &Connections, options: &FleetOptions) -> Result<Part, Error> {
    let program = options.programs.join("farandole-console");
    if !program.exists() {
        return Err(Error::NotBuilt(program));
    }
    let ports = Ports::pick(None)?;
    let own = [
        ("KAFKA_BROKERS", to.kafka_brokers.clone()),
        ("SCHEMA_REGISTRY_URL", to.schema_registry_url.clone()),
        ("TOPIC_PREFIX", options.prefix.clone()),
        ("CONSOLE_ADDR", format!("127.0.0.1:{}", ports.main)),
        ("MIMALLOC_PURGE_DELAY", "50".to_owned()),
    ];
    let launch = launch(to, options, program, own, "console", ports.main);
    Ok(Part::new("console", Some(launch)))
}

/// A program of ours that answers on `/health/ready`, with variables of its own and those of `options`; its log is
/// called `log`.
fn launch<const OWN: usize>(
    to: &Connections,
    options: &FleetOptions,
    program: PathBuf,
    own: [(&str, String); OWN],
    log: &str,
    port: u16,
) -> Launch {
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
    Launch {
        program,
        arguments: Vec::new(),
        environment: own.chain(options.environment.iter().cloned()).collect(),
        directory: to.directory.clone(),
        log: to.directory.join(format!("{}{log}.log", options.prefix)),
        port,
        probe: Probe::Service,
        stop_signal: Signal::TERM,
        orphan_signal: "KILL",
        unprivileged: false,
    }
}
