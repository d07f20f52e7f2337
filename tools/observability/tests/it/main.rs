//! The rules for Prometheus, tried with Prometheus' own tools, and the dashboards, held against rules.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod annotations;
mod configurations;
mod dashboards;
mod expression;
mod files;
mod mutations;
mod scenarios;
mod thresholds;
mod tools;
