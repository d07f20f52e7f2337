//! The inventory service.

pub mod domain;
pub mod events;
