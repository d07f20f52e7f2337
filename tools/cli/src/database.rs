//! Reading a service's database.

use std::io;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection as _, Error};
use tokio::time::timeout;

/// A server that is not there may not even refuse.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// A connection on which nothing can be written, or an error after five seconds. No statement may
/// take longer than ten minutes: that is more than any question takes, and none holds a database
/// up for ever.
pub async fn connect(url: &str) -> Result<PgConnection, Error> {
    let options: PgConnectOptions = url.parse()?;
    let options =
        options.options([("default_transaction_read_only", "on"), ("statement_timeout", "600000")]);
    timeout(CONNECT_LIMIT, PgConnection::connect_with(&options)).await.unwrap_or_else(|_| {
        let why = format!("no answer within {CONNECT_LIMIT:?}");
        Err(Error::Io(io::Error::new(io::ErrorKind::TimedOut, why)))
    })
}

/// What is wrong, for people: of what Postgres says the message, the code and the constraint, and
/// not the details, which quote rows.
pub fn reason(error: &Error) -> String {
    let Error::Database(said) = error else { return error.to_string() };
    let code = said.code().map(|code| format!(" ({code})"));
    let constraint = said.constraint().map(|name| format!(", constraint {name}"));
    let parts = [Some(said.message().to_owned()), code, constraint];
    parts.into_iter().flatten().collect()
}
