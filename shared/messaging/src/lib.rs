//! The loop that every service runs.
//!
//! One transaction per batch: the ids go into the inbox, the orders' states are loaded, the
//! service decides in memory, and states, outgoing events and intended calls are written set-wise.
//! Only after the commit are offsets stored. The [`Service`] trait is what a service brings; this
//! crate brings the rest.
//!
//! What is guaranteed: an event's effect happens once (inbox), an event that was decided is
//! published at least once and in order per order (outbox and relay), a call to the outside is
//! made until its outcome is known, always with the same key (effects), and a record that cannot
//! be processed is kept, first in the retry queue, then in the dead-letter topic.

mod backlog;
mod batch;
mod breaker;
mod counters;
mod crash;
mod db;
mod dead_letters;
mod effects;
mod engine;
mod failure;
mod gaps;
mod handle;
mod inbox;
mod instance;
mod intents;
mod lag;
mod message;
mod outbox;
mod pace;
mod readers;
mod relay;
mod replay;
mod retry;
mod service;
mod settings;
mod start;
mod state_table;
mod states;
mod trace;

pub use crash::point as crash_point;
pub use db::Db;
pub use effects::{Call, CallError};
pub use engine::Engine;
pub use failure::Failure;
pub use handle::Handle;
pub use inbox::{forget as forget_inbox, prepare as prepare_inbox};
pub use instance::LIVE as LIVE_INSTANCES;
pub use message::Cause;
pub use outbox::{Bundle, BundleId, Outbox, Outgoing};
pub use pace::Pace;
pub use replay::{Replay, ReplayError, ReplayFailure, Replayed, Stretch};
pub use service::{Effect, Monitor, Reaction, Service, World};
pub use settings::{RetryPolicy, Settings};
pub use start::StartError;
pub use state_table::StateTable;
pub use states::{Changed, Row, Seen, States, Stream};
pub use trace::{remote_context, trace_parent};

// The macro makes undocumented public items; what leaves this crate is documented below.
#[allow(missing_docs)]
mod embedded {
    refinery::embed_migrations!("migrations");
}

/// The migrations of the loop's tables, to be run before the service's own.
pub fn migrations() -> refinery::Runner {
    embedded::migrations::runner()
}
