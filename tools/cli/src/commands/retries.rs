//! What services could not process and try again.

use std::process::ExitCode;

use clap::Subcommand;
use jiff::Timestamp;

use crate::age::{ago, within};
use crate::commands::exit;
use crate::databases::Databases;
use crate::print::{one_line, print, print_json, remark};
use crate::retries::{Queue, Retries, queue};
use crate::services;
use crate::table::table;

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
