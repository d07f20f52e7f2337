use std::fmt::Debug;
use std::future::Future;

use contracts::{Declaration, Event};
use kernel::{Decision, OrderId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Call, CallError, Db, Failure, Stream};

/// What a service brings to the loop.
///
/// `load`, `decide` and `save` are called once, many times and once per batch. The number of SQL
/// statements in `load` and `save` must not depend on how many messages the batch has.
pub trait Service: Send + Sync + 'static {
    /// Everything that can happen to an order here: events read, outcomes of calls, commands.
    type Input: Send + Sync + 'static;
    /// What this service tells the world.
    type Event: Event;
    /// The calls it makes to the outside; an empty enum if none.
    type Effect: Effect;
    /// All that a batch's inputs can touch, in memory.
    type World: World;

    /// What the service consumes, emits and compensates.
    fn declaration() -> Declaration<Self::Input>;

    /// Loads what the inputs of a batch can touch. Orders may appear several times.
    fn load(
        &self,
        db: &Db<'_>,
        batch: &[(OrderId, &Self::Input)],
    ) -> impl Future<Output = Result<Self::World, Failure>> + Send;

    /// Decides on one input and puts its result into the world, or leaves the world as it is and
    /// says why the message cannot be processed. No I/O, no clock, no randomness.
    fn decide(
        &self,
        world: &mut Self::World,
        order: OrderId,
        input: &Self::Input,
    ) -> Result<Reaction<Self::Event, Self::Effect>, Failure>;

    /// Writes what changed in the world. Reports [`Failure::Conflict`] when a row is no longer as
    /// it was loaded.
    fn save(
        &self,
        db: &Db<'_>,
        world: Self::World,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Makes one call to the outside and says what came of it. Must be safe to repeat with the
    /// same idempotency key. The caller sees to timeouts and repetition.
    fn perform(
        &self,
        call: &Call<Self::Effect>,
    ) -> impl Future<Output = Result<Self::Input, CallError>> + Send;

    /// What to make of a call that failed this often without a known outcome: `Some` input gives
    /// up, `None` goes on for ever. Money must be followed to its known end; a mail need not.
    fn give_up(&self, call: &Call<Self::Effect>) -> Option<Self::Input> {
        let _ = call;
        None
    }

    /// Called after a commit with the orders it touched.
    fn committed(&self, orders: &[OrderId]) {
        let _ = orders;
    }
}

/// A call to the outside, as data. Stored as JSON, so that it survives a crash. Its `Debug` must
/// not show personal data.
pub trait Effect: Serialize + DeserializeOwned + Debug + Send + Sync + 'static {
    /// Which step of the order this is, such as `charge`. An order makes each step once; (order,
    /// step) is the idempotency key.
    fn step(&self) -> &'static str;
}

/// What deciding leads to, beside the changed world.
#[derive(Debug)]
pub struct Reaction<E, F> {
    /// Facts to publish, in order.
    pub events: Vec<E>,
    /// Calls to make once this is on disk.
    pub effects: Vec<F>,
}

impl<E, F> Reaction<E, F> {
    /// Splits a state machine's decision into the state and what else follows.
    pub fn of<S>(decision: Decision<S, E, F>) -> (S, Self) {
        (decision.state, Self { events: decision.events, effects: decision.effects })
    }
}

/// What a batch touches, in memory.
pub trait World: Send {
    /// The order's place in this service's stream of events. Asking for it means that an event
    /// will be appended, so the order's row counts as changed.
    fn stream(&mut self, order: OrderId) -> &mut Stream;

    /// Takes note that the order's event with this source and number was read, if the order has a
    /// row to keep that in, and returns the lower numbers that have not come.
    fn saw(&mut self, order: OrderId, source: &str, sequence: u32) -> Vec<u32>;
}

/// Where the loop tells how it is doing. Parts are `postgres`, `kafka`, `schema registry`.
pub trait Monitor: Send + Sync + 'static {
    /// The part works.
    fn up(&self, part: &'static str);
    /// The part does not work, and why.
    fn down(&self, part: &'static str, reason: &str);
    /// The loop has turned once more.
    fn beat(&self);
    /// The circuit breaker of a step's calls is `closed`, `half-open` or `open`. That does not make
    /// the service unready: it takes in events, and the calls wait.
    fn circuit(&self, step: &'static str, state: &'static str) {
        let _ = (step, state);
    }
    /// Why no events are taken in at the moment, or that they are again.
    fn intake(&self, held_up: Option<&'static str>) {
        let _ = held_up;
    }
}
