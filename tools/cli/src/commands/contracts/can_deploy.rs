//! Whether a service can be deployed beside what is there.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use compatibility::{Obstacle, Occurring, obstacles};
use contracts::{Declared, Topics, frame_schema_id, headers};
use declarations::{Fleet, Schemas, fleet};
use kafka::{AdminError, Bounds, Registry, RegistryError, Scanned, scan, windows};
use serde_json::json;
use tokio::task::spawn_blocking;

use crate::ServiceUrls;
use crate::command_line::Misused;
use crate::commands::exit;
use crate::connections::Connections;
use crate::print::{print, print_json, remark};
use crate::progress::Progress;
use crate::running::{Asked, ask};

/// How many schemas of one type of events are told apart. Whoever can write to a topic could make any
/// number up.
const IDS_MAX: usize = 200;

#[derive(clap::Args)]
pub(crate) struct CanDeploy {
    /// The service
    #[arg(long, value_name = "SERVICE")]
    service: String,
    /// The tree that it is to be deployed from, a directory with schemas/ and services/ [default: this
    /// one, or what is built in]
    #[arg(long, value_name = "DIR")]
    tree: Option<PathBuf>,
    /// Where further instances answer, which are not asked otherwise
    #[arg(long, value_name = "URL")]
    also: Vec<String>,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
    #[command(flatten, next_help_heading = "Services")]
    urls: ServiceUrls,
}

/// By which schemas what is there was written: service, event type and id, with how many, and the first.
type Found = BTreeMap<(String, String, i32), (u64, String)>;

pub(super) async fn run(
    arguments: CanDeploy,
    connections: &Connections,
) -> anyhow::Result<ExitCode> {
    let CanDeploy { service, tree, also, json, urls } = arguments;
    let here = super::tree_of(tree.as_deref());
    let (services, schemas) = match here {
        Some(tree) => (Fleet::read(&tree.join("services"))?, Schemas::read(&tree.join("schemas"))?),
        None => (fleet().clone(), Schemas::embedded()),
    };
    let Some(to_be) = services.service(&service) else {
        let known = services.names().collect::<Vec<_>>().join(", ");
        return Err(Misused(format!("there is no service {service:?}; there are {known}")).into());
    };
    let registry = connections.registry().await?;
    let (brokers, topics) = (connections.kafka_brokers.clone(), connections.topic_prefix.clone());
    let (reads, names) = (to_be.clone(), services.names().map(str::to_owned).collect::<Vec<_>>());
    let found = spawn_blocking(move || look(&brokers, &topics, &reads, &names)).await??;
    let occurring = with_schemas(&registry, found).await?;
    let unregistered = unregistered(&registry, &connections.topic_prefix, to_be, &schemas).await?;
    let Asked { running, silent } = ask(Some(&urls), &also).await;
    for why in &silent {
        remark(why);
    }
    let newest = |service: &str, event: &str| newest(&schemas, service, event);
    let found = obstacles(to_be, services.services(), &running, &occurring, newest);
    let can = found.is_empty() && unregistered.is_empty();
    if json {
        let silent = &silent;
        print_json(&json!({
            "service": service,
            "can_deploy": can && silent.is_empty(),
            "obstacles": found,
            "unregistered": unregistered,
            "silent": silent,
        }))?;
    } else {
        print(&text(&service, &occurring, &running, &found, &unregistered, &silent))?;
    }
    Ok(exit::of(!can, !silent.is_empty()))
}

fn text(
    service: &str,
    occurring: &[Occurring],
    running: &[Declared],
    found: &[Obstacle],
    unregistered: &[String],
    silent: &[String],
) -> String {
    let mut lines = Vec::new();
    if !unregistered.is_empty() {
        lines.push(format!(
            "no   {service} writes {}, which the registry does not have.",
            unregistered.join(", ")
        ));
        lines.push("     first: farandole schemas register".to_owned());
    }
    for Obstacle { writer, reader, why, first } in found {
        lines.push(format!("no   {writer}, read by {reader}: {why}."));
        lines.push(format!("     first: {first}"));
    }
    let records: u64 = occurring.iter().map(|it| it.records).sum();
    let looked = format!(
        "{records} records by {} schemas in topics and dead letters, {} running instances",
        occurring.len(),
        running.len()
    );
    lines.push(match (found.len() + unregistered.len(), silent.len()) {
        (0, 0) => format!("Yes: {service} can be deployed ({looked})."),
        (0, silent) => format!("{silent} services gave no answer, so it is not known ({looked})."),
        _ => format!("No: {service} cannot be deployed yet ({looked})."),
    });
    lines.join("\n")
}

/// The text of the schema by which a service is to write an event.
fn newest(schemas: &Schemas, service: &str, event: &str) -> Option<String> {
    schemas.versions(service, event).last().map(|it| it.text.clone())
}

/// The subjects of what the service writes and the registry does not have.
async fn unregistered(
    registry: &Registry,
    topics: &Topics,
    to_be: &Declared,
    schemas: &Schemas,
) -> Result<Vec<String>, RegistryError> {
    let mut missing = Vec::new();
    for emitted in &to_be.emits {
        let Some(schema) = newest(schemas, &to_be.service, &emitted.event) else { continue };
        let subject = topics.subject(&to_be.service, &emitted.event);
        match registry.id_of(&subject, &schema).await {
            Ok(_) => {}
            Err(RegistryError::Missing(_)) => missing.push(subject),
            Err(error) => return Err(error),
        }
    }
    Ok(missing)
}

/// Looks by which schemas the events were written that a service reads, in their topics and among all
/// dead letters, from where they may be put back. Blocks.
fn look(
    brokers: &str,
    topics: &Topics,
    to_be: &Declared,
    names: &[String],
) -> Result<Found, AdminError> {
    let mut owners: BTreeMap<String, Option<String>> = BTreeMap::new();
    for read in &to_be.consumes {
        owners.insert(topics.events(&read.from), Some(read.from.clone()));
    }
    owners.extend(names.iter().map(|name| (topics.dead_letters(name), None)));
    let mut found = Found::new();
    let mut all = Vec::new();
    for topic in owners.keys() {
        match windows(brokers, std::slice::from_ref(topic), Bounds::Everything) {
            Ok(windows) => all.extend(windows),
            // Nothing is in it.
            Err(AdminError::Missing(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let mut progress = Progress::of(&all);
    scan(brokers, &all, |record| {
        progress.tell();
        take(to_be, owners.get(record.topic).and_then(Option::as_deref), record, &mut found);
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

fn take(to_be: &Declared, owner: Option<&str>, record: &Scanned<'_>, found: &mut Found) {
    let header = |name| std::str::from_utf8(record.header(name)?).ok();
    let Some(event) = header(headers::TYPE) else { return };
    let Some(source) = owner.or_else(|| header(headers::SOURCE)?.strip_prefix('/')) else { return };
    let is_read = to_be.consumes.iter().any(|it| it.from == source && it.event == event);
    // What names no schema is garbage whoever reads it.
    let Some(id) = record.payload.and_then(|payload| frame_schema_id(payload).ok()) else { return };
    if !is_read {
        return;
    }
    let key = (source.to_owned(), event.to_owned(), id);
    if found.len() >= IDS_MAX && !found.contains_key(&key) {
        return;
    }
    let first = || format!("{}/{}/{}", record.topic, record.partition, record.offset);
    found.entry(key).or_insert_with(|| (0, first())).0 += 1;
}

async fn with_schemas(registry: &Registry, found: Found) -> Result<Vec<Occurring>, RegistryError> {
    let mut occurring = Vec::new();
    for ((service, event, id), (records, first)) in found {
        let schema = match registry.schema(id).await {
            Ok(text) => Ok(text.to_string()),
            Err(error @ RegistryError::Unavailable(_)) => return Err(error),
            Err(error) => Err(error.to_string()),
        };
        occurring.push(Occurring { service, event, id, schema, records, first });
    }
    Ok(occurring)
}
