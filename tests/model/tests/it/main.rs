//! The model: that everything holds in it, that it would be missed if it didn't, and that it is of
//! the fleet that runs.
// A panic in a test's helper is the report, as in the test itself.
#![allow(clippy::unwrap_used)]

mod effects;
mod fleet;
mod likeness;
mod relay;
