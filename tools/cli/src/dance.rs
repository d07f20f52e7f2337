//! In what the topics differ from what the services declare.

pub use crate::commands::graph::{Extent, differences};
