//! Who holds up whom in a service's database: sessions that others wait for, that have locked a
//! table for themselves, or that keep a transaction open and do nothing.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use sqlx::postgres::PgConnection;
use sqlx::{Error, FromRow};

use crate::database::limited;

/// How long a session may have a transaction open before it is worth a word: what the services do
/// takes milliseconds.
const HARMLESS: SignedDuration = SignedDuration::from_secs(2);

/// How much is told of a session's statement, in characters: enough to know it again.
const STATEMENT_WIDTH: usize = 80;

/// A session of the database server that holds up others, or could at any moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Session {
    /// As `pg_terminate_backend` takes it.
    pub pid: i32,
    /// Such as `idle in transaction`; `None` where the role that looks may not see it
    /// (`pg_read_all_stats`).
    pub state: Option<String>,
    /// Since when it is in that state.
    pub state_since: Option<Timestamp>,
    /// Since when its transaction is open.
    pub transaction_since: Option<Timestamp>,
    /// What it calls itself (`application_name`).
    pub application: Option<String>,
    /// The role that it is.
    pub user: Option<String>,
    /// From where it comes, as `address:port`; `None` for the server's own machine.
    pub from: Option<String>,
    /// When its last statement began.
    pub statement_since: Option<Timestamp>,
    /// The beginning of that statement.
    pub statement: Option<String>,
    /// The tables that it has locked against everybody.
    pub tables: Vec<String>,
    /// How many sessions wait for it.
    pub blocks: i64,
}

impl Session {
    /// Whether somebody waits for it, or would who looks at one of its tables.
    pub fn is_in_the_way(&self) -> bool {
        self.blocks > 0 || !self.tables.is_empty()
    }

    /// Such as `idle in transaction for 2m 35s`.
    fn doing(&self) -> String {
        let state = self.state.as_deref().unwrap_or("in a transaction");
        match self.state_since.or(self.transaction_since) {
            Some(since) => {
                let seconds = Timestamp::now().duration_since(since).as_secs().max(0);
                format!("{state} for {:#}", SignedDuration::from_secs(seconds))
            }
            None => state.to_owned(),
        }
    }
}

/// In the words for people: `session 26508 (idle in transaction for 2m 35s, psql as ada from
/// 10.0.0.7:40112: LOCK TABLE stock)`.
impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {} ({}", self.pid, self.doing())?;
        if let Some(application) = self.application.as_deref().filter(|name| !name.is_empty()) {
            write!(f, ", {application}")?;
        }
        if let Some(user) = &self.user {
            write!(f, ", role {user}")?;
        }
        if let Some(from) = &self.from {
            write!(f, ", from {from}")?;
        }
        if let Some(statement) = &self.statement {
            let words: Vec<&str> = statement.split_whitespace().collect();
            write!(f, ": {}", words.join(" "))?;
        }
        write!(f, ")")
    }
}

/// The sessions of this database that are in somebody's way, first those that wait for nobody
/// themselves; then those that do nothing in a transaction for a minute.
pub async fn sessions(database: &mut PgConnection) -> Result<Vec<Session>, Error> {
    let query = sqlx::query_as(SESSIONS).bind(HARMLESS.as_secs_f64());
    let rows: Vec<Row> = limited(query.fetch_all(database)).await?;
    Ok(rows.into_iter().map(Session::from).collect())
}

/// Who waits for a lock waits for those that `pg_blocking_pids` names. Of sessions that wait
/// themselves only the last of the chain is of interest. `AccessExclusiveLock` is the one lock that
/// keeps even readers out.
const SESSIONS: &str = "
    WITH here AS (
      SELECT * FROM pg_stat_activity WHERE datname = current_database()
    ), waiting AS (
      SELECT pid, pg_blocking_pids(pid) AS blockers FROM here WHERE wait_event_type = 'Lock'
    ), locked AS (
      SELECT pid, relname::text FROM pg_locks JOIN pg_class ON pg_class.oid = relation
      WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock' AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND relkind IN ('r', 'p')
    )
    SELECT pid, state, state_change, xact_start, application_name, usename::text,
      host(client_addr) || ':' || client_port AS client, query_start, left(query, 500) AS query,
      ARRAY(SELECT DISTINCT relname FROM locked WHERE locked.pid = here.pid ORDER BY 1) AS tables,
      (SELECT count(*) FROM waiting WHERE here.pid = ANY(blockers)) AS blocks
    FROM here
    WHERE pid <> pg_backend_pid() AND pid NOT IN (SELECT pid FROM waiting)
      AND coalesce(xact_start < clock_timestamp() - $1 * interval '1 second', true)
      AND (EXISTS (SELECT FROM waiting WHERE here.pid = ANY(blockers))
        OR pid IN (SELECT pid FROM locked)
        OR state LIKE 'idle in transaction%'
          AND xact_start < clock_timestamp() - interval '1 minute')
    ORDER BY blocks DESC, xact_start";

#[derive(FromRow)]
struct Row {
    pid: i32,
    state: Option<String>,
    state_change: Option<jiff_sqlx::Timestamp>,
    xact_start: Option<jiff_sqlx::Timestamp>,
    application_name: Option<String>,
    usename: Option<String>,
    client: Option<String>,
    query_start: Option<jiff_sqlx::Timestamp>,
    query: Option<String>,
    tables: Vec<String>,
    blocks: i64,
}

impl From<Row> for Session {
    fn from(row: Row) -> Self {
        let time = |at: Option<jiff_sqlx::Timestamp>| at.map(jiff_sqlx::Timestamp::to_jiff);
        let statement = row.query.filter(|text| !text.trim().is_empty()).map(|text| {
            let end = text.char_indices().nth(STATEMENT_WIDTH).map(|(end, _)| end);
            end.map_or_else(|| text.clone(), |end| format!("{}…", &text[..end]))
        });
        Self {
            pid: row.pid,
            state: row.state,
            state_since: time(row.state_change),
            transaction_since: time(row.xact_start),
            application: row.application_name,
            user: row.usename,
            from: row.client,
            statement_since: time(row.query_start),
            statement,
            tables: row.tables,
            blocks: row.blocks,
        }
    }
}
