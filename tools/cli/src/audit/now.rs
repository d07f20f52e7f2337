//! An audit of the fleet that a command line or a setting names.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::{AuditOptions, AuditReport, AuditTargets, audit_at_rest};
use crate::connections::Connections;
use crate::databases::Databases;
use crate::recovery::{Archive, LetterId};
use crate::services;

/// Audits a fleet as it is at this moment, for who looks again and again.
///
/// # Errors
/// When the topics or the registry cannot be read. A database that cannot be read is named in the report.
pub async fn audit_now(
    connections: &Connections,
    databases: &Databases,
) -> anyhow::Result<AuditReport> {
    let (targets, options) = prepared(AuditOptions::default(), connections, databases).await?;
    Ok(audit_at_rest(&targets, &options, Duration::ZERO, |_| {}).await?)
}

/// Where the fleet is, and what operators have decided.
pub(crate) async fn prepared(
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
