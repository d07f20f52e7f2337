//! The service's database: how it is connected to, and for how long anything may take there.

use std::fmt;
use std::str::FromStr as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::failure::{Failure, database_error};

/// What the sessions of all services are called by (`application_name`), before their purpose.
pub(crate) const APPLICATION: &str = "farandole";
/// How long connecting may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How much longer than Postgres may work on a statement its answer may take. A server that has
/// vanished is noticed by that, for its silence looks like a slow statement's.
const ANSWER_GRACE: Duration = Duration::from_secs(3);
/// How many statements' plans a connection keeps. A batch's statement comes in some ten shapes.
const STATEMENTS_MAX: usize = 200;

/// Every statement here finds its rows by an index. A plan made while a table was still empty
/// would scan it, and go on scanning as it grows; so the planner is told once and for all.
const PLANNER: [(&str, &str); 5] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
];

/// How Postgres finds out that a client has vanished, so that what that one had locked is free
/// within half a minute: times in seconds, and in milliseconds for the last.
const VANISHED_CLIENTS: [(&str, &str); 4] = [
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "20000"),
];

/// The oldest major version of Postgres that the statements here work on.
pub(crate) const OLDEST_POSTGRES: i32 = 15;

/// A database URL that is none.
#[derive(Debug, Error)]
#[error("{0}; expected postgres://user:password@host:port/database")]
pub struct InvalidDatabaseUrl(String);

/// What a connection is for: how long its statements may take, and what it need not wait for.
#[derive(Debug, Clone, Copy)]
pub struct Purpose {
    /// As the server shows it (`application_name`).
    pub name: &'static str,
    /// How long Postgres may work on one statement. It ends by then at the server, too.
    pub limit: Duration,
    /// How long it may wait for a lock that somebody else holds. Ours are held for as long as a
    /// statement takes.
    pub lock_limit: Duration,
    /// Whether a commit may be answered before it is on disk: right only where nothing is lost
    /// when a crash of the server undoes it.
    pub may_be_undone: bool,
}

impl Purpose {
    /// Statements that must be quick, and on disk.
    pub const fn new(name: &'static str) -> Self {
        let (limit, lock_limit) = (Duration::from_secs(15), Duration::from_secs(1));
        Self { name, limit, lock_limit, may_be_undone: false }
    }

    /// With another limit.
    #[must_use]
    pub const fn limited_to(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// It may wait for locks as long as for anything.
    #[must_use]
    pub const fn patient_with_locks(mut self) -> Self {
        self.lock_limit = self.limit;
        self
    }

    /// What is done need not wait for the disk.
    #[must_use]
    pub const fn may_be_undone(mut self) -> Self {
        self.may_be_undone = true;
        self
    }
}

/// Where the service's database is. It does not show, for it holds a password.
#[derive(Clone)]
pub struct Database {
    options: PgConnectOptions,
}

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Database")
    }
}

impl Database {
    /// By its URL. Nothing is connected yet.
    pub fn new(url: &str) -> Result<Self, InvalidDatabaseUrl> {
        let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
        let host = rest.and_then(|rest| rest.split(['/', '?']).next()?.rsplit('@').next());
        if host.is_none_or(str::is_empty) && !url.contains("host=") {
            return Err(InvalidDatabaseUrl("it names no host".to_owned()));
        }
        let options = PgConnectOptions::from_str(url)
            .map_err(|error| InvalidDatabaseUrl(database_error(&error)))?
            .statement_cache_capacity(STATEMENTS_MAX)
            .disable_statement_logging();
        Ok(Self { options })
    }

    /// How to connect for a purpose.
    fn options(&self, purpose: Purpose) -> PgConnectOptions {
        let commit = if purpose.may_be_undone { "off" } else { "on" };
        self.options
            .clone()
            .application_name(&format!("{APPLICATION} {}", purpose.name))
            .options(PLANNER)
            .options(VANISHED_CLIENTS)
            .options([("statement_timeout", purpose.limit.as_millis().to_string())])
            .options([("lock_timeout", purpose.lock_limit.as_millis().to_string())])
            .options([("synchronous_commit", commit)])
    }

    /// A connection of one's own, which is made when it is needed and again when it broke.
    pub fn session(&self, purpose: Purpose) -> Session {
        Session { options: self.options(purpose), limit: purpose.limit, connection: None }
    }

    /// Connections for requests that come and go, at most `max`.
    pub fn pool(&self, purpose: Purpose, max: usize) -> Pool {
        let (database, free) = (self.clone(), Mutex::default());
        Pool(Arc::new(Connections { database, purpose, free, permits: Semaphore::new(max) }))
    }
}

/// Connections for requests, which may be dropped at any time: what is abandoned halfway goes with
/// its connection, so nobody waits behind it. (The driver's own pool asks the server before and
/// after each use whether it is there, which makes three round trips of one, and hands out the
/// connection that was used longest ago.)
#[derive(Debug, Clone)]
pub struct Pool(Arc<Connections>);

#[derive(Debug)]
struct Connections {
    database: Database,
    purpose: Purpose,
    /// The one that was used last is handed out first: Postgres has the statements' plans and the
    /// tables' pages at hand there.
    free: Mutex<Vec<Session>>,
    permits: Semaphore,
}

impl Pool {
    /// Runs one statement, which is a transaction. Fails when no connection is free in time, or
    /// there is no answer in time.
    pub async fn run<T>(
        &self,
        work: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>,
    ) -> Result<T, Failure> {
        let Connections { database, purpose, free, permits } = &*self.0;
        let Ok(Ok(_permit)) = timeout(CONNECT_LIMIT, permits.acquire()).await else {
            return Err(Failure::Infrastructure(
                "postgres: all connections for requests are in use (DATABASE_POOL_MAX)".to_owned(),
            ));
        };
        let session = free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let session = session.unwrap_or_else(|| database.session(*purpose));
        let mut used = InUse { free, session: Some(session) };
        match &mut used.session {
            Some(session) => session.run(work).await,
            None => Err(no_answer(purpose.limit)),
        }
    }
}

/// A connection that goes back to the others when it is dropped.
struct InUse<'p> {
    free: &'p Mutex<Vec<Session>>,
    session: Option<Session>,
}

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.extend(self.session.take());
    }
}

/// A connection of one's own. Each use is limited in time; after a use that failed or was
/// abandoned halfway the connection is not used again, so nothing is ever found half done on it.
pub struct Session {
    options: PgConnectOptions,
    limit: Duration,
    connection: Option<PgConnection>,
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Session")
    }
}

impl Session {
    /// Does something on the connection: as a rule runs one statement, which is a transaction.
    /// Fails when there is no answer in time. What was abandoned halfway may have happened.
    pub async fn run<T>(
        &mut self,
        work: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>,
    ) -> Result<T, Failure> {
        // Out of its place while it is in use: whoever drops this future drops it, too.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(&self.options).await?,
        };
        let answer = timeout(self.limit + ANSWER_GRACE, work(&mut connection)).await;
        let done = match answer {
            Ok(done) => done.map_err(Failure::from),
            Err(_) => Err(no_answer(self.limit + ANSWER_GRACE)),
        };
        // What is wrong may be the connection, such as its prepared statements.
        if !matches!(done, Err(Failure::Infrastructure(_) | Failure::TooSlow(_))) {
            self.connection = Some(connection);
        }
        done
    }

    /// Runs several statements in one transaction, without results and parameters.
    pub async fn script(&mut self, sql: String) -> Result<(), Failure> {
        self.run(|connection| {
            Box::pin(async move {
                sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(connection).await.map(|_| ())
            })
        })
        .await
    }

    /// Makes the connection anew with the next use.
    pub fn close(&mut self) {
        self.connection = None;
    }
}

/// Connects, within a limit.
async fn connect(options: &PgConnectOptions) -> Result<PgConnection, Failure> {
    match timeout(CONNECT_LIMIT, PgConnection::connect_with(options)).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => {
            Err(Failure::Infrastructure(format!("postgres: {}", database_error(&error))))
        }
        Err(_) => Err(no_answer(CONNECT_LIMIT)),
    }
}

fn no_answer(limit: Duration) -> Failure {
    Failure::Infrastructure(format!("postgres: no answer within {} s", limit.as_secs()))
}
