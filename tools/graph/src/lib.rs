//! The graph of the dance: who says what to whom, as the services declare it. It is checked for what
//! would leave a saga hanging or half undone, drawn, and held against what is seen in the topics.
//!
//! Everything here is pure: whoever has declarations, from files or from running services, makes a
//! [`Graph`] of them.

mod checks;
mod drawing;
mod fate;
mod finding;
#[cfg(test)]
mod fixture;
mod history;
mod observed;
mod relations;

pub use drawing::{Edge, EdgeKind};
pub use finding::{Check, Finding, Verdict};
pub use observed::{
    Difference, Example, Header, Observed, Observer, ReaderGroup, Reading, Rule, SchemaIds, Seen,
    Surroundings,
};
pub use relations::Graph;

/// The type of an event that may be named with what tells it apart, such as `CustomerNotified:confirmed`.
fn type_of(kind: &str) -> &str {
    kind.split(':').next().unwrap_or(kind)
}
