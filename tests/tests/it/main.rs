//! What spans services.
// A panic in a test's helper is the report, as in the test itself.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod alerts;
mod architecture;
mod audit;
mod books;
mod browser;
mod calls;
mod catalogue;
mod chaos;
mod conformance;
mod console;
mod contracts;
mod crash_points;
mod dead_letters;
mod deadlines;
mod demo;
mod graph;
mod independent;
mod load;
mod metrics;
mod projection;
mod rolling;
mod secrets;
mod status;
mod stories;
mod test_fleet;
mod trace;
mod upgrade;
