//! What watches a fleet, as far as it follows from something else: the objectives, their recording rules
//! and their alerts; and the dashboards.
//!
//! The other rules are written by hand, in `deploy/observability/rules`; this crate's tests try them, with
//! Prometheus' own tools. Pure: who calls it reads and writes.

pub mod dashboards;
pub mod objectives;
