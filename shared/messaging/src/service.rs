use contracts::{Declaration, Event};
use kernel::{Decision, Effect, SagaKey, StateMachine};

use crate::failure::Failure;
use crate::tables::state_table::StateTable;
use crate::tables::statement::{Found, Read, Write};
use crate::tables::states::State;

/// What a service's decisions are.
pub type DecisionOf<S> =
    Decision<<S as Service>::State, <S as Service>::Event, <S as Service>::Effect>;

/// What a service brings to the loop.
///
/// The loop keeps a state per saga. For a batch it reads the states that it does not remember,
/// has `decide` called for one message after the other, and writes what changed: with one
/// statement that reads, if anything is to be read, and one that writes.
pub trait Service: Send + Sync + 'static {
    /// Everything that can happen to a saga here: events read, outcomes of calls, commands.
    type Input: Send + Sync + 'static;
    /// What this service tells the world.
    type Event: Event;
    /// The calls it makes to the outside; [`NoEffect`](kernel::NoEffect) if none.
    type Effect: Effect;
    /// Where a saga is. The default is that of a saga this service has never heard of.
    type State: State;
    /// What an input may touch beside its saga's state, such as [`Counters`](crate::Counters); `()` if
    /// nothing.
    type Shared: Shared<Self::Input>;

    /// Where the states are kept.
    const STATES: StateTable;

    /// What the service consumes, emits and compensates.
    fn declaration() -> Declaration<Self::Input>;

    /// Decides on one input, or says why the message cannot be processed. No I/O, no clock, no
    /// randomness.
    fn decide(
        &self,
        saga: SagaKey,
        state: &Self::State,
        input: &Self::Input,
        shared: &mut Self::Shared,
    ) -> Result<DecisionOf<Self>, Failure>;

    /// Whether nobody waits for this call any more, for its saga has ended meanwhile; its outcome
    /// is still to be known, but others go first.
    fn is_abandoned(&self, state: &Self::State, effect: &Self::Effect) -> bool {
        let _ = (state, effect);
        false
    }

    /// The input by which an operator has a saga undone that this service does not know, if
    /// that is this service's to decide. Harmless when repeated.
    fn undo() -> Option<Self::Input> {
        None
    }

    /// Called after a commit for each saga whose state it changed: from which state to which, whatever
    /// was in between. For counting and for waking who waits; nothing that must not be missed, for a
    /// service may be gone between the commit and this.
    fn changed(&self, saga: SagaKey, before: &Self::State, now: &Self::State) {
        let _ = (saga, before, now);
    }
}

/// A service that is a state machine and nothing else: what it decides follows from the state of one
/// saga and the input alone. Every such service is a [`Service`].
pub trait StateService: Send + Sync + 'static {
    /// Where a saga is, and what it does there.
    type State: State + StateMachine<Input: Send + Sync + 'static, Event: Event>;

    /// Where the states are kept.
    const STATES: StateTable;

    /// What the service consumes, emits and compensates.
    fn declaration() -> Declaration<<Self::State as StateMachine>::Input>;

    /// See [`Service::changed`].
    fn changed(&self, saga: SagaKey, before: &Self::State, now: &Self::State) {
        let _ = (saga, before, now);
    }
}

impl<M: StateService> Service for M {
    type Input = <M::State as StateMachine>::Input;
    type Event = <M::State as StateMachine>::Event;
    type Effect = <M::State as StateMachine>::Effect;
    type State = M::State;
    type Shared = ();

    const STATES: StateTable = M::STATES;

    fn declaration() -> Declaration<Self::Input> {
        M::declaration()
    }

    fn decide(
        &self,
        saga: SagaKey,
        state: &Self::State,
        input: &Self::Input,
        (): &mut (),
    ) -> Result<DecisionOf<Self>, Failure> {
        Ok(state.decide(saga, input))
    }

    fn is_abandoned(&self, state: &Self::State, effect: &Self::Effect) -> bool {
        state.is_abandoned(effect)
    }

    fn changed(&self, saga: SagaKey, before: &Self::State, now: &Self::State) {
        M::changed(self, saga, before, now);
    }
}

/// Rows that several sagas share: [`Counters`](crate::Counters), or a pair of them; a service can have
/// others of its own. They are not locked between the read and the write, so what is written says by
/// itself whether it can be: what is written are changes, or what is guarded by the statement.
pub trait Shared<I>: Default + Send {
    /// Adds what must be read for these inputs. The number of parts must not depend on how many
    /// inputs there are.
    fn read<'i>(
        &mut self,
        inputs: impl Iterator<Item = &'i I> + Clone,
        read: &mut Read,
    ) -> Result<(), Failure>
    where
        I: 'i;

    /// Takes in a row that was read, if it is by a part of its own; says whether it is.
    fn take(&mut self, row: &Found) -> Result<bool, Failure>;

    /// Adds what is to be written. The number of parts must not depend on how many rows change.
    fn write(&self, write: &mut Write) -> Result<(), Failure>;
}

/// Nothing.
impl<I> Shared<I> for () {
    fn read<'i>(
        &mut self,
        _: impl Iterator<Item = &'i I> + Clone,
        _: &mut Read,
    ) -> Result<(), Failure>
    where
        I: 'i,
    {
        Ok(())
    }

    fn take(&mut self, _: &Found) -> Result<bool, Failure> {
        Ok(false)
    }

    fn write(&self, _: &mut Write) -> Result<(), Failure> {
        Ok(())
    }
}

/// Rows of two tables.
impl<I, A: Shared<I>, B: Shared<I>> Shared<I> for (A, B) {
    fn read<'i>(
        &mut self,
        inputs: impl Iterator<Item = &'i I> + Clone,
        read: &mut Read,
    ) -> Result<(), Failure>
    where
        I: 'i,
    {
        self.0.read(inputs.clone(), read)?;
        self.1.read(inputs, read)
    }

    fn take(&mut self, row: &Found) -> Result<bool, Failure> {
        Ok(self.0.take(row)? || self.1.take(row)?)
    }

    fn write(&self, write: &mut Write) -> Result<(), Failure> {
        self.0.write(write)?;
        self.1.write(write)
    }
}

/// Where the loop tells how it is doing. Parts are `postgres`, `kafka`, `schema registry`,
/// `processing`, `publishing`.
pub trait Monitor: Send + Sync + 'static {
    /// The part works.
    fn up(&self, part: &'static str);
    /// The part does not work, and why.
    fn down(&self, part: &'static str, reason: &str);
    /// The loop has turned once more.
    fn beat(&self);
    /// The circuit breaker of a step's calls to a destination is `closed`, `half-open` or `open`.
    /// That does not make the service unready: it takes in events, and the calls wait.
    fn circuit(&self, step: &'static str, destination: &str, state: &'static str) {
        let _ = (step, destination, state);
    }
    /// Something that does not make the service unready and is worth knowing, or that it is over:
    /// `refused`, which events Kafka does not take; `locks`, who holds locks that the service waits
    /// for; `topics`, that one is another than before.
    fn detail(&self, name: &'static str, what: Option<&str>) {
        let _ = (name, what);
    }
    /// Whether what operators decide is heard of: why not, or that it is.
    fn operations(&self, trouble: Option<&str>) {
        let _ = trouble;
    }
    /// Why no events are taken in at the moment, or that they are again.
    fn intake(&self, held_up: Option<&'static str>) {
        let _ = held_up;
    }
}
