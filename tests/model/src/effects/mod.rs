//! The calls to the outside in the model checker: what has each made until its outcome is known, and
//! that outcome committed once, whatever happens to the instances, to the table and to the answers.
//!
//! **What is explored.** The calls of two instances of a service, each with a
//! [`Dispatcher`](messaging::Dispatcher), the one that runs, with its circuit breakers; the table of
//! intents; and some calls to two destinations, one of which hangs when it likes ([`Bounds`]). At any
//! moment any of this may happen next ([`Action`]):
//! - an instance commits the next intents, as a row. It hears of it sooner or later, and has them in
//!   memory; or it does not hear, or the lane is full;
//! - a call that is under way is answered, or it is not: there was no answer within the limit, or
//!   the call panicked, and the provider has heard of it or has not. For as long as none of this
//!   happens it hangs;
//! - the time comes to try a call again, or for a probe;
//! - calls that have failed are put off in the table: each is taken out of its row and gets one of
//!   its own. Or the database is away, and they are not;
//! - a lease ends, for nobody has the calls in memory or although somebody has; an instance claims
//!   rows that are due, or untried ones of an instance that is gone;
//! - an outcome is committed, which closes the intent if it is open, and changes nothing if it is
//!   not; the answer to that may be lost, and then it comes again;
//! - an order ends while its call is open; an instance ends, and its memory is gone.
//!
//! What may go at once goes at once: between two steps no call waits that the dispatcher would let
//! go.
//!
//! **What is checked** ([`properties`]): in every world that can be reached an intent is in the
//! table, once, until its outcome is committed; that happens at most once, and not before the call
//! has reached its provider, always under the same key; no more calls are under way than there are
//! slots; a first try waits for nothing but calls to its own destination; and a probe is not a call
//! that nobody waits for. In every world in which nothing is left that happens by itself every
//! outcome is committed. And unless something goes wrong each step brings that end nearer, so it
//! comes.
//!
//! **How it stays small.** A lease has ended or it has not. The dispatcher's clock stands still but
//! for the time to the next probe. That a destination has failed nearly often enough to open its
//! circuit is how it begins, where that matters.
//!
//! **What is left out.** SQL: a statement is one step. What an outcome leads to, and giving up: that
//! is for the service to decide, and in the model of the fleet. Full lanes are a fault like others:
//! a model has a handful of calls. More than one destination that hangs: with enough of them all
//! slots are taken, until the calls' limit is over.

mod action;
mod bounds;
mod model;
mod mutant;
pub mod properties;
mod steps;
mod world;

pub use action::{Action, Told};
pub use bounds::{Bounds, Destination, Faults};
pub use model::Effects;
pub use mutant::Mutant;
pub use world::{Id, World};
