//! The loop that every service runs.
//!
//! The [`Service`] trait is what a service brings; this crate brings the rest. An event's way goes
//! through the folders:
//!
//! - `intake`: the loop polls what is there and gathers a batch;
//! - `record`: each record is read by its writer's schema, and kept whole until it is done with;
//! - `transaction`: a batch is one read and one write: what is remembered need not be read, the
//!   service decides in memory, and states, outgoing events and intended calls are written by one
//!   statement. Only after that are offsets stored;
//! - `tables`: what is in the database, a file per table, and how statements are put together;
//! - `after_commit`: the relay publishes, the calls to the outside are made, dead letters are moved,
//!   gaps are repaired;
//! - `lifecycle`: how all of it starts and ends; and replays.
//!
//! What is guaranteed: an event's effect happens once (inbox), an event that was decided is
//! published at least once and in order per saga (outbox and relay), a call to the outside is
//! made until its outcome is known, always with the same key (effects), and a record that cannot
//! be processed is kept, first in the retry queue, then in the dead-letter topic.

mod again;
mod call;
mod cause;
mod counters;
mod crash;
mod database;
mod failure;
mod never;
mod pace;
mod settings;
mod tasks;
mod trace;

mod tables;

mod service;
mod shared_counters;

mod record;

mod transaction;

mod after_commit;

mod handle;
pub mod instruments;
mod intake;
mod lifecycle;

pub use after_commit::dispatcher::{Dispatcher, Lane};
pub use after_commit::resequencer::{Resequencer, Sequenced, Whose};
pub use call::{Call, CallError, Gateway, NoGateway};
pub use cause::Cause;
pub use crash::point as crash_point;
pub use database::{Database, InvalidDatabaseUrl, Pool, Purpose, Session};
pub use failure::{Failure, database_error};
pub use handle::Handle;
pub use lifecycle::engine::Engine;
pub use lifecycle::replay::{Replay, ReplayError, ReplayFailure, Replayed, Stretch};
pub use lifecycle::start::StartError;
pub use pace::Pace;
pub use service::{DecisionOf, Monitor, Service, Shared, StateService};
pub use settings::{LoopSettings, RetryPolicy};
pub use shared_counters::{Counters, SharedCounters};
pub use tables::bundle::{BundleId, Outgoing};
pub use tables::counter_table::CounterTable;
pub use tables::inbox::{forget as forget_inbox, prepare as prepare_inbox};
pub use tables::instance::LIVE as LIVE_INSTANCES;
pub use tables::outbox::{Clearing, Outbox};
pub use tables::state_table::StateTable;
pub use tables::statement::{Columns, Found, JsonText, Placeholder, Read, Write};
pub use tables::states::{Row, Seen, State, StreamPosition};
pub use trace::{enable_tracing, remote_context, trace_parent, tracing_enabled};

/// Under which name events that are published and consumed are logged, at the level `debug`:
/// `RUST_LOG=info,events=debug` has them logged, and nothing else that is not otherwise.
pub(crate) const EVENTS: &str = "events";

/// The migrations of the loop's tables, to be run before the service's own.
pub fn migrations() -> sqlx::migrate::Migrator {
    sqlx::migrate!()
}
