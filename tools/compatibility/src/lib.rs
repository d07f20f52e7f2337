//! Which change of an event's schema breaks whom: checks of event contracts, by rules with numbers.
//!
//! An event can change without breaking anyone, since topics keep events of all versions and services are
//! deployed in any order. So every released version is compared with every other, every reader schema
//! with every version, and values of every version are read in two ways: as Avro says, and as the
//! services do. What is wrong is said with its place, with who reads it, and with how to mend it.
//!
//! Everything here is pure: [`Tree`] is made of files that others have read, [`Contracts::check`] checks
//! it, and [`render`] makes texts of what was found.

mod accepted;
mod alone;
mod changes;
mod check;
mod decoding;
mod deploy;
mod deployable;
mod draft;
mod finding;
mod json_lines;
mod path;
mod readable;
pub mod render;
mod rule;
mod schema;
mod tree;
mod versus;

pub use check::{Before, Contracts, Report, Subject};
pub use decoding::Reading;
pub use deployable::{Obstacle, Occurring, obstacles};
pub use finding::{Finding, Place, User};
pub use rule::{Rule, Rules, Verdict};
pub use tree::{ACCEPTED, Accepted, InvalidTree, RELEASED, Tree};
pub use versus::{Fate, Registry, fate, registry};
