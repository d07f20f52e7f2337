//! The migrations of the service's database.

use std::error::Error as _;
use std::iter::successors;
use std::time::Duration;

use futures::FutureExt as _;
use kernel::error_chain;
use messaging::{Database, Failure, Purpose, database_error};
use sqlx::migrate::{MigrateError, Migrator};
use thiserror::Error;

/// How long a statement of a migration may take: enough for large tables, and an end to waiting for
/// another instance that migrates and does not get on.
const STATEMENT_LIMIT: Duration = Duration::from_mins(10);

/// Why the database cannot be used.
#[derive(Debug, Error)]
pub enum DatabaseError {
    /// It is away, or refuses the connection. Trying again may help.
    #[error("{0}")]
    Unavailable(String),
    /// A migration does not run, or differs from the one that was run under its name.
    #[error("the database cannot be migrated: {0}")]
    Migration(String),
}

/// Brings the database to what this program needs: first the loop's tables, then the service's.
/// Instances that start together take turns. No statement may take longer than ten minutes. A
/// database that a newer release has migrated further is left as it is: migrations only add what
/// the release before them can do without, so that it may go on, start again or come back.
pub async fn migrate(database: &Database, service: Migrator) -> Result<(), DatabaseError> {
    for (table, mut migrator) in
        [("messaging_migrations", messaging::migrations()), ("service_migrations", service)]
    {
        migrator.dangerous_set_table_name(table);
        migrator.set_ignore_missing(true);
        run(database, migrator).await?;
    }
    Ok(())
}

async fn run(database: &Database, migrator: Migrator) -> Result<(), DatabaseError> {
    let purpose = Purpose::new("migration").limited_to(STATEMENT_LIMIT).patient_with_locks();
    // A connection of its own: what is dropped halfway goes with the connection.
    let mut session = database.session(purpose);
    let migrated = session
        .run(|connection| {
            async move { Ok(migrator.run_direct(None, connection, false).await) }.boxed()
        })
        .await;
    match migrated {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) if went_away(&error) => {
            Err(DatabaseError::Unavailable(format!("postgres: {}", error_chain(&error))))
        }
        Ok(Err(error)) => Err(DatabaseError::Migration(explain(&error))),
        Err(failure @ Failure::Infrastructure(_)) => {
            Err(DatabaseError::Unavailable(failure.to_string()))
        }
        Err(failure) => Err(DatabaseError::Migration(failure.to_string())),
    }
}

/// Whether a migration failed because the connection or the server went away in the middle of it:
/// by `SQLSTATE`, class 08 (connection exception) and 57 (operator intervention, as a shutdown is),
/// but not what took too long; without one there was no answer at all.
fn went_away(error: &MigrateError) -> bool {
    let Some(error) = postgres_error(error) else { return false };
    match error.as_database_error().map(|error| error.code().unwrap_or_default().into_owned()) {
        None => {
            matches!(error, sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_))
        }
        Some(code) => {
            code != QUERY_CANCELED && ["08", "57"].iter().any(|class| code.starts_with(class))
        }
    }
}

/// `PostgreSQL` documentation, appendix A.
const QUERY_CANCELED: &str = "57014";

fn explain(error: &MigrateError) -> String {
    match postgres_error(error) {
        Some(postgres) => format!("{error}: {}", database_error(postgres)),
        None => error_chain(error),
    }
}

fn postgres_error(error: &MigrateError) -> Option<&sqlx::Error> {
    let mut causes = successors(error.source(), |&cause| cause.source());
    causes.find_map(|cause| cause.downcast_ref::<sqlx::Error>())
}
