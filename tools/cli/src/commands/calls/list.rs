use std::collections::BTreeMap;
use std::process::ExitCode;

use serde_json::json;

use super::text::{calls_table, number};
use crate::calls::{Filter, OpenCall, calls};
use crate::databases::Databases;
use crate::print::{print, print_json};

#[derive(clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    filter: Filter,
    /// How many to list of each service, the oldest first; of the rest only their number is told
    #[arg(long, value_name = "NUMBER", default_value_t = 50,
          value_parser = clap::value_parser!(u16).range(1..=10_000))]
    limit: u16,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(
    List { filter, limit, json }: &List,
    databases: &Databases,
) -> anyhow::Result<ExitCode> {
    let (mut found, mut all) = (Vec::new(), 0);
    for service in filter.services() {
        let mut database = databases.connect(service).await?;
        let (of_service, count) = calls(service, &mut database, filter, (*limit).into()).await?;
        found.extend(of_service);
        all += usize::try_from(count)?;
    }
    let more = all - found.len();
    if *json {
        print_json(&json!({ "calls": found, "more": more }))?;
    } else if found.is_empty() {
        print("No call that fits is open.")?;
    } else {
        print(&format!("{}\n\n{}", calls_table(&found), summary(&found, all, more)))?;
    }
    Ok(if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn summary(found: &[OpenCall], all: usize, more: usize) -> String {
    let hidden = if more == 0 { String::new() } else { format!(", {more} of them not listed") };
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for call in found {
        *states.entry(call.state()).or_default() += 1;
    }
    let advice = states.into_iter().map(|(state, count)| {
        let next = match state {
            "open" => {
                "made again by itself; farandole calls retry, park or settle, if that is not to be"
            }
            "parked" => "farandole calls unpark, or settle",
            _ => "farandole calls retry, or settle",
        };
        format!("  {count} {state}: {next}")
    });
    let lines = std::iter::once(format!("{}{hidden}.", number(all))).chain(advice);
    lines.collect::<Vec<_>>().join("\n")
}
