//! The fleet in a model checker: the functions that decide in production, in every order of
//! things that can happen to them.
//!
//! **What is explored.** Some orders, each for one piece of one SKU ([`Bounds`]), from placed to
//! their end. At any moment any of this may happen next ([`Action`]):
//! - the log hands any event that was ever published to any service that reads it: late,
//!   reordered, or again. So the log is a set, and a delivery does not take from it;
//! - an intended call reaches its provider, which says yes or no as it likes (a refund is granted
//!   in the end), and to the same key the same again; the answer gets back, sooner or later, and
//!   is committed. A mail may be given up in between, sent or not, and with one order an operator
//!   may have it sent again, as often as they like;
//! - the deadline passes, or the customer asks to cancel.
//!
//! A transaction is one step, for it happens whole or not at all. A crash before the commit is
//! then no step; a crash after it, before offsets are stored or a call's outcome is known, is a
//! delivery or a call that comes again. A delivery that comes again passes the inbox here, as a
//! redrive does: the inbox keeps such from happening every day, and the model shows that none of
//! them would do harm. When several instances have the same order, the version check lets the row
//! be written only by who has decided on it as it is: one step, too.
//!
//! **What is checked** ([`properties`]): I1 to I7 in every world that can be reached (I2 and I5 on
//! condition that providers know calls by their keys), that no customer hears an earlier outcome
//! after a later one, that an order intends each call once, and that every run ends with the books
//! closed. For the latter: no machine ever goes back to a state it has left, but by an operator; no delivery that comes again changes anything; so no step can be taken twice, every
//! run ends, and where nothing is left that will happen by itself all orders have ended, who has
//! paid has the parcel or the money back, and nothing is reserved, waited for, under way or untold.
//! Of each order in each world, those whose move it is by its statuses alone (`farandole orders stuck`) are
//! just those who have something to do that changes anything.
//!
//! By what was said of the order alone (the console's board), only such are named: so none at rest is shown
//! as under way for ever. Who is not named says nothing more before another does, but for what the log cannot
//! tell, which is listed ([`Untold`]) and reached. What a service reads and says nothing about leaves the log as
//! it is, so the same is asked in the world to which that leads. Outboxes need not be there for this: while an
//! event waits in one, the log and all other services are as in a world in which its service has not come so far,
//! and that service has something to do.
//!
//! Each way to end is reached, and each guard ([`Mutant`]) is missed when it is removed.
//!
//! **How it stays small.** Decisions are pure, so each is asked for once and written into a table;
//! worlds are small numbers. Events that would change nothing in any state to come count as
//! delivered. Worlds are told apart by 64-bit hashes: that two of ten million collide, and one is
//! overlooked, has a chance of one in 300,000.
//!
//! **What is left out.** Several SKUs, lines or pieces per order, and stock that is put on hand
//! later. Payloads, of which nothing is read that would change a decision, but for what tells
//! events of one type apart. Placing: all orders are there from the start, which is no different from some
//! `OrderPlaced` being delivered late. A message that goes to the dead-letter topic is one whose
//! delivery waits for its redrive; that it comes, and that providers answer in the end, is taken
//! for granted. A call that reaches its provider after it was settled otherwise comes under the
//! same key, and changes nothing. SQL, Kafka and the loop's own code are not in the model: the
//! tests with a real stack have them.

mod bounds;
mod machine;
mod model;
mod mutant;
pub mod properties;
mod services;
mod vocabulary;
mod whose;
mod world;

pub use bounds::Bounds;
pub use model::Fleet;
pub use mutant::Mutant;
pub use services::reads;
pub use vocabulary::{Answer, Call, Fact, Service};
pub use whose::{Judges, Untold};
pub use world::{Action, World};
