use std::sync::atomic::{AtomicBool, Ordering};

use contracts::Event;
use kernel::{Decision, Effect};

use super::vocabulary::{Call, Fact, Set, Stimulus};

/// A state of a [`Machine`], by its place in the table.
pub(crate) type StateId = u16;

/// A service's decisions as a table: every state that any inputs in any order can lead to, and
/// what each input does in it. The decisions are pure, so each is asked for once, and the checker
/// works with numbers.
#[derive(Debug)]
pub(crate) struct Machine<S> {
    states: Vec<S>,
    table: Table,
}

/// The part of a [`Machine`] that is alike for all services.
#[derive(Debug)]
pub(crate) struct Table {
    /// How many orders the machine has in one state: one, but for inventory.
    orders: usize,
    /// By state, order and stimulus; `None` where nothing changes.
    entries: Vec<Option<Entry>>,
    /// By state and order.
    settled: Vec<Set<Fact>>,
}

/// What an input does, and whether any run has needed it.
#[derive(Debug)]
struct Entry {
    step: Step,
    used: AtomicBool,
}

/// What an input does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// The state from now on.
    pub(crate) state: StateId,
    /// The events that are published.
    pub(crate) facts: Set<Fact>,
    /// The calls that are intended.
    pub(crate) calls: Set<Call>,
    /// Whether a state that was final is left.
    pub(crate) leaves_final: bool,
}

/// A decision, as far as others can see it.
pub(crate) struct Decided<S> {
    pub(crate) state: S,
    facts: Set<Fact>,
    calls: Set<Call>,
}

impl<S> Decided<S> {
    /// Keeps of a decision what its events say, and the steps of its effects.
    pub(crate) fn of<E: Event, F: Effect>(decision: Decision<S, E, F>) -> Self {
        let facts = decision.events.iter().map(Fact::of);
        let calls = decision.effects.iter().map(|effect| Call::of_step(effect.step()));
        Self { facts: facts.collect(), calls: calls.collect(), state: decision.state }
    }

    /// The same decision, with another state around it.
    pub(crate) fn map<T>(self, state: impl FnOnce(S) -> T) -> Decided<T> {
        Decided { state: state(self.state), facts: self.facts, calls: self.calls }
    }
}

impl<S: Clone + PartialEq> Machine<S> {
    /// Asks `decide` about every state that can be reached from `start`, and every stimulus;
    /// `None` is a stimulus that the service doesn't know or that is kept from it. `leaves_final`
    /// says whether something final is different in the second state.
    pub(crate) fn tabulate(
        orders: usize,
        start: S,
        decide: impl Fn(&S, usize, Stimulus) -> Option<Decided<S>>,
        leaves_final: impl Fn(&S, &S) -> bool,
    ) -> Self {
        let mut states = vec![start];
        let mut entries = Vec::new();
        let mut at = 0;
        while at < states.len() {
            for order in 0..orders {
                for stimulus in Stimulus::all() {
                    let before = states[at].clone();
                    let entry = decide(&before, order, stimulus).and_then(|decided| {
                        let Decided { state, facts, calls } = decided;
                        let changes = state != before || !facts.is_empty() || !calls.is_empty();
                        let leaves_final = leaves_final(&before, &state);
                        changes.then(|| {
                            let state = place(&mut states, state);
                            let step = Step { state, facts, calls, leaves_final };
                            Entry { step, used: AtomicBool::new(false) }
                        })
                    });
                    entries.push(entry);
                }
            }
            at += 1;
        }
        let settled = settled(states.len(), orders, &entries);
        Self { states, table: Table { orders, entries, settled } }
    }

    /// The state with this number.
    pub(crate) fn state(&self, id: StateId) -> &S {
        &self.states[usize::from(id)]
    }

    /// All states, by their numbers.
    pub(crate) fn states(&self) -> &[S] {
        &self.states
    }

    /// What the inputs do.
    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    /// What the machine provides for and no run has needed yet: states, orders and stimuli.
    pub(crate) fn unused(&self) -> impl Iterator<Item = (&S, usize, Stimulus)> {
        let orders = 0..self.table.orders;
        let rows = self
            .states
            .iter()
            .flat_map(move |state| orders.clone().map(move |order| (state, order)));
        let places = rows.flat_map(|(state, order)| {
            Stimulus::all().map(move |stimulus| (state, order, stimulus))
        });
        let unused = |entry: &Entry| !entry.used.load(Ordering::Relaxed);
        places
            .zip(&self.table.entries)
            .filter(move |(_, entry)| entry.as_ref().is_some_and(unused))
            .map(|(place, _)| place)
    }
}

impl Table {
    /// What the stimulus does to an order in this state; `None` if nothing changes.
    pub(crate) fn step(&self, state: StateId, order: usize, stimulus: Stimulus) -> Option<&Step> {
        self.entry(state, order, stimulus).map(|entry| &entry.step)
    }

    /// The same, for a run that goes that way.
    pub(crate) fn take(&self, state: StateId, order: usize, stimulus: Stimulus) -> Option<&Step> {
        let entry = self.entry(state, order, stimulus)?;
        entry.used.store(true, Ordering::Relaxed);
        Some(&entry.step)
    }

    fn entry(&self, state: StateId, order: usize, stimulus: Stimulus) -> Option<&Entry> {
        let row = usize::from(state) * self.orders + order;
        self.entries[row * Stimulus::COUNT + stimulus.index()].as_ref()
    }

    /// The events that change nothing in this state, nor in any that can come after it: whether
    /// they were delivered makes no difference any more.
    pub(crate) fn settled(&self, state: StateId, order: usize) -> Set<Fact> {
        self.settled[usize::from(state) * self.orders + order]
    }

    /// Whether no state, once left, comes back, unless an operator has a call made again.
    pub(crate) fn only_goes_forward(&self) -> bool {
        let per_state = self.orders * Stimulus::COUNT;
        let mut left: Vec<usize> = (0..self.settled.len() / self.orders).collect();
        loop {
            let leads_to_left = |state: &usize| {
                let row = &self.entries[state * per_state..(state + 1) * per_state];
                let by_itself = |stimulus: &Stimulus| !matches!(stimulus, Stimulus::Retried(_));
                let stimuli = (0..self.orders).flat_map(|_| Stimulus::all());
                let next = row.iter().zip(stimuli).filter(|(_, it)| by_itself(it));
                next.filter_map(|(entry, _)| entry.as_ref())
                    .any(|entry| left.contains(&usize::from(entry.step.state)))
            };
            let still: Vec<usize> = left.iter().copied().filter(leads_to_left).collect();
            if still.len() == left.len() {
                return left.is_empty();
            }
            left = still;
        }
    }
}

/// The number of `state`, which becomes known if it wasn't.
fn place<S: PartialEq>(states: &mut Vec<S>, state: S) -> StateId {
    let known = states.iter().position(|known| *known == state);
    let at = known.unwrap_or_else(|| {
        states.push(state);
        states.len() - 1
    });
    StateId::try_from(at).unwrap_or_else(|_| panic!("a machine with more than {at} states"))
}

/// By state and order, the events that change nothing any more: those that change nothing now,
/// and are settled in each state that comes next.
fn settled(states: usize, orders: usize, entries: &[Option<Entry>]) -> Vec<Set<Fact>> {
    let per_state = orders * Stimulus::COUNT;
    let next = |state: usize| entries[state * per_state..(state + 1) * per_state].iter().flatten();
    let mut settled = vec![Set::full(); states * orders];
    loop {
        let before = settled.clone();
        for at in 0..settled.len() {
            let (state, order) = (at / orders, at % orders);
            let row = &entries[at * Stimulus::COUNT..];
            settled[at] = before[at]
                .iter()
                .filter(|fact| row[Stimulus::Fact(*fact).index()].is_none())
                .filter(|fact| {
                    let later = |entry: &Entry| usize::from(entry.step.state) * orders + order;
                    next(state).all(|entry| before[later(entry)].contains(*fact))
                })
                .collect();
        }
        if settled == before {
            return settled;
        }
    }
}
