//! Each command is one module.

pub(crate) mod audit;
pub(crate) mod calls;
pub(crate) mod dlq;
pub(crate) mod events;
pub(crate) mod gaps;
pub(crate) mod orders;
pub(crate) mod schemas;
pub(crate) mod topics;
