//! Kafka, the schema registry and Postgres, the real ones, on this machine and without Docker.
//!
//! [`Stack::start`] fetches what is missing through ordinary package clients, keeps it for the
//! next time, starts all three on free ports of 127.0.0.1 and waits until they answer. They die
//! with this process, whatever ends it. Linux only.

mod cache;
mod connections;
mod database;
mod directory;
mod error;
pub mod fleet;
mod java;
mod kafka;
mod maven;
mod options;
mod part;
mod ports;
mod postgres;
mod probe;
mod process;
mod programs;
mod progress;
mod recipe;
mod registry;

use std::path::Path;

use cache::Cache;
use directory::RunDirectory;
use kafka::Kafka;
use postgres::Postgres;
use progress::Progress;
use recipe::{Place, fetch};
use registry::Registry;

pub use connections::Connections;
pub use error::Error;
pub use kafka::VERSION as KAFKA_VERSION;
pub use options::{Options, PostgresVersion, Serve};
pub use part::Part;

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
        programs::require(&cache, &[("setpriv", "util-linux")]).await?;
        let directory = RunDirectory::create(options.data.as_deref())?;
        let place = Place {
            options: &options,
            cache: &cache,
            progress: &progress,
            directory: directory.path(),
        };
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
        programs::require(&cache, &[("setpriv", "util-linux")]).await?;
        tokio::try_join!(
            fetch::<Kafka>(options.kafka, options, &cache, &progress),
            fetch::<Registry>(options.registry, options, &cache, &progress),
            fetch::<Postgres>(options.postgres, options, &cache, &progress),
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
            postgres_server: database::server(self.postgres.port()),
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
        self.stop_parts().await;
    }

    /// Stops all parts in an orderly way; temporary data is removed when this is dropped.
    pub async fn stop_parts(&self) {
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
