use std::collections::{BTreeSet, HashMap};
use std::process::ExitCode;

use anyhow::Context as _;
use farandole_cli::{AuditOptions, AuditReport, AuditTargets, audit_at_rest, audited_services};

use crate::commands::dlq::{Archive, LetterId};
use crate::connections::Connections;
use crate::databases::Databases;

/// The exit code when all invariants hold and the fleet is not at rest.
const NOT_AT_REST: u8 = 4;

#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct Command {
    /// Check only what must hold under load as well
    #[arg(long)]
    invariants_only: bool,
    /// Open dead letters are fine
    #[arg(long)]
    allow_dead_letters: bool,
    /// Charges of cancelled orders may be open: a provider may never answer
    #[arg(long)]
    allow_pending_effects: bool,
    /// Print every case, instead of 20 of each kind
    #[arg(long)]
    all: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(
    command: Command,
    connections: &Connections,
    databases: &Databases,
) -> anyhow::Result<ExitCode> {
    let Command { invariants_only, allow_dead_letters, allow_pending_effects, all, json } = command;
    let lines = if all { usize::MAX } else { AuditOptions::default().lines };
    let services = audited_services().map(str::to_owned);
    let archive = Archive::read(connections, &services, None).await?;
    let options = AuditOptions {
        lines,
        invariants_only,
        allow_dead_letters,
        settled_letters: settled_letters(&archive, connections),
        acknowledged: archive.log.acknowledged().clone(),
        allow_pending_effects,
    };
    let database_urls: Result<HashMap<String, String>, _> = audited_services()
        .into_iter()
        .map(|service| Ok((service.to_owned(), databases.url(service)?.clone())))
        .collect();
    let targets = AuditTargets {
        database_urls: database_urls.map_err(|error: crate::databases::NoDatabase| error)?,
        registry: connections.registry().await?,
        kafka_brokers: connections.kafka_brokers.clone(),
        topics: connections.topic_prefix.clone(),
    };
    connections.kafka().await?;
    let report = audit_at_rest(&targets, &options, connections.wait(), progress).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&report.to_json()).context("as JSON")?);
    } else {
        print!("{report}");
    }
    Ok(if !report.violations().is_empty() {
        ExitCode::FAILURE
    } else if !report.not_at_rest().is_empty() {
        ExitCode::from(NOT_AT_REST)
    } else {
        ExitCode::SUCCESS
    })
}

/// The dead letters that were redriven or discarded, as the log of operations tells.
fn settled_letters(archive: &Archive, connections: &Connections) -> BTreeSet<(String, i32, i64)> {
    let settled = archive.letters().filter(|(_, state)| !state.is_open());
    let place = |LetterId { service, partition, offset }: &LetterId| {
        (connections.topic_prefix.dead_letters(service), *partition, *offset)
    };
    settled.map(|(letter, _)| place(&letter.id)).collect()
}

fn progress(report: &AuditReport) {
    let open = report.checks.iter().filter(|check| check.count > 0);
    let open: Vec<String> = open.map(|check| format!("{} {}", check.count, check.name)).collect();
    eprintln!("waiting for rest; open: {}", open.join(", "));
}
