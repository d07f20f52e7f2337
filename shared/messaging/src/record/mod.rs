//! One record: what it says, by its writer's schema, and whether it is for this service.

mod ignored;
pub(crate) mod message;
pub(crate) mod readers;
pub(crate) mod skipped;
