//! The files of the catalogue, held against what others say of their form.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod asyncapi;
mod page;
mod support;
