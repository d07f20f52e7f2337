//! All there is to know of one order.

use std::process::ExitCode;

use super::text::of_service;
use crate::OrderId;
use crate::age::ago;
use crate::commands::exit;
use crate::connections::Connections;
use crate::databases::Databases;
use crate::print::{one_line, print, print_json};
use crate::story::{Story, story};
use crate::stuck::{DeadLetter, Said};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The order
    #[arg(value_name = "ORDER")]
    order: OrderId,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    Arguments { order, json }: Arguments,
    connections: &Connections,
    databases: &Databases,
) -> anyhow::Result<ExitCode> {
    let story = story(order, None, connections, databases).await?;
    if json {
        print_json(&story.as_json())?;
    } else {
        print(&as_text(&story))?;
    }
    Ok(exit::of(!story.is_known(), !story.unknown.is_empty()))
}

fn as_text(story: &Story) -> String {
    let mut lines = head(story);
    let known_by = story.about.known_by.iter();
    lines.extend(known_by.map(|(service, status)| format!("  {service:<12} {status}")));
    let mut part = |title: &str, items: Vec<String>| {
        if !items.is_empty() {
            lines.extend([String::new(), format!("{title}:")]);
            lines.extend(items);
        }
    };
    part("Open", story.about.services.iter().flat_map(of_service).collect());
    part("Dead letters", story.letters.iter().map(letter).collect());
    part("Events", story.events.iter().map(event).collect());
    part("Not seen", story.unknown.iter().map(|why| format!("  {why}")).collect());
    if story.about.placed.is_none() && story.is_known() {
        lines.push(String::new());
        lines.extend(ORPHANED.map(str::to_owned));
    }
    let lines: Vec<_> = lines.iter().map(|line| one_line(line)).collect();
    lines.join("\n")
}

fn head(story: &Story) -> Vec<String> {
    let id = story.about.order_id;
    let Some(placed) = &story.about.placed else {
        return vec![if story.is_known() {
            format!("{id} is unknown to the order service, and others know it: an orphan.")
        } else {
            format!("Nobody knows order {id}.")
        }];
    };
    let reason = placed.cancel_reason.as_ref().map(|reason| format!(": {reason}"));
    vec![format!(
        "{id} {}{} for {}, placed at {:.0}",
        placed.status,
        reason.unwrap_or_default(),
        ago(placed.since),
        placed.placed_at
    )]
}

/// How an order may come to be without the order service.
const ORPHANED: [&str; 2] = [
    "Next: it was placed in another fleet, or the order service's database was restored from a backup,",
    "  or somebody else writes events (docs/operations.md, \"Restoring a database\")",
];

fn letter((letter, discarded): &(DeadLetter, bool)) -> String {
    let event = letter.event.as_deref().unwrap_or("a record without a type");
    let error = letter.last_error.as_deref().unwrap_or("no error is recorded");
    let state = if *discarded { " (discarded)" } else { "" };
    format!("  {} {event}{state}: {error}", letter.id)
}

fn event(said: &Said) -> String {
    let at = said.at.map_or_else(|| "-".to_owned(), |at| format!("{at:.3}"));
    let event = said.event.as_deref().unwrap_or("a record without a type");
    let sequence = said.sequence.as_deref().unwrap_or("-");
    let (topic, partition, offset) = &said.place;
    let again = said.redriven_for.as_ref().map(|group| format!(", put back for {group}"));
    format!(
        "  {at} {:<12} {event:<22} {sequence:<3} {topic} {partition} at {offset}{}",
        said.service,
        again.unwrap_or_default()
    )
}
