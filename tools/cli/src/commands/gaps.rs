use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use kafka::AdminError;
use serde_json::json;

use crate::age::ago;
use crate::commands::dlq::{Author, words};
use crate::commands::exit;
use crate::connections::Connections;
use crate::databases::Databases;
use crate::decisions::Decisions;
use crate::gaps::{Gap, Number, Verdict, acknowledged, gaps};
use crate::print::{one_line, print, print_json, remark};
use crate::recovery::{Kind, OperationLog};
use crate::table::table;
use crate::{OrderId, services};

/// How many are shown of each service.
const SHOWN_MAX: i64 = 100;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only what these services miss
    #[arg(long, value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(services()))]
    service: Vec<String>,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Take note that an event never will come, and what it was for is seen to
    ///
    /// It may be lost, or given up. It goes off the list, and nothing else that looks at the fleet
    /// complains of it any more. Nothing else is changed; `farandole dlq log` tells who did so, and why.
    ///
    ///   farandole gaps acknowledge ORDER /payment 2 --reason "refunded by hand"
    #[command(verbatim_doc_comment)]
    Acknowledge(Acknowledge),
}

#[derive(clap::Args)]
struct Acknowledge {
    /// The order
    #[arg(value_name = "ORDER")]
    order: OrderId,
    /// The service that emitted the event, as the list shows it
    #[arg(value_name = "SOURCE")]
    source: String,
    /// The event's number
    #[arg(value_name = "SEQUENCE", value_parser = clap::value_parser!(i32).range(1..))]
    sequence: i32,
    /// Why it may stay lost, for whoever reads the log
    #[arg(long, value_name = "TEXT", value_parser = words)]
    reason: String,
    #[command(flatten)]
    author: Author,
}

pub(crate) async fn run(
    arguments: Arguments,
    connections: &Connections,
    databases: &Databases,
) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Some(Command::Acknowledge(command)) => acknowledge(command, connections, databases).await,
        None => list(arguments, connections, databases).await,
    }
}

async fn acknowledge(
    Acknowledge { order, source, sequence, reason, author }: Acknowledge,
    connections: &Connections,
    databases: &Databases,
) -> anyhow::Result<ExitCode> {
    let number = Number { saga: order, source, sequence };
    let began = author.begins(Kind::Acknowledge, number.to_string(), 1, Some(&reason));
    if !acknowledged(&number, began, connections, databases).await? {
        let asked_for = number.to_string();
        let asked_for = one_line(&asked_for);
        print(&format!(
            "No service has found {asked_for} to be lost, or has given it up. Next: farandole gaps"
        ))?;
        return Ok(exit::of(true, false));
    }
    print("Acknowledged. Next: farandole dlq log")?;
    Ok(ExitCode::SUCCESS)
}

/// What operators have decided. What is missing can be told without Kafka, too.
async fn decisions(connections: &Connections) -> Result<Decisions, AdminError> {
    connections.kafka().await?;
    Ok(OperationLog::read(connections).await?.decisions())
}

/// What was found, and what could not be looked at.
struct Found {
    gaps: Vec<Gap>,
    /// How many there are.
    all: usize,
    unknown: Vec<String>,
}

async fn list(
    Arguments { service: wanted, json, .. }: Arguments,
    connections: &Connections,
    databases: &Databases,
) -> anyhow::Result<ExitCode> {
    let mut found = Found { gaps: Vec::new(), all: 0, unknown: Vec::new() };
    let decided = decisions(connections).await;
    let decisions = decided.as_ref().cloned().unwrap_or_default();
    let is_wanted = |service: &&str| wanted.is_empty() || wanted.iter().any(|name| name == service);
    for service in services().filter(is_wanted) {
        let read = async {
            let mut database = databases.connect(service).await?;
            anyhow::Ok(gaps(service, &mut database, &decisions, SHOWN_MAX).await?)
        };
        match read.await {
            Ok((of_service, number)) => {
                found.gaps.extend(of_service);
                found.all += usize::try_from(number)?;
            }
            Err(error) => found.unknown.push(format!("{error:#}")),
        }
    }
    // Where nothing is missing, nothing was acknowledged either.
    if let (Err(error), false) = (&decided, found.gaps.is_empty()) {
        let why = format!("what was acknowledged is not known, and listed as well: {error}");
        found.unknown.push(why);
    }
    let Found { gaps, all, unknown } = &found;
    let more = all - gaps.len();
    if json {
        print_json(&json!({ "gaps": gaps, "more": more, "unknown": unknown }))?;
        return Ok(exit::of(!gaps.is_empty(), !unknown.is_empty()));
    }
    for why in unknown {
        remark(why);
    }
    if !gaps.is_empty() {
        let header = ["SERVICE", "ORDER", "SOURCE", "SEQUENCE", "FOR", "VERDICT"];
        let rows = table(header, gaps.iter().map(row));
        print(&format!("{}\n\n{rows}\n\n{}", headline(gaps, *all, more), advice(gaps)))?;
    } else if unknown.is_empty() {
        print("No event is missing.")?;
    } else {
        print("No event is missing, as far as could be seen.")?;
    }
    Ok(exit::of(!gaps.is_empty(), !unknown.is_empty()))
}

fn row(gap: &Gap) -> [String; 6] {
    let Gap { service, order_id, source, sequence, since, verdict } = gap;
    [
        (*service).to_owned(),
        order_id.to_string(),
        source.clone(),
        sequence.to_string(),
        ago(*since),
        verdict.words().to_owned(),
    ]
}

/// How many are missing, by service and verdict.
fn headline(found: &[Gap], all: usize, more: usize) -> String {
    let mut groups: BTreeMap<(Verdict, &str), usize> = BTreeMap::new();
    for gap in found {
        *groups.entry((gap.verdict, gap.service)).or_default() += 1;
    }
    let parts: Vec<String> = groups
        .iter()
        .map(|((verdict, service), count)| {
            let verdict = match verdict {
                Verdict::Waiting => "not found yet",
                Verdict::Dead => "given up",
                Verdict::Lost => "lost",
            };
            format!("{service} {count} {verdict}")
        })
        .collect();
    let are = if all == 1 { "event is" } else { "events are" };
    let hidden = if more == 0 { String::new() } else { format!(", {more} of them not shown") };
    format!("{all} {are} missing{hidden}: {}.", parts.join(", "))
}

fn advice(found: &[Gap]) -> String {
    let verdicts: BTreeSet<Verdict> = found.iter().map(|gap| gap.verdict).collect();
    let advice = verdicts.into_iter().map(|verdict| match verdict {
        Verdict::Waiting => {
            "not found yet: wait; the service searches the topic and repairs what it finds. It \
             must run for that: see its /health/ready."
        }
        Verdict::Dead => {
            "given up: farandole dlq list --service SERVICE --order ORDER; it goes off the list when \
             it is redriven or discarded."
        }
        Verdict::Lost => {
            "lost: farandole orders show ORDER tells what it holds up. It goes off the list when its \
             event comes, or by farandole gaps acknowledge ORDER SOURCE SEQUENCE."
        }
    });
    let lines: Vec<String> =
        std::iter::once("Next:".to_owned()).chain(advice.map(|line| format!("  {line}"))).collect();
    lines.join("\n")
}
