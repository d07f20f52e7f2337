//! The runtime seen from outside: over real sockets, and as a process of its own.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a panic in a test is its report")]

mod database;
mod http;
mod process;
mod slow;
mod support;
