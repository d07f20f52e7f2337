use std::process::ExitCode;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::audit::prepared;
use crate::commands::exit::{self, NOT_AT_REST};
use crate::connections::Connections;
use crate::databases::Databases;
use crate::print::{print, print_json, remark};
use crate::{AuditOptions, AuditReport, audit_at_rest};

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
    let (targets, options) = prepared(options, connections, databases).await?;
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

fn progress(report: &AuditReport) {
    let open = report.checks.iter().filter(|check| check.count > 0);
    let open: Vec<String> = open.map(|check| format!("{} {}", check.count, check.name)).collect();
    remark(&format!("waiting for rest; open: {}", open.join(", ")));
}
