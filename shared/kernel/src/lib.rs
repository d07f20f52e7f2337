//! The vocabulary every crate shares: ids, money, quantities, decisions, what a text
//! may be, and how an error is told.
//!
//! Pure: no I/O, no clock, no randomness. What is built here cannot be invalid, so nobody
//! downstream checks again.

mod decision;
mod error_chain;
mod id;
pub mod iso;
mod money;
mod saga_key;
mod sku;
pub mod text;

pub use decision::{Decision, Effect, NoEffect, StateMachine};
pub use error_chain::error_chain;
pub use id::least_id;
pub use money::{Currency, InvalidCurrency, Money, Overflow};
pub use saga_key::SagaKey;
pub use sku::{InvalidQuantity, InvalidSku, MAX_QUANTITY, Quantity, Sku};
