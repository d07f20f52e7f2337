//! What a committed batch leaves to be done, and who does it.
//!
//! All of it is in the tables until it is done: events in the outbox, calls as intents, records in
//! the retry queue, missing numbers as gaps. What is handed over in memory is only quicker. Each
//! runs by itself, and the service ends if one of them does.

pub(crate) mod backlog;
mod breaker;
pub(crate) mod dead_letters;
pub(crate) mod dispatcher;
pub(crate) mod effects;
pub(crate) mod gap_repair;
pub(crate) mod housekeeping;
pub(crate) mod locks;
pub(crate) mod operations;
pub(crate) mod outputs;
pub(crate) mod relay;
pub(crate) mod resequencer;
mod sweep;
