//! Kafka, the schema registry and Postgres, the real ones, on this machine and without Docker.
//!
//! [`Stack::start`] fetches what is missing through ordinary package clients, keeps it for the
//! next time, starts all three on free ports of 127.0.0.1 and waits until they answer. They die
//! with this process, whatever ends it. Linux only.

mod cache;
mod connections;
mod directory;
mod error;
pub mod fleet;
mod java;
mod kafka;
mod maven;
mod part;
mod ports;
mod postgres;
mod probe;
mod process;
mod progress;
mod registry;

use std::path::{Path, PathBuf};
use std::time::Instant;

use cache::Cache;
use directory::RunDirectory;
use kafka::Kafka;
use part::Launch;
use ports::Ports;
use postgres::Postgres;
use progress::Progress;
use registry::Registry;

pub use connections::Connections;
pub use error::Error;
pub use kafka::VERSION as KAFKA_VERSION;
pub use part::Part;

/// How often a part is started anew because somebody took a port between choice and use.
const PORT_ATTEMPTS: usize = 3;

/// What to start, and where. The default: everything, on free ports, nothing kept.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Say nothing on standard error.
    pub quiet: bool,
    /// Where fetched programs are kept. Default: the variable `FARANDOLE_CACHE`, else
    /// `/var/cache/farandole` for root, else `$XDG_CACHE_HOME/farandole` or `~/.cache/farandole`.
    pub cache: Option<PathBuf>,
    /// Where data and logs are kept. Default: a temporary directory, removed with the stack.
    pub data: Option<PathBuf>,
    /// Whether and where Kafka listens.
    pub kafka: Serve,
    /// Whether and where the schema registry listens.
    pub registry: Serve,
    /// Whether and where Postgres listens.
    pub postgres: Serve,
}

/// Whether and where a part listens, always on 127.0.0.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Serve {
    /// On a port that is free; it stays the same for the life of the stack.
    #[default]
    FreePort,
    /// On this port.
    Port(u16),
    /// On a port that is free, and clients come through this one, where somebody leads them to
    /// it: Kafka sends its clients there.
    Behind(u16),
    /// The part is neither fetched nor started.
    No,
}

/// The running stack. [`Stack::stop`] ends it in order; dropping it kills it.
pub struct Stack {
    /// Apache Kafka.
    pub kafka: Part,
    /// The schema registry.
    pub registry: Part,
    /// Postgres.
    pub postgres: Part,
    // Dropped last: the parts write into it.
    directory: RunDirectory,
}

impl Stack {
    /// Fetches what is missing, starts the parts at once and waits until each answers.
    ///
    /// Takes about four seconds once everything is fetched; a part that does not answer within a
    /// minute is an error. Dropping the future stops what it started.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let progress = Progress::new(options.quiet);
        let cache = Cache::open(options.cache.as_deref())?;
        process::require(&cache, &[("setpriv", "util-linux")]).await?;
        let directory = RunDirectory::create(options.data.as_deref())?;
        let place = Place { cache: &cache, progress: &progress, directory: directory.path() };
        let (kafka, registry, postgres) = tokio::try_join!(
            place.start::<Kafka>(options.kafka),
            place.start::<Registry>(options.registry),
            place.start::<Postgres>(options.postgres),
        )?;
        Ok(Self { kafka, registry, postgres, directory })
    }

    /// Fetches what is missing of the parts that `options` wants, and starts nothing.
    pub async fn fetch(options: &Options) -> Result<(), Error> {
        let progress = Progress::new(options.quiet);
        let cache = Cache::open(options.cache.as_deref())?;
        process::require(&cache, &[("setpriv", "util-linux")]).await?;
        tokio::try_join!(
            fetch::<Kafka>(options.kafka, &cache, &progress),
            fetch::<Registry>(options.registry, &cache, &progress),
            fetch::<Postgres>(options.postgres, &cache, &progress),
        )?;
        Ok(())
    }

    /// For `KAFKA_BROKERS`.
    pub fn kafka_brokers(&self) -> String {
        format!("127.0.0.1:{}", self.kafka.port())
    }

    /// For `SCHEMA_REGISTRY_URL`: the API compatible with Confluent's.
    pub fn schema_registry_url(&self) -> String {
        format!("http://127.0.0.1:{}/apis/ccompat/v7", self.registry.port())
    }

    /// For `DATABASE_URL`, with a role that may do everything. Only the database `postgres`
    /// exists at first; see [`Stack::create_database`].
    pub fn postgres_url(&self, database: &str) -> String {
        self.connections().postgres_url(database)
    }

    /// Creates a database, unless it exists.
    pub async fn create_database(&self, name: &str) -> Result<(), Error> {
        self.connections().create_database(name).await
    }

    /// How to reach it, as a value that can be passed around.
    pub fn connections(&self) -> Connections {
        Connections {
            kafka_brokers: self.kafka_brokers(),
            schema_registry_url: self.schema_registry_url(),
            postgres_server: postgres::server(self.postgres.port()),
            directory: self.directory().to_owned(),
        }
    }

    /// Where the parts' data and logs lie.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Waits until a part has ended although nobody stopped it, and tells which and how.
    pub async fn until_broken(&self) -> Error {
        part::until_broken(self.parts()).await
    }

    /// Stops all parts in an orderly way, within about ten seconds, and removes temporary data.
    pub async fn stop(self) {
        let [kafka, registry, postgres] = self.parts();
        if self.directory.is_temporary() {
            // Its last checkpoint takes seconds on a busy disk, for data that goes anyway.
            postgres.kill().await;
        }
        tokio::join!(kafka.stop(), registry.stop(), postgres.stop());
    }

    fn parts(&self) -> [&Part; 3] {
        [&self.kafka, &self.registry, &self.postgres]
    }
}

/// How a part is fetched and run; one for each.
trait Recipe: Sized {
    /// For people.
    const NAME: &'static str;

    /// Fetches and prepares what the cache lacks.
    async fn install(cache: &Cache, progress: &Progress) -> Result<Self, Error>;

    /// Prepares data and settings in the run directory. Done again, it keeps the data.
    async fn launch(&self, directory: &Path, ports: Ports) -> Result<Launch, Error>;
}

/// What the parts share as they start.
struct Place<'a> {
    cache: &'a Cache,
    progress: &'a Progress,
    directory: &'a Path,
}

impl Place<'_> {
    async fn start<R: Recipe>(&self, serve: Serve) -> Result<Part, Error> {
        let (fixed, proxy) = match serve {
            Serve::No => return Ok(Part::new(R::NAME, None)),
            Serve::Port(port) => (Some(port), None),
            Serve::Behind(port) => (None, Some(port)),
            Serve::FreePort => (None, None),
        };
        let recipe = R::install(self.cache, self.progress).await?;
        let mut attempt = 1;
        loop {
            let began = Instant::now();
            let mut ports = Ports::pick(fixed)?;
            ports.advertised = proxy.unwrap_or(ports.main);
            let part = Part::new(R::NAME, Some(recipe.launch(self.directory, ports).await?));
            match part.start().await {
                // The part is gone by now: who holds its port is somebody else.
                Err(_) if attempt < PORT_ATTEMPTS && fixed.is_none() && !ports.are_free() => {
                    attempt += 1;
                }
                Err(error) => return Err(error),
                Ok(()) => {
                    let (main, seconds) = (ports.main, began.elapsed().as_secs_f64());
                    let line =
                        format!("{} answers on 127.0.0.1:{main} after {seconds:.1} s", R::NAME);
                    self.progress.say(&line);
                    return Ok(part);
                }
            }
        }
    }
}

async fn fetch<R: Recipe>(serve: Serve, cache: &Cache, progress: &Progress) -> Result<(), Error> {
    if serve != Serve::No {
        R::install(cache, progress).await?;
    }
    Ok(())
}
