//! What is seen in the topics, held against what is declared.

mod causes;
mod difference;
mod numbers;
mod observer;
mod sample;
mod surroundings;

#[cfg(test)]
mod tests;

pub use difference::{Difference, Example, Rule};
pub use observer::{Header, Observed, Observer, SchemaIds, Seen};
pub use surroundings::{ReaderGroup, Reading, Surroundings};
