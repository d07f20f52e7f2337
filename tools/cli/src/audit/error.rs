use kafka::{AdminError, RegistryError};
use thiserror::Error;

/// Why a fleet could not be audited.
#[derive(Debug, Error)]
pub enum AuditError {
    /// Kafka is away, or a topic is not there.
    #[error(transparent)]
    Kafka(#[from] AdminError),
    /// A schema is needed, and cannot be had.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A database cannot be read.
    #[error("the {service} service's database: {reason}")]
    Database {
        /// Whose it is.
        service: &'static str,
        /// What went wrong.
        reason: String,
    },
    /// The audit itself has failed.
    #[error("the audit was broken off: {0}")]
    BrokenOff(String),
}
