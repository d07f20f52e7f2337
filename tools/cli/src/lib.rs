//! What the program `farandole` does, for tests and other tools: registers the schemas, creates
//! the topics, reads all events, audits a fleet.

mod audit;
pub mod reader;
mod schemas;
mod topics;

pub use audit::{
    AuditError, AuditOptions, AuditReport, AuditTargets, Check, audit, audit_at_rest,
    audited_events, audited_services,
};
pub use schemas::{
    InvalidSchemas, SchemaReport, SchemaState, Schemas, check_schemas, register_schemas,
};
pub use topics::{TopicShape, check_topics, clients, create_topics};
