use thiserror::Error;

use crate::database::reason;

/// A service's database cannot be read: it is away, locked, too slow, another one's, or of another
/// release.
#[derive(Debug, Clone, Error)]
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
