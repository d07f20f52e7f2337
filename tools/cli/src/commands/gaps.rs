use std::collections::BTreeSet;
use std::process::ExitCode;

use farandole_cli::SERVICES;
use farandole_cli::gaps::{Gap, Verdict, gaps};
use serde_json::json;

use crate::age::ago;
use crate::databases::Databases;
use crate::print::print;
use crate::table::table;

/// How many are shown of each service.
const SHOWN_MAX: i64 = 100;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only what these services miss
    #[arg(long, value_name = "NAME", value_parser = SERVICES)]
    service: Vec<String>,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(
    Arguments { service: wanted, json }: Arguments,
    databases: &Databases,
) -> anyhow::Result<ExitCode> {
    let (mut found, mut all) = (Vec::new(), 0);
    for service in SERVICES {
        if wanted.is_empty() || wanted.iter().any(|name| name == service) {
            let database = databases.connect(service).await?;
            let (of_service, number) = gaps(service, &database, SHOWN_MAX).await?;
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
             list when its event comes."
        }
    });
    let are = if all == 1 { "event is" } else { "events are" };
    let hidden = if more == 0 { String::new() } else { format!(", {more} of them not shown") };
    let lines: Vec<String> = std::iter::once(format!("{all} {are} missing{hidden}. Next:"))
        .chain(advice.map(|line| format!("  {line}")))
        .collect();
    lines.join("\n")
}
