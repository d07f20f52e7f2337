use std::borrow::Cow;
use std::future::Future;

use contracts::operations::Said;
use contracts::{Declaration, Event};
use kernel::{Decision, SagaKey};

use crate::call::{Call, CallError, Effect};
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
    /// The calls it makes to the outside; an empty enum if none.
    type Effect: Effect;
    /// Where a saga is. The default is that of a saga this service has never heard of.
    type State: State;
    /// What an input may touch beside its saga's state; `()` if nothing.
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

    /// Makes one call to the outside and says what came of it. Must be safe to repeat with the
    /// same idempotency key. The caller sees to timeouts and repetition; a panic is a call without
    /// a known outcome.
    fn perform(
        &self,
        call: &Call<Self::Effect>,
    ) -> impl Future<Output = Result<Self::Input, CallError>> + Send;

    /// Who answers this call, such as a card network or a mail domain. Calls to different
    /// destinations don't wait for each other, and one that is down is told apart from the others.
    /// There should be a handful: what a client may choose freely must not be one.
    fn destination(&self, call: &Call<Self::Effect>) -> Cow<'static, str> {
        let _ = call;
        Cow::Borrowed("")
    }

    /// Whether nobody waits for this call any more, for its saga has ended meanwhile; its outcome
    /// is still to be known, but others go first.
    fn is_abandoned(&self, state: &Self::State, effect: &Self::Effect) -> bool {
        let _ = (state, effect);
        false
    }

    /// What to make of a call that has failed once more without a known outcome: `Some` input gives
    /// up, `None` goes on for ever. Money must be followed to its known end; a mail need not.
    fn give_up(&self, call: &Call<Self::Effect>) -> Option<Self::Input> {
        let _ = call;
        None
    }

    /// Whether this outcome of a call gives it up. Such a call is kept, and an operator may have it
    /// made again.
    fn gives_up(&self, outcome: &Self::Input) -> bool {
        let _ = outcome;
        false
    }

    /// The input by which an operator has a call made again that was given up: upon it, `decide`
    /// intends it once more, if that is still right.
    fn again(&self, effect: &Self::Effect) -> Option<Self::Input> {
        let _ = effect;
        None
    }

    /// What an operator says has become of a call, as the input that the gateway would have given;
    /// or why that cannot be, in words for the operator.
    fn said(&self, effect: &Self::Effect, said: &Said) -> Result<Self::Input, String> {
        let _ = said;
        Err(format!("the outcome of a {} cannot be said here", effect.step()))
    }

    /// The input by which an operator has a saga undone that this service does not know, if
    /// that is this service's to decide. Harmless when repeated.
    fn undo() -> Option<Self::Input> {
        None
    }

    /// Called after a commit with the sagas it touched.
    fn committed(&self, sagas: &[SagaKey]) {
        let _ = sagas;
    }
}

/// Rows that several sagas share, such as the pieces of a SKU. They are not locked between the
/// read and the write; what is written are changes, guarded by the statement itself.
pub trait Shared<I>: Default + Send {
    /// Adds what must be read for these inputs. The number of parts must not depend on how many
    /// inputs there are. Returns the part, if there is one.
    fn read<'i>(
        inputs: impl Iterator<Item = &'i I>,
        read: &mut Read,
    ) -> Result<Option<usize>, Failure>
    where
        I: 'i;

    /// Takes in a row that was read.
    fn take(&mut self, row: &Found) -> Result<(), Failure>;

    /// Adds what is to be written. The number of parts must not depend on how many rows change.
    fn write(&self, write: &mut Write) -> Result<(), Failure>;
}

impl<I> Shared<I> for () {
    fn read<'i>(_: impl Iterator<Item = &'i I>, _: &mut Read) -> Result<Option<usize>, Failure>
    where
        I: 'i,
    {
        Ok(None)
    }

    fn take(&mut self, _: &Found) -> Result<(), Failure> {
        Ok(())
    }

    fn write(&self, _: &mut Write) -> Result<(), Failure> {
        Ok(())
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
