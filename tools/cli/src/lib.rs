//! What the program `farandole` does, for itself, for tests and for other tools: registers the schemas,
//! creates the topics, reads all events, audits a fleet, finds orders that hang and events that are missing,
//! and sees to dead letters.

#![deny(clippy::print_stdout, clippy::print_stderr)]
#![expect(clippy::doc_markdown, reason = "clap shows the comments as they stand")]

pub mod age;
mod audit;
pub mod calls;
mod command_line;
mod commands;
pub mod connections;
pub mod dance;
pub mod database;
pub mod databases;
pub mod decisions;
pub mod found;
pub mod gaps;
pub mod http;
pub mod instruments;
pub mod looking;
pub mod masking;
pub mod outcomes;
mod print;
mod progress;
pub mod reader;
pub mod record;
pub mod recovery;
pub mod retries;
mod running;
mod schemas;
pub mod sessions;
mod state;
pub mod status;
pub mod story;
pub mod stuck;
mod table;
pub mod text;
mod topics;
mod unreadable;
mod urls;

pub use audit::{
    AuditError, AuditOptions, AuditReport, AuditTargets, Check, audit, audit_at_rest, audit_now,
};
pub use command_line::{given_fleet, main};
pub use declarations::{InvalidSchemas, Schemas};
pub use schemas::{SchemaReport, SchemaState, check_schemas, register_schemas};
pub use state::followed;
pub use topics::{TopicShape, check_topics, clients, create_topics};
pub use unreadable::Unreadable;
pub use urls::ServiceUrls;

/// The order, which is the saga of each event.
pub use kernel::SagaKey as OrderId;

/// The services of the fleet that is looked at, in the order in which an order meets them.
pub fn services() -> impl DoubleEndedIterator<Item = &'static str> + ExactSizeIterator {
    declarations::fleet().names()
}

/// The services whose events a service reads.
pub fn sources(service: &str) -> Vec<&'static str> {
    let consumes = declarations::fleet().service(service).into_iter().flat_map(|it| &it.consumes);
    let mut sources: Vec<&str> = consumes.map(|consumed| consumed.from.as_str()).collect();
    sources.sort_unstable();
    sources.dedup();
    sources
}
