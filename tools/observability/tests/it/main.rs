//! The rules for Prometheus, tried with Prometheus' own tools.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod annotations;
mod configurations;
mod expression;
mod files;
mod mutations;
mod scenarios;
mod thresholds;
mod tools;
