//! What the tests of all services check in the same way: [`schemas`] holds Rust types equal to
//! their Avro schemas, [`machine`] drives a state machine through its table and through every
//! order of arrival.
//!
//! For tests only. Nothing here returns an error: a panic is the report.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod machine;
pub mod schemas;
