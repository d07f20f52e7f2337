//! Each command is one module.

pub(crate) mod audit;
pub(crate) mod calls;
pub(crate) mod catalogue;
pub(crate) mod contracts;
pub(crate) mod databases;
pub(crate) mod dlq;
pub(crate) mod events;
pub(crate) mod exit;
pub(crate) mod exporter;
pub(crate) mod gaps;
pub(crate) mod graph;
pub(crate) mod help;
pub(crate) mod new;
pub(crate) mod orders;
pub(crate) mod retries;
pub(crate) mod schemas;
pub(crate) mod status;
pub(crate) mod topics;
