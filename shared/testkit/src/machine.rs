//! State machines, by their table and in any order of arrival.

use std::fmt::Debug;

use kernel::{Decision, Effect};

/// Checks every pair of `states` and `inputs`. The `transitions` (given, when, then) say what is
/// to happen; a pair they don't name must be absorbed: same state, no event, no effect.
pub fn assert_machine<S, I, E, F>(
    states: &[S],
    inputs: &[I],
    transitions: &[(S, I, Decision<S, E, F>)],
    mut decide: impl FnMut(&S, &I) -> Decision<S, E, F>,
) where
    S: Clone + PartialEq + Debug,
    I: PartialEq + Debug,
    E: PartialEq + Debug,
    F: PartialEq + Debug,
{
    for (given, when, _) in transitions {
        assert!(states.contains(given), "the table has a state not listed: {given:?}");
        assert!(inputs.contains(when), "the table has an input not listed: {when:?}");
    }
    for state in states {
        for input in inputs {
            let mut named = transitions.iter().filter(|(s, i, _)| (s, i) == (state, input));
            let decision = decide(state, input);
            match named.next() {
                Some((_, _, then)) => assert_eq!(&decision, then, "{state:?} × {input:?}"),
                None => assert_absorbed(state, input, &decision),
            }
            assert!(named.next().is_none(), "the table names twice {state:?} × {input:?}");
        }
    }
}

fn assert_absorbed<S, I, E, F>(state: &S, input: &I, decision: &Decision<S, E, F>)
where
    S: PartialEq + Debug,
    I: Debug,
    E: Debug,
    F: Debug,
{
    let said_nothing = decision.events.is_empty() && decision.effects.is_empty();
    assert!(
        said_nothing && decision.state == *state,
        "{state:?} × {input:?} is to be absorbed, but leads to {decision:?}"
    );
}

/// Picks the next input to hand over, and says whether it will come once more later.
pub type Draw = (usize, bool);

/// Where a machine is when nothing is in flight any more, and what it said on the way.
#[derive(Debug)]
pub struct Settled<S, E> {
    /// The last state.
    pub state: S,
    /// All events, in the order they were emitted.
    pub events: Vec<E>,
    /// The steps of all effects, in the order they were asked for.
    pub steps: Vec<&'static str>,
}

/// Hands `inputs` to a machine that starts in `state`, in the order and with the duplicates that
/// `draws` name, until none is left. `perform` answers an effect with its outcome, which then
/// arrives like any other input, between the others and maybe more than once.
///
/// A step asked for twice is a bug, and panics.
pub fn settle<S, I, E, F>(
    mut state: S,
    mut inputs: Vec<I>,
    draws: &[Draw],
    mut decide: impl FnMut(&S, &I) -> Decision<S, E, F>,
    perform: impl Fn(&F) -> I,
) -> Settled<S, E>
where
    I: Clone,
    F: Effect,
{
    let (mut events, mut steps) = (Vec::new(), Vec::new());
    let mut draws = draws.iter().copied();
    while !inputs.is_empty() {
        let (pick, again) = draws.next().unwrap_or_default();
        let index = pick % inputs.len();
        let input = if again { inputs[index].clone() } else { inputs.swap_remove(index) };
        let decision = decide(&state, &input);
        state = decision.state;
        events.extend(decision.events);
        for effect in &decision.effects {
            let step = effect.step();
            assert!(!steps.contains(&step), "the step {step} was asked for twice");
            steps.push(step);
            inputs.push(perform(effect));
        }
    }
    Settled { state, events, steps }
}
