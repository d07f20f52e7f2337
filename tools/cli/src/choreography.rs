//! The fleet that is looked at, as sets and numbers: services, facts, and what each status means. All
//! of it comes from what the services declare.

mod facts;
mod rules;

pub(crate) use facts::{Fact, Facts, Service, Services};
pub(crate) use rules::{Rule, end_of, number, rule, status};
