//! What clients of Postgres need: its address, and a database.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, raw_sql};

use crate::error::Error;

/// `duplicate_database`, among Postgres's error codes.
const DUPLICATE: &str = "42P04";
/// The superuser, who is also the password: anyone on this machine may connect anyway.
pub(crate) const ROLE: &str = "farandole";

/// The server's address and role, without a database.
pub(crate) fn server(port: u16) -> String {
    format!("postgres://{ROLE}:{ROLE}@127.0.0.1:{port}")
}

/// Whether the server lets us in and carries out a statement.
pub(crate) async fn answers(port: u16) -> bool {
    let url = format!("{}/postgres", server(port));
    let answer =
        async { raw_sql("SELECT 1").execute(&mut PgConnection::connect(&url).await?).await };
    answer.await.is_ok()
}

/// Creates a database on the server that `url` leads to.
pub(crate) async fn create_database(url: &str, name: &str) -> Result<(), Error> {
    let failed = |reason| Error::Database { action: format!("create database {name}"), reason };
    let statement = format!("CREATE DATABASE \"{}\"", name.replace('"', "\"\""));
    let mut connection = PgConnection::connect(url).await.map_err(failed)?;
    match raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(DUPLICATE) => Ok(()),
        outcome => outcome.map(drop).map_err(failed),
    }
}
