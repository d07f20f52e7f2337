//! What must hold whatever happens, in a model checker: the code that runs in production, in every
//! order of things that can happen to it.
//!
//! - [`fleet`]: the decisions of the services;
//! - [`relay`]: how committed events get into the log, in order, from several instances;
//! - [`effects`]: how calls to the outside are made until their outcomes are committed.
//!
//! Each has properties that must hold in every world that can be reached, some that must be reached,
//! so that the others do not hold for want of anything happening, and mutants: guards that are
//! missed when they are removed.

pub mod effects;
pub mod fleet;
pub mod relay;
mod report;

pub use report::{Report, Telling};
