//! One look at everything, from outside: what is seen, and what is wrong by that.

mod facts;
mod health;
mod judge;
mod look;

pub use facts::{Calls, Database, Facts, Group, Health, Letters, Outbox, Seen, Service};
pub(crate) use judge::waited;
pub use judge::{Finding, Verdict, judge};
pub use look::{group, health_of, look};
