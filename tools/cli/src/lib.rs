//! What the program `farandole` does, for tests and other tools: registers the schemas, creates
//! the topics, reads all events.

pub mod reader;
mod schemas;
mod topics;

pub use schemas::{
    InvalidSchemas, SchemaReport, SchemaState, Schemas, check_schemas, register_schemas,
};
pub use topics::{TopicShape, check_topics, clients, create_topics};
