//! To be.

pub mod conformance;
