//! What services could not process and try again.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use clap::Subcommand;
use jiff::Timestamp;
use serde::Serialize;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use crate::age::{ago, within};
use crate::commands::exit;
use crate::database::ask;
use crate::databases::Databases;
use crate::print::{one_line, print, print_json, remark};
use crate::recovery::normalised;
use crate::table::table;
use crate::{OrderId, Unreadable, services};

/// How much of a cause a table shows, in characters.
const CAUSE_WIDTH: usize = 90;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List what failed and is tried again, by service and cause
    ///
    /// A record that fails is tried again with growing pauses, five times as a rule, and then becomes
    /// a dead letter; later events of its order wait behind it. Causes are compared without ids and
    /// numbers. Nothing is changed. The databases are needed, such as PAYMENT_DATABASE_URL; with
    /// --service only of those named.
    ///
    /// Exit codes: 0 it is listed; 3 a database cannot be read.
    List(List),
}

#[derive(clap::Args)]
pub(crate) struct List {
    /// Only what these services try again
    #[arg(long, value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(services()))]
    service: Vec<String>,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Records of a service that have failed alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Retries {
    pub(crate) service: &'static str,
    /// Why they failed last, without ids and numbers.
    pub(crate) cause: String,
    /// The last error of one of them, in full.
    pub(crate) error: String,
    /// How many there are.
    pub(crate) records: i64,
    /// The types of events.
    pub(crate) types: BTreeSet<String>,
    /// How often the one that was tried most often was tried.
    pub(crate) attempts: i32,
    /// When the first of them failed first.
    pub(crate) first: Option<Timestamp>,
    /// When the last of them failed last.
    pub(crate) last: Option<Timestamp>,
    /// When one is tried again; `None` for those that were given up and are on their way to the dead
    /// letters.
    pub(crate) next: Option<Timestamp>,
    /// An order that it concerns.
    pub(crate) example: Option<OrderId>,
}

/// A service's retry queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Queue {
    /// What has failed, the newest trouble first.
    pub(crate) groups: Vec<Retries>,
    /// How many records wait behind others of their order, and have not failed themselves.
    pub(crate) behind: i64,
}

impl Queue {
    /// How many records have failed.
    pub(crate) fn failing(&self) -> i64 {
        self.groups.iter().map(|group| group.records).sum()
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    error: Option<String>,
    dead: bool,
    records: i64,
    types: Vec<Option<Vec<u8>>>,
    attempts: i32,
    first: Option<jiff_sqlx::Timestamp>,
    last: Option<jiff_sqlx::Timestamp>,
    due: jiff_sqlx::Timestamp,
    orders: Vec<Option<Uuid>>,
}

/// What a service tries again, by cause.
pub(crate) async fn queue(
    service: &'static str,
    database: &mut PgConnection,
) -> Result<Queue, Unreadable> {
    let rows: Vec<Row> = ask(
        service,
        database,
        sqlx::query_as(
            "SELECT errors[cardinality(errors)] AS error, dead, count(*) AS records,
               (array_agg(DISTINCT header_values[array_position(header_names, 'ce_type')]))[1:20]
                 AS types,
               max(attempts) AS attempts, min(first_failed_at) AS first,
               max(last_failed_at) AS last, min(due_at) AS due,
               (array_agg(saga ORDER BY id DESC))[1:1] AS orders
             FROM retry_queue WHERE attempts > 0 OR dead
             GROUP BY 1, 2 ORDER BY max(last_failed_at) DESC NULLS LAST LIMIT 2000",
        ),
    )
    .await?;
    let behind: Vec<(i64,)> = ask(
        service,
        database,
        sqlx::query_as("SELECT count(*) FROM retry_queue WHERE attempts = 0 AND NOT dead"),
    )
    .await?;
    let mut groups: BTreeMap<(String, bool), Retries> = BTreeMap::new();
    for row in rows {
        let error = row.error.unwrap_or_else(|| "no error is recorded".to_owned());
        let cause = normalised(&error);
        let group = groups.entry((cause.clone(), row.dead)).or_insert_with(|| Retries {
            service,
            cause,
            error,
            records: 0,
            types: BTreeSet::new(),
            attempts: 0,
            first: None,
            last: None,
            next: None,
            example: row.orders.first().copied().flatten().map(OrderId),
        });
        let time = |at: Option<jiff_sqlx::Timestamp>| at.map(jiff_sqlx::Timestamp::to_jiff);
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        group.records += row.records;
        group.types.extend(row.types.into_iter().flatten().map(text));
        group.attempts = group.attempts.max(row.attempts);
        group.first = [group.first, time(row.first)].into_iter().flatten().min();
        group.last = [group.last, time(row.last)].into_iter().flatten().max();
        let due = (!row.dead).then(|| row.due.to_jiff());
        group.next = [group.next, due].into_iter().flatten().min();
    }
    let mut groups: Vec<Retries> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.last));
    Ok(Queue { groups, behind: behind.first().map_or(0, |row| row.0) })
}

pub(crate) async fn run(command: Command, databases: &Databases) -> anyhow::Result<ExitCode> {
    let Command::List(List { service: wanted, json }) = command;
    let (mut queues, mut blind) = (Vec::new(), Vec::new());
    for service in
        services().filter(|name| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name))
    {
        let read = async {
            let mut database = databases.connect(service).await?;
            anyhow::Ok(queue(service, &mut database).await?)
        };
        match read.await {
            Ok(queue) => queues.push(queue),
            Err(error) => blind.push(format!("{error:#}")),
        }
    }
    let groups: Vec<&Retries> = queues.iter().flat_map(|queue| &queue.groups).collect();
    let behind: i64 = queues.iter().map(|queue| queue.behind).sum();
    let failing: i64 = queues.iter().map(Queue::failing).sum();
    if json {
        let value = serde_json::json!({"causes": groups, "behind": behind, "unknown": blind});
        print_json(&value)?;
    } else {
        for reason in &blind {
            remark(reason);
        }
        print(&text(&groups, failing, behind))?;
    }
    Ok(exit::of(false, !blind.is_empty()))
}

fn text(groups: &[&Retries], failing: i64, behind: i64) -> String {
    if groups.is_empty() {
        return "Nothing is tried again.".to_owned();
    }
    let plural = if failing == 1 { "record is" } else { "records are" };
    let head = format!(
        "{failing} {plural} tried again, for {} {}; {behind} more wait behind them.",
        groups.len(),
        if groups.len() == 1 { "cause" } else { "causes" },
    );
    let header =
        ["SERVICE", "RECORDS", "CAUSE", "TYPES", "TRIED", "SINCE", "LAST", "AGAIN", "ORDER"];
    let row = |group: &&Retries| {
        let cause: String = one_line(&group.error).chars().take(CAUSE_WIDTH).collect();
        let types: Vec<&str> = group.types.iter().map(String::as_str).collect();
        let time = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), ago);
        [
            group.service.to_owned(),
            group.records.to_string(),
            cause,
            types.join(","),
            group.attempts.to_string(),
            time(group.first),
            time(group.last),
            group.next.map_or_else(|| "given up".to_owned(), within),
            group.example.map_or_else(|| "-".to_owned(), |order| order.to_string()),
        ]
    };
    format!(
        "{head}\n\n{}\n\nNext: mend what the causes say; then they go through by themselves. What is \
         given up\n  is among the dead letters: farandole dlq list. One order: farandole orders show \
         ORDER",
        table(header, groups.iter().map(row))
    )
}
