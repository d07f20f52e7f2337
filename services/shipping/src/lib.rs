//! The shipping service.

pub mod domain;
pub mod events;
