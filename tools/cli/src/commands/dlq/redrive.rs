use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use serde_json::json;

use super::author::words;
use super::left_out::left_out;
use super::request::Request;
use super::text::letters;
use crate::commands::exit;
use crate::connections::Connections;
use crate::databases::Databases;
use crate::print::{print, print_json};
use crate::recovery::{
    Archive, Chosen, Kind, Manner, Phase, Redriven, Report, Target, feasible, redrive,
};
use crate::table::table;

#[derive(clap::Args)]
pub(crate) struct Redrive {
    /// With IDs: also letters that were redriven or discarded before. What was applied is not
    /// applied twice
    #[arg(long, requires = "ids")]
    again: bool,
    /// Put back so many first, the oldest; go on once all of them are applied, and stop if one
    /// fails again
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    canary: Option<u32>,
    /// How many to put back a second
    #[arg(long, value_name = "NUMBER", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// How long to wait until it is known what became of them (of the canaries, and of all)
    #[arg(long, value_name = "SECONDS", default_value_t = 30,
          value_parser = clap::value_parser!(u64).range(0..=86_400))]
    outcome_wait: u64,
    /// Why, for whoever reads the log
    #[arg(long, value_name = "TEXT", value_parser = words)]
    reason: Option<String>,
    #[command(flatten)]
    request: Request,
}

pub(crate) async fn run(
    arguments: &Redrive,
    connections: &Connections,
    databases: &Databases,
) -> anyhow::Result<ExitCode> {
    let Request { selection, author, .. } = &arguments.request;
    let now = Timestamp::now();
    let wanted = selection.clone();
    let archive =
        Archive::read_payloads(connections, &selection.services(), move |id| wanted.may_mean(id))
            .await?;
    let chosen = selection.choose(&archive, now, arguments.again);
    let how = Redriven { by: &author.by, at: now, reason: arguments.reason.as_deref() };
    let chosen = feasible(chosen, &how, connections).await?;
    if arguments.request.dry_run {
        return plan(arguments, &chosen);
    }
    let count = chosen.letters.len();
    if !arguments.request.confirmed("Redrive", count)? {
        print("Nothing was redriven.")?;
        return Ok(exit::of(true, false));
    }
    let report = if count == 0 {
        Report::default()
    } else {
        let Redrive { request, reason, canary, rate, outcome_wait, .. } = arguments;
        let patience = Duration::from_secs(*outcome_wait);
        let manner = Manner { canary: *canary, rate: *rate, patience };
        let began = request.begins(Kind::Redrive, count, reason.as_deref());
        let bar = bar(count);
        let tell = |phase: Phase, put_back: usize| {
            bar.set_message(phase.words());
            bar.set_position(put_back as u64);
        };
        let report = redrive(connections, databases, &chosen, began, manner, &tell).await;
        bar.finish_and_clear();
        report?
    };
    if arguments.request.json {
        print_json(&report.as_json(&chosen))?;
    } else {
        print(&format!("{}{}", left_out(&chosen), report.as_text()))?;
    }
    let wrong = !chosen.left_out.is_empty() || report.has_failed();
    Ok(exit::of(wrong, report.is_unknown()))
}

/// Says what would be done.
fn plan(arguments: &Redrive, chosen: &Chosen<'_>) -> anyhow::Result<ExitCode> {
    let targets = chosen.targets();
    let count = chosen.letters.len();
    if arguments.request.json {
        let targets: Vec<serde_json::Value> = targets
            .iter()
            .map(|it| json!({"group": it.group, "topic": it.topic, "letters": it.letters}))
            .collect();
        let left_out = chosen.left_out_as_json();
        let plan = json!({"letters": count, "targets": targets, "left_out": left_out});
        print_json(&plan)?;
        return Ok(ExitCode::SUCCESS);
    }
    if count > 0 {
        let row = |target: &Target<'_>| {
            let Target { group, topic, letters, types } = target;
            let types: Vec<&str> = types.iter().map(|name| name.unwrap_or("-")).collect();
            [letters.to_string(), topic.clone(), group.clone(), types.join(",")]
        };
        let header = ["LETTERS", "TO TOPIC", "FOR GROUP", "TYPES"];
        print(&format!("{}\n", table(header, targets.iter().map(row))))?;
    }
    let canaries = arguments.canary.map_or_else(String::new, |canaries| {
        format!(", {} of them first", count.min(canaries as usize))
    });
    let seconds = count.div_ceil(arguments.rate as usize);
    print(&format!(
        "{}{} would be redriven{canaries}, in about {seconds} s. Next: the same without --dry-run",
        left_out(chosen),
        letters(count)
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Shows a person on a terminal how far it is; hidden elsewhere.
fn bar(letters: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg:22} {bar:30} {pos}/{len} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(letters as u64).with_style(style).with_message("putting back")
}
