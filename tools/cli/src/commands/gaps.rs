use std::collections::BTreeSet;
use std::process::ExitCode;

use farandole_cli::SERVICES;
use farandole_cli::gaps::{Gap, Number, Verdict, gaps, is_given_up};
use kafka::Publisher;
use kernel::OrderId;
use serde_json::json;

use crate::age::ago;
use crate::commands::dlq::{Author, Kind, OperationLog, Recorder};
use crate::connections::Connections;
use crate::databases::Databases;
use crate::print::print;
use crate::table::table;

/// How many are shown of each service.
const SHOWN_MAX: i64 = 100;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only what these services miss
    #[arg(long, value_name = "NAME", value_parser = SERVICES)]
    service: Vec<String>,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Take note that an event is missing for good, and what it was for is seen to
    ///
    /// It goes off the list, and neither the audit nor the metric counts it as lost any more. A
    /// letter that is discarded is acknowledged by that. Nothing else is changed; `farandole dlq
    /// log` tells who did so, and why.
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
    #[arg(long, value_name = "TEXT")]
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
    let number = Number { order_id: order, source, sequence };
    let asked_for = format!("{order} {} {sequence}", number.source);
    let mut missing = false;
    for service in SERVICES {
        missing |= is_given_up(service, &mut databases.connect(service).await?, &number).await?;
    }
    if !missing {
        print(&format!(
            "No service has found {asked_for} to be lost or dead. Next: farandole gaps"
        ))?;
        return Ok(ExitCode::FAILURE);
    }
    connections.kafka().await?;
    let publisher = Publisher::new(&connections.kafka_brokers)?;
    let topic = connections.topic_prefix.operations();
    let began = author.begins(Kind::Acknowledge, asked_for, 1, Some(&reason));
    let recorder = Recorder::begin(&publisher, topic, began).await?;
    recorder.acknowledged(number).await?;
    recorder.end("acknowledged".to_owned()).await?;
    print("Acknowledged. Next: farandole dlq log")?;
    Ok(ExitCode::SUCCESS)
}

/// The events that are known to be lost for good. What is missing can be told without Kafka, too.
async fn acknowledged(connections: &Connections) -> BTreeSet<Number> {
    let reading = async {
        connections.kafka().await?;
        OperationLog::read(connections).await
    };
    match reading.await {
        Ok(log) => log.acknowledged().clone(),
        Err(error) => {
            eprintln!("what was acknowledged is not known, and listed as well: {error}");
            BTreeSet::new()
        }
    }
}

async fn list(
    Arguments { service: wanted, json, .. }: Arguments,
    connections: &Connections,
    databases: &Databases,
) -> anyhow::Result<ExitCode> {
    let acknowledged = acknowledged(connections).await;
    let (mut found, mut all) = (Vec::new(), 0);
    for service in SERVICES {
        if wanted.is_empty() || wanted.iter().any(|name| name == service) {
            let mut database = databases.connect(service).await?;
            let (of_service, number) =
                gaps(service, &mut database, &acknowledged, SHOWN_MAX).await?;
            found.extend(of_service);
            all += usize::try_from(number)?;
        }
    }
    let more = all - found.len();
    if json {
        print(&serde_json::to_string_pretty(&json!({ "gaps": found, "more": more }))?)?;
    } else if found.is_empty() {
        print("No event is missing.")?;
    } else {
        let header = ["SERVICE", "ORDER", "SOURCE", "SEQUENCE", "FOR", "VERDICT"];
        let rows = table(header, found.iter().map(row));
        print(&format!("{rows}\n\n{}", summary(&found, all, more)))?;
    }
    Ok(if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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

fn summary(found: &[Gap], all: usize, more: usize) -> String {
    let verdicts: BTreeSet<Verdict> = found.iter().map(|gap| gap.verdict).collect();
    let advice = verdicts.into_iter().map(|verdict| match verdict {
        Verdict::Waiting => {
            "not found yet: wait; the service searches the topic and repairs what it finds. It \
             must run for that: see its /health/ready."
        }
        Verdict::Dead => "given up: farandole dlq list --service SERVICE --order ORDER",
        Verdict::Lost => {
            "lost: farandole orders stuck --order ORDER tells what it holds up. It goes off the \
             list when its event comes, or by farandole gaps acknowledge ORDER SOURCE SEQUENCE."
        }
    });
    let are = if all == 1 { "event is" } else { "events are" };
    let hidden = if more == 0 { String::new() } else { format!(", {more} of them not shown") };
    let lines: Vec<String> = std::iter::once(format!("{all} {are} missing{hidden}. Next:"))
        .chain(advice.map(|line| format!("  {line}")))
        .collect();
    lines.join("\n")
}
