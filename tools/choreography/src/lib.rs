//! The fleet that is looked at, as sets and numbers: services, facts, what each status means, and whose
//! move it is. All of it comes from what the services declare. Pure.

mod facts;
mod log;
mod moves;
mod next;
mod rules;

pub use facts::{Fact, Facts, Service, Services, Wanted};
pub use log::Essentials;
pub use moves::{Awaited, Move, NOT_ASKED, States, UNKNOWN, fate, moves};
pub use next::next;
pub use rules::{Rule, end_of, number, rule, status};
