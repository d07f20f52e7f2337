//! What Postgres is asked to do for a batch, written down by the server itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use sqlx::AssertSqlSafe;
use tokio::sync::{Mutex, MutexGuard};

use crate::Sandbox;

const DASHES_IN_A_UUID: usize = 4;

/// What the server writes down of the statements that reach a service's database. One at a time: it does
/// not write down which database that was.
pub struct StatementLog {
    path: PathBuf,
    begin: usize,
    _only_one: MutexGuard<'static, ()>,
}

impl StatementLog {
    /// Of the sessions that begin from now on, with the database of this service.
    pub async fn begin(sandbox: &Sandbox, service: &str) -> Self {
        static ONLY_ONE: Mutex<()> = Mutex::const_new(());
        let only_one = ONLY_ONE.lock().await;
        let name = format!("{}{service}", sandbox.prefix);
        let log_all = format!("ALTER DATABASE \"{name}\" SET log_statement = 'all'");
        let pool = Sandbox::pool(&sandbox.database_url(service));
        sqlx::raw_sql(AssertSqlSafe(log_all)).execute(&pool).await.unwrap();
        pool.close().await;
        let path = sandbox.stack.directory.join("postgres.log");
        let begin = fs::metadata(&path).unwrap().len().try_into().unwrap();
        Self { path, begin, _only_one: only_one }
    }

    /// The batches that brought in events, in the order in which they were written.
    pub fn batches(&self) -> Vec<StatementBatch> {
        let log = fs::read(&self.path).unwrap();
        let text = String::from_utf8_lossy(&log[self.begin..]);
        batches(&text).into_iter().filter(|batch| batch.events > 0).collect()
    }
}

/// What the loop's connection did for a batch: up to the statement that writes, and with it.
#[derive(Debug, Default)]
pub struct StatementBatch {
    /// The statements' texts.
    pub statements: Vec<String>,
    /// How many events were given to the inbox.
    pub events: usize,
}

/// Reads Postgres's log: `… [process] LOG:  execute s1: SELECT …`, with more lines that begin with a
/// tab, and the parameters as DETAIL.
fn batches(log: &str) -> Vec<StatementBatch> {
    let mut open: BTreeMap<&str, StatementBatch> = BTreeMap::new();
    let mut done = Vec::new();
    let mut last = "";
    for line in log.lines() {
        if line.starts_with('\t') {
            if let Some(statement) = open.get_mut(last).and_then(|it| it.statements.last_mut()) {
                statement.push_str(line);
            }
            continue;
        }
        let Some((process, text)) = line.split_once("] ") else { continue };
        last = process.rsplit('[').next().unwrap();
        let batch = open.entry(last).or_default();
        if let Some((_, sql)) = text.strip_prefix("LOG:  ").and_then(|text| text.split_once(": ")) {
            batch.statements.push(sql.to_owned());
        } else if let Some((_, parameters)) = text.split_once("arameters: $1 = ") {
            // Looking for what is due goes on all the time.
            batch.statements.retain(|sql| !sql.starts_with("SELECT topic, "));
            let Some(statement) = batch.statements.last() else { continue };
            if statement.starts_with("WITH part0 AS (INSERT INTO inbox ") {
                let ids = parameters.split(", $2 = ").next().unwrap();
                batch.events = ids.matches('-').count() / DASHES_IN_A_UUID;
            }
            if statement.starts_with("WITH part0 AS ") {
                done.extend(open.remove(last));
            }
        }
    }
    done
}
