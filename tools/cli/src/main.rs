//! The operator's tool.

#![expect(clippy::doc_markdown, reason = "clap shows the comments as they stand")]

mod age;
mod commands;
mod connections;
mod databases;
mod print;
mod table;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use farandole_cli::{AuditError, InvalidSchemas, Unreadable};
use kafka::{AdminError, ReadError, RegistryError};

use crate::commands::{audit, calls, dlq, events, gaps, orders, schemas, topics};
use crate::connections::Connections;
use crate::databases::{Databases, NoDatabase};

/// Prepares and watches a Farandole fleet.
///
/// Before the services are started for the first time, and again with each new release:
///
///   farandole schemas register
///   farandole topics create
///
/// When something seems wrong, what hangs and why, what is missing, and what was given up:
///
///   farandole orders stuck
///   farandole gaps
///   farandole dlq list
///
/// Exit codes: 0 all is well; 1 a check found differences, or something was refused; 2 wrong
/// usage; 3 Kafka, the schema registry or a database cannot be reached; 4 the fleet is not at rest.
#[derive(Parser)]
#[command(name = "farandole", version, verbatim_doc_comment)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connections: Connections,
    #[command(flatten)]
    databases: Databases,
}

#[derive(Subcommand)]
enum Command {
    /// The events' schemas in the registry
    #[command(subcommand)]
    Schemas(schemas::Command),
    /// The topics in Kafka
    #[command(subcommand)]
    Topics(topics::Command),
    /// Check what must hold, always and at rest, over databases, topics and dead letters
    ///
    /// It can be run at any time, also under load: it only reads, and joins no consumer group.
    /// Exit codes: 0 all holds; 1 something is violated; 4 nothing is violated, but something is
    /// still under way, or a dead letter is open. It holds about 1 kB of memory per order.
    Audit(audit::Command),
    /// The events in the topics
    #[command(subcommand)]
    Events(events::Command),
    /// Dead letters: what services could not process
    #[command(subcommand)]
    Dlq(dlq::Command),
    /// The orders that hang
    #[command(subcommand)]
    Orders(orders::Command),
    /// The calls to the outside: charges, refunds, bookings and mails
    #[command(subcommand)]
    Calls(calls::Command),
    /// List the events that services have noticed to be missing
    ///
    /// An order's events are numbered by each service that emits them. A service that reads a later
    /// one without the one before notices, searches the topic and repairs what it finds; here is
    /// what it has not found. The databases are needed, such as PAYMENT_DATABASE_URL; with --service
    /// only of those named. Nothing is changed. What was acknowledged to be lost is not listed.
    ///
    /// Exit codes: 0 nothing is missing; 1 something is; 3 a database cannot be read.
    #[command(verbatim_doc_comment)]
    Gaps(gaps::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { command, connections, databases } = Arguments::parse();
    let result = match command {
        Command::Audit(command) => audit::run(command, &connections, &databases).await,
        Command::Schemas(command) => schemas::run(command, &connections).await,
        Command::Topics(command) => topics::run(command, &connections).await,
        Command::Events(command) => events::run(command, &connections).await,
        Command::Dlq(command) => dlq::run(command, &connections, &databases).await,
        Command::Orders(command) => orders::run(command, &connections, &databases).await,
        Command::Calls(command) => calls::run(command, &connections, &databases).await,
        Command::Gaps(arguments) => gaps::run(arguments, &connections, &databases).await,
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        let (code, advice) = classify(&error);
        if let Some(advice) = advice {
            eprintln!("{advice}");
        }
        ExitCode::from(code)
    })
}

/// The exit code for an error, and what to do about it.
fn classify(error: &anyhow::Error) -> (u8, Option<&'static str>) {
    let audit = error.downcast_ref::<AuditError>();
    let kafka = error.downcast_ref::<AdminError>().or(match (error.downcast_ref(), audit) {
        (Some(ReadError::Kafka(kafka)), _) | (_, Some(AuditError::Kafka(kafka))) => Some(kafka),
        _ => None,
    });
    let registry = error.downcast_ref().or(match audit {
        Some(AuditError::Registry(registry)) => Some(registry),
        _ => None,
    });
    let registry_away = matches!(registry, Some(RegistryError::Unavailable(_)))
        || matches!(error.downcast_ref(), Some(ReadError::RegistryAway(_)));
    match kafka {
        Some(AdminError::Unavailable { .. }) => {
            (3, Some("Start it, or set KAFKA_BROKERS to where it is; --wait 60 waits for it."))
        }
        Some(AdminError::Missing(_)) => (1, Some("Run `farandole topics create`.")),
        _ if registry_away => (3, Some("--wait 60 waits for it.")),
        _ if error.is::<InvalidSchemas>() => (2, None),
        _ if error.is::<NoDatabase>() || error.is::<Unreadable>() => (3, None),
        _ if matches!(audit, Some(AuditError::Database { .. })) => (3, None),
        _ => (1, None),
    }
}
