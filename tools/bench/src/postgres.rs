//! Asking Postgres.

use std::time::Duration;

use anyhow::anyhow;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Error};

/// It is on this machine.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// A connection that is made again when Postgres was started again.
pub(crate) async fn connect(url: &str) -> anyhow::Result<PgPool> {
    let one = PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT_LIMIT);
    one.connect(url).await.map_err(told)
}

/// Statements without rows.
pub(crate) async fn execute(postgres: &PgPool, statements: &str) -> anyhow::Result<()> {
    let executed = sqlx::raw_sql(AssertSqlSafe(statements)).execute(postgres).await;
    executed.map(|_| ()).map_err(told)
}

/// What is wrong, without what is in the rows.
#[expect(clippy::needless_pass_by_value, reason = "as map_err gives it")]
pub(crate) fn told(error: Error) -> anyhow::Error {
    anyhow!("Postgres: {}", cli::database::reason(&error))
}
