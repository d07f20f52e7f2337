use thiserror::Error;

use crate::database::reason;

/// A service's database cannot be read: it went away, was too slow, or is of another release.
#[derive(Debug, Error)]
#[error("the {service} service's database cannot be read: {reason}")]
pub struct Unreadable {
    /// Whose database.
    pub service: String,
    /// Why.
    pub reason: String,
}

impl Unreadable {
    /// For the errors of a service's database.
    pub fn of(service: &str) -> impl Fn(sqlx::Error) -> Self {
        move |error| Self { service: service.to_owned(), reason: reason(&error) }
    }
}
