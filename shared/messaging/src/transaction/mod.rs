//! A batch's transaction: what is taken for true or read, the decisions, and what is written.
//!
//! All of it happens or nothing, whatever breaks and whoever drops it halfway: the write is one
//! statement. What was taken for true without having been read is guarded by it.

pub(crate) mod batch;
pub(crate) mod cache;
pub(crate) mod known;
