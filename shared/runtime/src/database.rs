//! The service's database: its connections and its migrations.

use std::error::Error as _;
use std::iter::successors;
use std::str::FromStr;
use std::time::Duration;

use deadpool_postgres::{
    Manager, ManagerConfig, Pool, QueueMode, RecyclingMethod, Runtime, Timeouts,
};
use kernel::error_chain as chain;
use thiserror::Error;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, NoTls};

/// How long to wait for a connection, be it new or one that others use.
const WAIT: Duration = Duration::from_secs(5);

/// How long a statement of a migration may take, in milliseconds: enough for large tables, and an
/// end to waiting for another instance that migrates and does not get on.
const MIGRATION_LIMIT: &str = "-c statement_timeout=600000";

/// Every statement here finds its rows by an index. A plan made while a table was still empty
/// would scan it, and go on scanning as it grows; so the planner is told once and for all.
const PLANNER: &str = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off \
     -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off";

/// Why the database cannot be used.
#[derive(Debug, Error)]
pub enum DatabaseError {
    /// It is away, or refuses the connection. Trying again may help.
    #[error("postgres: {0}")]
    Unavailable(String),
    /// A migration does not run, or differs from the one that was run under its name.
    #[error("the database cannot be migrated: {0}")]
    Migration(String),
}

/// A pool of connections. Nothing is connected yet.
pub fn pool(url: &str, max: usize) -> Result<Pool, DatabaseError> {
    let config = config(url, PLANNER)?;
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    Pool::builder(Manager::from_config(config, NoTls, recycling))
        .max_size(max)
        // The one that was used last is warm: Postgres has the statements' plans and the tables'
        // pages at hand there.
        .queue_mode(QueueMode::Lifo)
        .timeouts(Timeouts { wait: Some(WAIT), create: Some(WAIT), recycle: Some(WAIT) })
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| DatabaseError::Unavailable(chain(&error)))
}

/// A server that has vanished is noticed, also by a connection that waits for its answer.
fn config(url: &str, options: &str) -> Result<Config, DatabaseError> {
    let mut config =
        Config::from_str(url).map_err(|error| DatabaseError::Unavailable(chain(&error)))?;
    config.options(options).connect_timeout(WAIT).keepalives_idle(Duration::from_secs(30));
    Ok(config)
}

/// Brings the database to what this program needs: first the loop's tables, then the service's.
/// Instances that start together take turns. No statement may take longer than ten minutes. A
/// database that a newer release has migrated further is left as it is: migrations only add what
/// the release before them can do without, so that it may go on, start again or come back.
pub async fn migrate(url: &str, service: refinery::Runner) -> Result<(), DatabaseError> {
    let config = config(url, MIGRATION_LIMIT)?;
    let connecting = tokio::time::timeout(WAIT, config.connect(NoTls)).await;
    let (mut client, connection) = match connecting {
        Ok(Ok(connected)) => connected,
        Ok(Err(error)) => return Err(DatabaseError::Unavailable(chain(&error))),
        Err(_) => return Err(DatabaseError::Unavailable(format!("no answer within {WAIT:?}"))),
    };
    // Ends when the client is dropped.
    tokio::spawn(connection);
    client
        .execute("SELECT pg_advisory_lock(hashtext('farandole migrations'))", &[])
        .await
        .map_err(|error| DatabaseError::Unavailable(chain(&error)))?;
    let mut loops = messaging::migrations();
    loops.set_migration_table_name("messaging_migrations");
    for runner in [loops, service] {
        runner.set_abort_missing(false).run_async(&mut client).await.map_err(|error| {
            if went_away(&error) {
                DatabaseError::Unavailable(chain(&error))
            } else {
                DatabaseError::Migration(chain(&error))
            }
        })?;
    }
    Ok(())
}

/// Whether a migration failed because the connection or the server went away in the middle of it:
/// by `SQLSTATE`, class 08 (connection exception) and 57 (operator intervention, as a shutdown is),
/// but not what took too long; without one there was no answer at all.
fn went_away(error: &refinery::Error) -> bool {
    let causes = successors(error.source(), |&cause| cause.source());
    let mut postgres = causes.filter_map(|cause| cause.downcast_ref::<tokio_postgres::Error>());
    postgres.any(|error| {
        error.code().is_none_or(|state| {
            *state != SqlState::QUERY_CANCELED
                && ["08", "57"].iter().any(|class| state.code().starts_with(class))
        })
    })
}
