//! Pictures, as SVG made here: deterministic, with links and titles, and readable without colours.

mod lanes;
mod spark;

pub(crate) use lanes::{Awaiting, Expected, Lanes, Moment, color};
pub(crate) use spark::spark;
