//! Each command is one module.

pub(crate) mod dlq;
pub(crate) mod events;
pub(crate) mod schemas;
pub(crate) mod topics;
