//! Reading a service's database. Whatever is asked there has a limit, and an error says what held
//! the question up.

use std::io;
use std::time::Duration;

use declarations::fleet;
use jiff::Timestamp;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{Connection as _, Error, FromRow, Postgres, query::QueryAs};
use tokio::time::timeout;

use crate::sessions::{Session, sessions};
use crate::unreadable::Unreadable;

/// As the server shows who looks at it (`application_name`).
const APPLICATION: &str = "farandole tool";

/// How long the tool waits for one answer, whatever the server was told: one that has stopped does
/// not keep to its own limits.
const ANSWER_LIMIT: Duration = Duration::from_secs(12);

/// SQLSTATEs (`PostgreSQL` documentation, appendix A).
const LOCK_NOT_AVAILABLE: &str = "55P03";
const QUERY_CANCELED: &str = "57014";

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connecting: a server that is not there may not even refuse.
    pub connect: Duration,
    /// One statement.
    pub statement: Duration,
    /// Waiting for a lock.
    pub lock: Duration,
}

impl Limits {
    /// For a question that is answered from indexes and small tables.
    pub const QUESTION: Self = Self {
        connect: Duration::from_secs(5),
        statement: Duration::from_secs(10),
        lock: Duration::from_secs(5),
    };
    /// For reading whole tables row by row; that they keep coming is for the reader to see.
    pub const TABLES: Self = Self { statement: Duration::from_mins(10), ..Self::QUESTION };
    /// For a look that must be over in two seconds.
    pub const GLANCE: Self = Self {
        connect: Duration::from_secs(1),
        statement: Duration::from_secs(1),
        lock: Duration::from_millis(400),
    };
}

/// A connection to a service's database on which nothing can be written. That it is this service's
/// is made sure of.
pub async fn connect(service: &str, url: &str, limits: Limits) -> Result<PgConnection, Unreadable> {
    let unreadable = Unreadable::of(service);
    let options: PgConnectOptions = url.parse().map_err(&unreadable)?;
    let milliseconds = |limit: Duration| limit.as_millis().to_string();
    // They are added to those of the URL.
    let options = options.application_name(APPLICATION).options([
        ("default_transaction_read_only", "on".to_owned()),
        ("statement_timeout", milliseconds(limits.statement)),
        ("lock_timeout", milliseconds(limits.lock)),
    ]);
    let connecting = async {
        let mut connection = PgConnection::connect_with(&options).await?;
        let owner = owner(&mut connection).await?;
        Ok((connection, owner))
    };
    let (connection, owner) = timeout(limits.connect, connecting)
        .await
        .unwrap_or_else(|_| Err(silent(limits.connect)))
        .map_err(&unreadable)?;
    let reason = match owner {
        Some(owner) if owner == service => return Ok(connection),
        Some(owner) => format!(
            "what is there is the {owner} service's database: set {} to the {service} service's",
            variable(service)
        ),
        None => format!(
            "no service's tables are there: set {} to the {service} service's database, and start \
             the service once, which makes them",
            variable(service)
        ),
    };
    Err(Unreadable { service: service.to_owned(), reason })
}

/// The variable that says where a service's database is.
pub fn variable(service: &str) -> String {
    declarations::variable(service, "DATABASE_URL")
}

/// Whose database it is, by its table of states.
async fn owner(connection: &mut PgConnection) -> Result<Option<&'static str>, Error> {
    let tables: Vec<String> = fleet().services().iter().map(|it| it.table.clone()).collect();
    let there: Option<String> = sqlx::query_scalar(
        "SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NOT NULL LIMIT 1",
    )
    .bind(tables)
    .fetch_optional(connection)
    .await?;
    let of = fleet().services().iter().find(|service| Some(&service.table) == there.as_ref());
    Ok(of.map(|service| service.service.as_str()))
}

/// When a service joined the fleet: when its database was made. What began before, it need not know: the
/// topics may have forgotten it by then.
pub(crate) async fn joined(database: &mut PgConnection) -> Result<Timestamp, Error> {
    let joined = sqlx::query_scalar("SELECT at FROM first_day").fetch_one(database).await;
    joined.map(|joined: jiff_sqlx::Timestamp| joined.to_jiff())
}

/// The rows of a question to a service's database.
pub async fn ask<R>(
    service: &str,
    database: &mut PgConnection,
    question: QueryAs<'_, Postgres, R, sqlx::postgres::PgArguments>,
) -> Result<Vec<R>, Unreadable>
where
    R: for<'r> FromRow<'r, PgRow> + Send + Unpin,
{
    match limited(question.fetch_all(&mut *database)).await {
        Ok(rows) => Ok(rows),
        Err(error) => Err(explain(service, database, error).await),
    }
}

/// An answer, or an error after some seconds.
pub async fn limited<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(ANSWER_LIMIT, answer).await.unwrap_or_else(|_| Err(silent(ANSWER_LIMIT)))
}

/// Why a service's database could not be read; if that was a lock, whose.
pub async fn explain(service: &str, database: &mut PgConnection, error: Error) -> Unreadable {
    let code =
        error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default();
    if ![LOCK_NOT_AVAILABLE, QUERY_CANCELED].contains(&&*code) {
        return Unreadable::of(service)(error);
    }
    // A failed transaction answers nothing; where there is none, this does nothing.
    let _ = limited(sqlx::raw_sql("ROLLBACK").execute(&mut *database)).await;
    let sessions = sessions(database).await.unwrap_or_default();
    let locked = sessions.iter().filter(|session| session.is_in_the_way());
    let locked: Vec<String> = locked.map(lock).collect();
    let reason = match (locked.is_empty(), &*code) {
        (true, LOCK_NOT_AVAILABLE) => {
            "a table was locked, and the session that had locked it is gone again".to_owned()
        }
        (true, _) => reason(&error),
        (false, _) => locked.join("; "),
    };
    Unreadable { service: service.to_owned(), reason }
}

/// Such as `its table stock is locked by session …`.
pub fn lock(session: &Session) -> String {
    match session.tables.as_slice() {
        [] => format!("rows are locked by {session}"),
        [table] => format!("its table {table} is locked by {session}"),
        tables => format!("its tables {} are locked by {session}", tables.join(", ")),
    }
}

fn silent(limit: Duration) -> Error {
    let why = format!("no answer within {limit:?}");
    Error::Io(io::Error::new(io::ErrorKind::TimedOut, why))
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
