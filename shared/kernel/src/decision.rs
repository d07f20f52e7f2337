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
    /// Be in `state` and say nothing.
    pub fn to(state: S) -> Self {
        Self { state, events: Vec::new(), effects: Vec::new() }
    }

    /// Also publish `event`, after those already named.
    #[must_use]
    pub fn emit(mut self, event: E) -> Self {
        self.events.push(event);
        self
    }

    /// Also make the call `effect`.
    #[must_use]
    pub fn perform(mut self, effect: F) -> Self {
        self.effects.push(effect);
        self
    }
}
