use kernel::error_chain;
use thiserror::Error;
use tokio_postgres::error::SqlState;

/// Why a batch did not go through, by whose fault it is; that decides what happens next.
#[derive(Debug, Error)]
pub enum Failure {
    /// A broken or absent dependency. Never a message's fault: pause, back off, try again.
    #[error("{0}")]
    Infrastructure(String),
    /// Another instance changed a state row in between, or a statement came after one that failed
    /// and whose error is not known. Try again at once.
    #[error("another instance changed the order in between")]
    Conflict,
    /// A message that cannot be processed, or a bug: isolate it from its batch.
    #[error("{0}")]
    Message(String),
}

impl From<tokio_postgres::Error> for Failure {
    /// Data exceptions and violated constraints come from what a message says; everything else
    /// that Postgres can report is about the connection, the server or the deployment.
    fn from(error: tokio_postgres::Error) -> Self {
        let text = error_chain(&error);
        match error.code() {
            Some(code) if is_data_error(code) => Self::Message(text),
            Some(&SqlState::IN_FAILED_SQL_TRANSACTION) => Self::Conflict,
            // The client could not write a value down. It has no name for this but the text.
            None if text.starts_with("error serializing parameter") => Self::Message(text),
            _ => Self::Infrastructure(format!("postgres: {text}")),
        }
    }
}

impl From<deadpool_postgres::PoolError> for Failure {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        Self::Infrastructure(format!("postgres: {}", error_chain(&error)))
    }
}

impl Failure {
    /// For an insert of rows that were not there when they were looked for: if one is there after
    /// all, somebody came in between.
    pub fn of_insert(error: tokio_postgres::Error) -> Self {
        match error.code() {
            Some(&SqlState::UNIQUE_VIOLATION) => Self::Conflict,
            _ => Self::from(error),
        }
    }
}

/// `SQLSTATE` classes 22 (data exception), 23 (integrity constraint violation) and 54 (program limit
/// exceeded, such as a value too large for an index); `PostgreSQL` documentation, appendix A. Failing to serialize and deadlocks are class 40.
fn is_data_error(code: &SqlState) -> bool {
    ["22", "23", "54"].iter().any(|class| code.code().starts_with(class))
}
