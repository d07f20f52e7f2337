//! The read model of the console (CQRS): a row per order, folded from the events in the topics, with counts
//! that are kept and never counted, in a database of its own.
//!
//! [`Projector`] reads the topics and writes; [`Store`] is what it has written, for who shows it. How far it
//! has read is written in the transaction that writes what follows from that, so each event is taken once,
//! wherever the process dies. An event that is published again is known by its number. Whatever order events
//! come in, the same rows result: so the database may be dropped at any time, and is made anew from the
//! topics, as far as these go back. It has nothing personal in it.
//!
//! What a row says of an order is the set of the facts that were said of it, which is the *way* that it went
//! or has gone so far. Whose move it is follows from that ([`stage()`]): as the topics tell it, which do not
//! tell what services have read.

mod board;
mod buckets;
mod counts;
mod event;
pub mod instruments;
mod order;
mod projector;
mod stage;
mod store;

pub use board::{Asked, Board, Doubt, RATES, WITHIN, Waiting, row_as_json};
pub use buckets::Durations;
pub use order::{Order, Step};
pub use projector::{Projector, Settings};
pub use stage::{Stage, reaction_to, stage};
pub use store::{
    Cursor, Error, Filter, Generation, Late, Minute, Open, Reading, Row, Store, Way, WayCount,
    put_copies,
};
