//! The loop on the real Kafka, registry and Postgres, with a small service of the tests' own.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a panic in a test is its report")]

mod gateway;
mod instance;
mod letter;
mod proxy;
mod shop;
mod stage;
mod tally;
mod topic;

mod backlog;
mod counters;
mod crash;
mod decisions;
mod dropped;
mod effects;
mod foreign;
mod gaps;
mod lanes;
mod life;
mod locks;
mod once;
mod outage;
mod poison;
mod rebalance;
mod redrive;
mod relay;
mod replay;
mod slow;
mod start;
mod unregistered;
mod vanished;
