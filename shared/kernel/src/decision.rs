use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::SagaKey;

/// What a state machine answers to one input: the state to be in next, the facts to tell the
/// world, and the calls to make to the outside.
///
/// `S` is the machine's state, `E` its events, `F` its effects. The three are committed together
/// or not at all; events leave in the order given here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<S, E, F> {
    /// The state from now on.
    pub state: S,
    /// Facts to publish, in order.
    pub events: Vec<E>,
    /// Calls to the outside, to be made once this decision is on disk.
    pub effects: Vec<F>,
}

impl<S, E, F> Decision<S, E, F> {
    /// Go to `state` and say nothing.
    pub fn to(state: S) -> Self {
        Self { state, events: Vec::new(), effects: Vec::new() }
    }

    /// Also publish `event`, after those already named.
    #[must_use]
    pub fn emit(mut self, event: impl Into<E>) -> Self {
        self.events.push(event.into());
        self
    }

    /// Also make the call `effect`.
    #[must_use]
    pub fn perform(mut self, effect: F) -> Self {
        self.effects.push(effect);
        self
    }
}

/// The part of a saga that one service plays, as a state machine. It is implemented by the state, of
/// which the default is that of a saga that the service has never heard of.
///
/// Pure and total: no I/O, no clock, no randomness, and an answer to any input in any state, in any
/// order, any number of times. An input that has nothing to say is absorbed: the state stays.
pub trait StateMachine: Default {
    /// Everything that can happen to a saga here: events read, outcomes of calls, commands.
    type Input;
    /// What the service tells the world.
    type Event;
    /// The calls it makes to the outside; [`NoEffect`] if none.
    type Effect: Effect;

    /// What `input` does to the saga with this key in this state.
    fn decide(
        &self,
        saga: SagaKey,
        input: &Self::Input,
    ) -> Decision<Self, Self::Event, Self::Effect>;

    /// Whether nobody waits for this call any more, for its saga has ended meanwhile; its outcome
    /// is still to be known, but others go first.
    fn is_abandoned(&self, effect: &Self::Effect) -> bool {
        let _ = effect;
        false
    }
}

/// A call to the outside, as data. Stored as JSON, so that it survives a crash. Its `Debug` must
/// not show personal data.
pub trait Effect: Serialize + DeserializeOwned + Clone + Debug + Send + Sync + 'static {
    /// Which step of the saga this is, such as `charge`. A saga makes each step once; (saga,
    /// step) is the idempotency key.
    fn step(&self) -> &'static str;
}

/// The effects of a service that calls nobody outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoEffect {}

impl Effect for NoEffect {
    fn step(&self) -> &'static str {
        match *self {}
    }
}
