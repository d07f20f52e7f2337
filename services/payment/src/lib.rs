//! The payment service.

pub mod domain;
pub mod events;
