use std::borrow::Cow;

use kafka::AUTH_FAILURES;
use kernel::error_chain;
use sqlx::postgres::PgDatabaseError;
use thiserror::Error;

/// Why a batch did not go through, by whose fault it is; that decides what happens next.
#[derive(Debug, Error)]
pub enum Failure {
    /// A broken or absent dependency. Never a message's fault: pause, back off, try again.
    #[error("{0}")]
    Infrastructure(String),
    /// A statement took longer than its limit: the server may be slow, or the batch too large.
    #[error("postgres: {0}")]
    TooSlow(String),
    /// Somebody else holds a lock on what a statement needs. Maybe a row of one saga, maybe a table:
    /// find out whose saga it is, and go on with the others.
    #[error("postgres: {0}")]
    Locked(String),
    /// Something in the database is not as it was taken for: another instance changed it, or it
    /// was not read. Read, and try again at once.
    #[error("another instance changed the saga in between")]
    Conflict,
    /// A message that cannot be processed, or a bug: isolate it from its batch.
    #[error("{0}")]
    Poison(String),
}

impl From<sqlx::Error> for Failure {
    /// Data exceptions and violated constraints come from what a message says; what somebody else
    /// has changed, or changes at this moment, is a conflict; everything else that Postgres can
    /// report is about the connection, the server or the deployment.
    fn from(error: sqlx::Error) -> Self {
        let text = database_error(&error);
        match (&error, sql_state(&error)) {
            (_, Some(code)) => match code.as_ref() {
                UNIQUE_VIOLATION | SERIALIZATION_FAILURE | DEADLOCK_DETECTED => Self::Conflict,
                QUERY_CANCELED => Self::TooSlow(text),
                LOCK_NOT_AVAILABLE => Self::Locked(text),
                code if is_data_error(code) => Self::Poison(text),
                code if is_refusal(code) => {
                    AUTH_FAILURES.of(["postgres"]).increment(1);
                    Self::Infrastructure(format!("postgres: {text}"))
                }
                _ => Self::Infrastructure(format!("postgres: {text}")),
            },
            // A value cannot be written down, or a row does not say what the program understands.
            (
                sqlx::Error::Encode(_)
                | sqlx::Error::Decode(_)
                | sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::ColumnNotFound(_),
                None,
            ) => Self::Poison(text),
            _ => Self::Infrastructure(format!("postgres: {text}")),
        }
    }
}

// SQLSTATE codes; PostgreSQL documentation, appendix A.
const UNIQUE_VIOLATION: &str = "23505";
const SERIALIZATION_FAILURE: &str = "40001";
const DEADLOCK_DETECTED: &str = "40P01";
const QUERY_CANCELED: &str = "57014";
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// The `SQLSTATE` that Postgres answered with, if it answered.
fn sql_state(error: &sqlx::Error) -> Option<Cow<'_, str>> {
    error.as_database_error()?.code()
}

/// `SQLSTATE` classes 22 (data exception), 23 (integrity constraint violation) and 54 (program limit
/// exceeded, such as a value too large for an index).
fn is_data_error(code: &str) -> bool {
    ["22", "23", "54"].iter().any(|class| code.starts_with(class))
}

/// `SQLSTATE` class 28 (invalid authorization), and 42501 (insufficient privilege).
fn is_refusal(code: &str) -> bool {
    code.starts_with("28") || code == "42501"
}

/// What Postgres says is wrong, without the values of rows: those may be personal data.
pub fn database_error(error: &sqlx::Error) -> String {
    let Some(database) = error.as_database_error() else { return error_chain(error) };
    let code = database.code().unwrap_or_default();
    let mut told = format!("{} (SQLSTATE {code}", database.message());
    for (what, name) in [("table", database.table()), ("constraint", database.constraint())] {
        if let Some(name) = name {
            told = format!("{told}, {what} {name}");
        }
    }
    told.push(')');
    // Which trigger's function it was, say; other contexts quote statements.
    let context = database.try_downcast_ref::<PgDatabaseError>().and_then(PgDatabaseError::r#where);
    match context.and_then(|context| context.lines().next()) {
        Some(context) if context.starts_with("PL/pgSQL function") => format!("{told} in {context}"),
        _ => told,
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    format!("it panicked: {text}")
}
