//! What is in the database: a file per table says what is read from it and written to it.
//!
//! Nothing here runs by itself but what has to do with one table alone: the parts are put together
//! to one statement that reads and one that writes (`statement`), which is a transaction. Whatever
//! depends on time goes by the database's clock.

pub(crate) mod bundle;
pub(crate) mod counter_table;
pub(crate) mod decisions;
pub(crate) mod gaps;
pub(crate) mod inbox;
pub(crate) mod instance;
pub(crate) mod intents;
pub(crate) mod outbox;
pub(crate) mod parked;
pub(crate) mod retry;
pub(crate) mod state_table;
pub(crate) mod statement;
pub(crate) mod states;
