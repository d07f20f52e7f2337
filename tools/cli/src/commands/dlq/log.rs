use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::json;

use super::text::shortened;
use crate::connections::Connections;
use crate::print::{print, print_json};
use crate::recovery::{Kind, Operation, OperationLog};
use crate::table::table;

/// How much a table shows of what was asked for.
const ASKED_FOR_WIDTH: usize = 60;

#[derive(clap::Args)]
pub(crate) struct Log {
    /// The latest so many operations
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    limit: usize,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: &Log, connections: &Connections) -> anyhow::Result<ExitCode> {
    connections.kafka().await?;
    let log = OperationLog::read(connections).await?;
    let operations = log.operations();
    let latest = &operations[operations.len().saturating_sub(arguments.limit)..];
    if arguments.json {
        let all: Vec<serde_json::Value> = latest.iter().map(as_json).collect();
        print_json(&json!(all))?;
        return Ok(ExitCode::SUCCESS);
    }
    if !latest.is_empty() {
        let header = ["WHEN", "WHO", "WHAT", "LETTERS", "OUTCOME", "ASKED FOR", "WHY"];
        print(&format!("{}\n", table(header, latest.iter().map(row))))?;
    }
    if log.unreadable > 0 {
        print(&format!("{} records of the log cannot be read by this version.", log.unreadable))?;
    }
    let more = if latest.len() < operations.len() { " More: --limit" } else { "" };
    print(&format!("{} of {} operations.{more}", latest.len(), operations.len()))?;
    Ok(ExitCode::SUCCESS)
}

fn row(operation: &Operation) -> [String; 7] {
    let began = &operation.began;
    [
        format!("{:.0}", began.at),
        began.by.clone(),
        began.kind.name().to_owned(),
        match began.kind {
            Kind::SetQuotas => "-".to_owned(),
            _ => format!("{} of {}", operation.done, began.letters),
        },
        outcome(operation),
        shortened(&began.asked_for, ASKED_FOR_WIDTH),
        began.reason.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}

/// What came of it, as far as the log knows.
fn outcome(operation: &Operation) -> String {
    match &operation.ended {
        Some(ended) => ended.outcome.clone(),
        None if is_recent(operation.last_at) => "under way, or interrupted".to_owned(),
        None => "interrupted; the same command goes on with what is open".to_owned(),
    }
}

/// Whether an operation that wrote something then may go on still: it writes all the time, and
/// then waits for outcomes.
fn is_recent(at: Timestamp) -> bool {
    Timestamp::now().duration_since(at).as_mins() < 2
}

fn as_json(operation: &Operation) -> serde_json::Value {
    let began = &operation.began;
    json!({
        "operation": began.operation,
        "kind": began.kind,
        "at": began.at,
        "by": began.by,
        "reason": began.reason,
        "asked_for": began.asked_for,
        "letters": began.letters,
        "done": operation.done,
        "ended_at": operation.ended.as_ref().map(|ended| ended.at),
        "outcome": outcome(operation),
    })
}
