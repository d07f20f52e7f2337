//! What is taken in, and how far it has come: the loop, the records and errors that it polls, the
//! records that fail.
//!
//! Kafka is told that a record is done only when its effect is committed, or the record is kept in
//! the retry queue.

pub(crate) mod consumer_loop;
pub(crate) mod delays;
pub(crate) mod ends;
mod failures;
pub(crate) mod group;
pub(crate) mod listener;
mod polled;
