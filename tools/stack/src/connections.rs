use std::path::PathBuf;

use crate::database;
use crate::error::Error;

/// How to reach a running stack.
#[derive(Clone, Debug)]
pub struct Connections {
    /// For `KAFKA_BROKERS`.
    pub kafka_brokers: String,
    /// For `SCHEMA_REGISTRY_URL`.
    pub schema_registry_url: String,
    /// `postgres://user:password@host:port`, without a database.
    pub postgres_server: String,
    /// Where logs may be written.
    pub directory: PathBuf,
}

impl Connections {
    /// For `DATABASE_URL`.
    pub fn postgres_url(&self, database: &str) -> String {
        format!("{}/{database}", self.postgres_server)
    }

    /// Creates a database, unless it exists.
    pub async fn create_database(&self, name: &str) -> Result<(), Error> {
        database::create_database(&self.postgres_url("postgres"), name).await
    }
}
