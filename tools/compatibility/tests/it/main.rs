//! The rules, case by case.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cases;
mod document;
mod fleet;
mod kit;
mod properties;
mod rendered;
mod rules;
mod states;
