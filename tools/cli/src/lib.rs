//! What the program `farandole` does, for tests and other tools: registers the schemas, creates
//! the topics, reads all events, audits a fleet, finds orders that hang and events that are missing.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod audit;
pub mod database;
pub mod decisions;
pub mod gaps;
pub mod outcomes;
pub mod reader;
mod schemas;
pub mod sessions;
mod state;
pub mod stuck;
pub mod text;
mod topics;
mod unreadable;

pub use audit::{
    AuditError, AuditOptions, AuditReport, AuditTargets, Check, audit, audit_at_rest,
    audited_events, audited_services, sources,
};
pub use schemas::{
    InvalidSchemas, SchemaReport, SchemaState, Schemas, check_schemas, register_schemas,
};
pub use topics::{TopicShape, check_topics, clients, create_topics};
pub use unreadable::Unreadable;

/// The order, which is the saga of each event.
pub use kernel::SagaKey as OrderId;

/// The five services, in the order in which an order meets them.
pub const SERVICES: [&str; 5] = ["order", "inventory", "payment", "shipping", "notification"];
