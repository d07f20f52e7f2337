//! The operator's tool.

#![expect(clippy::doc_markdown, reason = "clap shows the comments as they stand")]

mod commands;
mod connections;
mod databases;
mod table;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use farandole_cli::InvalidSchemas;
use messaging::{AdminError, ReadError, RegistryError};

use crate::commands::{dlq, events, schemas, topics};
use crate::connections::Connections;
use crate::databases::{Databases, NoDatabase};

/// Prepares and watches a Farandole fleet.
///
/// Before the services are started for the first time, and again with each new release:
///
///   farandole schemas register
///   farandole topics create
///
/// Exit codes: 0 all is well; 1 a check found differences, or something was refused; 2 wrong
/// usage; 3 Kafka, the schema registry or a database cannot be reached.
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
    /// The events in the topics
    #[command(subcommand)]
    Events(events::Command),
    /// Dead letters: what services could not process
    #[command(subcommand)]
    Dlq(dlq::Command),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { command, connections, databases } = Arguments::parse();
    let result = match command {
        Command::Schemas(command) => schemas::run(command, &connections).await,
        Command::Topics(command) => topics::run(command, &connections).await,
        Command::Events(command) => events::run(command, &connections).await,
        Command::Dlq(command) => dlq::run(command, &connections, &databases).await,
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
    let kafka = error.downcast_ref::<AdminError>().or(match error.downcast_ref() {
        Some(ReadError::Kafka(kafka)) => Some(kafka),
        _ => None,
    });
    let registry_away = matches!(error.downcast_ref(), Some(RegistryError::Unavailable { .. }))
        || matches!(error.downcast_ref(), Some(ReadError::RegistryAway(_)));
    match kafka {
        Some(AdminError::Unavailable { .. }) => {
            (3, Some("Start it, or set KAFKA_BROKERS to where it is; --wait 60 waits for it."))
        }
        Some(AdminError::Missing(_)) => (1, Some("Run `farandole topics create`.")),
        _ if registry_away => (
            3,
            Some("Start it, or set SCHEMA_REGISTRY_URL to where it is; --wait 60 waits for it."),
        ),
        _ if error.is::<InvalidSchemas>() => (2, None),
        _ if error.is::<NoDatabase>() => (3, None),
        _ => (1, None),
    }
}
