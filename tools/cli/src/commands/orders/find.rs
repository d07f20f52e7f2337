use std::process::ExitCode;

use serde_json::json;
use uuid::Uuid;

use crate::commands::exit;
use crate::connections::Connections;
use crate::databases::Databases;
use crate::found::{event, orders_of};
use crate::print::{print, print_json, remark};

#[derive(clap::Args)]
pub(crate) struct Find {
    /// A customer, a correlation id, or an event's id; all of it
    #[arg(value_name = "TEXT")]
    wanted: String,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(
    Find { wanted, json }: &Find,
    connections: &Connections,
    databases: &Databases,
) -> anyhow::Result<ExitCode> {
    let mut known = orders_of(wanted, databases).await;
    let mut place = None;
    if let Ok(id) = wanted.parse::<Uuid>() {
        match event(id, connections).await {
            Ok(found) => place = found,
            Err(why) => known.unseen.push(format!("events: {why}")),
        }
    }
    if *json {
        let event = place.as_ref().map(|(order, at)| {
            json!({"order": order, "service": at.service, "partition": at.partition, "offset": at.offset})
        });
        print_json(&json!({"orders": known.orders, "event": event, "unseen": known.unseen}))?;
    } else {
        let mut lines: Vec<String> = known.orders.iter().map(ToString::to_string).collect();
        lines.extend(place.as_ref().map(|(order, at)| {
            let topic = connections.topic_prefix.events(at.service);
            format!(
                "{order}: the event is in {topic}, partition {}, offset {}",
                at.partition, at.offset
            )
        }));
        print(&match known.orders.first().or(place.as_ref().map(|(order, _)| order)) {
            Some(first) => format!("{}\n\nNext: farandole orders show {first}", lines.join("\n")),
            None => format!("Nothing is found for {wanted}."),
        })?;
        for why in &known.unseen {
            remark(why);
        }
    }
    let is_found = !known.orders.is_empty() || place.is_some();
    Ok(match (is_found, known.unseen.is_empty()) {
        (true, _) => ExitCode::SUCCESS,
        (false, is_seen) => exit::of(is_seen, !is_seen),
    })
}
