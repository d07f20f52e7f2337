use std::collections::{BTreeSet, HashMap};
use std::process::ExitCode;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::commands::exit::{self, NOT_AT_REST};
use crate::connections::Connections;
use crate::databases::Databases;
use crate::print::{print, print_json, remark};
use crate::recovery::{Archive, LetterId};
use crate::{AuditOptions, AuditReport, AuditTargets, audit_at_rest, services};

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
    /// The topics were lost, and know nothing from longer ago than this, such as 2h: judge older
    /// orders by the databases alone
    #[arg(long, value_name = "TIME", value_parser = crate::age::parse)]
    topics_since: Option<Duration>,
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
    let Command { invariants_only, allow_dead_letters, allow_pending_effects, .. } = command;
    let Command { topics_since, all, json, .. } = command;
    let options = AuditOptions {
        lines: if all { usize::MAX } else { AuditOptions::default().lines },
        invariants_only,
        allow_dead_letters,
        topics_since: topics_since
            .and_then(|age| Timestamp::now().checked_sub(SignedDuration::try_from(age).ok()?).ok()),
        allow_pending_effects,
        ..AuditOptions::default()
    };
    let (targets, options) = prepare(options, connections, databases).await?;
    connections.kafka().await?;
    let report = audit_at_rest(&targets, &options, connections.wait(), progress).await?;
    if json {
        print_json(&report.to_json())?;
    } else {
        print(report.to_string().trim_end())?;
    }
    let (wrong, blind) = (!report.violations().is_empty(), !report.unknown.is_empty());
    if !wrong && !blind && !report.not_at_rest().is_empty() {
        return Ok(ExitCode::from(NOT_AT_REST));
    }
    Ok(exit::of(wrong, blind))
}

/// One audit as it is at this moment, for who looks again and again.
pub(crate) async fn once(
    connections: &Connections,
    databases: &Databases,
) -> anyhow::Result<AuditReport> {
    let (targets, options) = prepare(AuditOptions::default(), connections, databases).await?;
    Ok(audit_at_rest(&targets, &options, Duration::ZERO, |_| {}).await?)
}

/// Where the fleet is, and what operators have decided.
async fn prepare(
    options: AuditOptions,
    connections: &Connections,
    databases: &Databases,
) -> anyhow::Result<(AuditTargets, AuditOptions)> {
    let all: Vec<String> = services().map(str::to_owned).collect();
    let archive = Archive::read(connections, &all, None).await?;
    let options = AuditOptions {
        settled_letters: settled_letters(&archive, connections),
        decisions: archive.log.decisions(),
        ..options
    };
    let database_urls: Result<HashMap<String, String>, _> = services()
        .map(|service| Ok((service.to_owned(), databases.url(service)?.clone())))
        .collect();
    let targets = AuditTargets {
        database_urls: database_urls.map_err(|error: crate::databases::NoDatabase| error)?,
        registry: connections.registry().await?,
        kafka_brokers: connections.kafka_brokers.clone(),
        topics: connections.topic_prefix.clone(),
    };
    Ok((targets, options))
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
    remark(&format!("waiting for rest; open: {}", open.join(", ")));
}
