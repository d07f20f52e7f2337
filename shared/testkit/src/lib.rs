//! For tests only: types held equal to schemas, state machines driven through every order of
//! arrival, and the real stack.
//!
//! Nothing here returns an error: a panic is the report.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

mod alone;
mod conformance;
mod events;
pub mod group;
pub mod http;
mod late_registry;
pub mod machine;
pub mod raw;
mod sandbox;
pub mod schemas;
mod statements;

pub use alone::assert_conforms;
pub use conformance::Conformance;
pub use late_registry::LateRegistry;
pub use runtime::database;
pub use sandbox::{Sandbox, api, eventually, programs, stack};
pub use stack::{Options, Part, Stack};
pub use statements::{StatementBatch, StatementLog};
