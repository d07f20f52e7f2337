//! How a service's loop begins and ends, what it needs for that, and the replay, which is a loop
//! with a beginning and an end of its own.

pub(crate) mod engine;
pub(crate) mod replay;
pub(crate) mod start;
mod upkeep;
