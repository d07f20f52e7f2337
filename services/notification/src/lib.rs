//! The notification service.

pub mod domain;
pub mod events;
