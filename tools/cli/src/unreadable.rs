use kernel::error_chain;
use thiserror::Error;

/// A service's database cannot be read: it went away, was too slow, or is of another release.
#[derive(Debug, Error)]
#[error("the {service} service's database cannot be read: {reason}")]
pub struct Unreadable {
    /// Whose database.
    pub service: &'static str,
    /// Why.
    pub reason: String,
}

impl Unreadable {
    pub(crate) fn of(service: &'static str) -> impl Fn(tokio_postgres::Error) -> Self {
        move |error| Self { service, reason: error_chain(&error) }
    }
}
