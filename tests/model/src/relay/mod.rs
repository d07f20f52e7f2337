//! The relay in the model checker: what keeps an order's events in order on their way to the log,
//! whatever happens to the instances, to the table and to what is sent.
//!
//! **What is explored.** The relays of two instances of a service, each with a
//! [`Resequencer`](messaging::Resequencer), the one that runs; the table; and some orders
//! ([`Bounds`]). At any moment any of this may happen next ([`Action`]):
//! - an instance commits the next events of one or more orders, as a bundle. Either may, whichever
//!   committed the last: orders move, and commands go around the partitions anyway;
//! - a commit is answered, sooner or later, and the bundle is handed over; or it gets into nobody's
//!   memory, for the answer is lost or there is no room;
//! - a sweep finds a row that is the instance's own or a gone one's;
//! - an instance asks the table whether what an event follows is there, before the limit for other
//!   instances' rows or after it. The answer is used later, when the table may be another, and rows
//!   are taken over;
//! - what may go is sent, and Kafka's word comes: it is in the log; it may be, or get there even
//!   later; or it is refused, now and perhaps for ever;
//! - rows of what is in the log are deleted, and a crash of the server undoes that;
//! - an instance ends, and its memory is gone; or it lives, and the others do not see it.
//!
//! **What is checked** ([`properties`]): in every world that can be reached an order's events have
//! come into the log in order and without gaps, by their first appearances, and what is not in the
//! log is in the table. In every world in which nothing is left that happens by itself all is
//! published and deleted, but for what Kafka refuses and what follows that. And unless something
//! goes wrong each step brings that end nearer, so it comes.
//!
//! **How it stays small.** The log is a number for each order, since what comes again changes
//! nothing. Bundles are named for what is in them, so that it makes no difference in which order
//! they were committed. There are two times, before all limits and after them. A sweep takes row by
//! row: a page of any length, of rows of any age, is some of these steps.
//!
//! **What is left out.** SQL: a statement is one step. Conflicts of transactions: the version of an
//! order's state lets one of them through. That published bundles are forgotten after a while: more
//! of them than a model can have. Limits on what is sent at once. That the answer to a delete is
//! lost: then it is repeated, and finds nothing.

mod action;
mod bounds;
mod model;
mod mutant;
pub mod properties;
mod steps;
mod world;

pub use action::{Action, Told};
pub use bounds::{Bounds, Faults};
pub use model::Relay;
pub use mutant::Mutant;
pub use world::World;
