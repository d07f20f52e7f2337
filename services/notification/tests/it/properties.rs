use notification::domain::{Address, Effect, Input, Message, State};
use notification::events::{Event, Outcome};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use testkit::machine::{Draw, Settled, settle};

use crate::{
    CANCELLED, COMPLETED, CONFIRMED, decide_messages, given_up, placed, sent, told_failed,
    told_sent,
};

/// Hands over the facts; the mail server takes every message, or none.
fn run(facts: Vec<Input>, server_takes: bool, draws: &[Draw]) -> Settled<State, Event> {
    settle(State::default(), facts, draws, decide_messages, |effect| {
        let Effect::Mail { outcome, .. } = effect;
        let answer = if server_takes { sent(*outcome) } else { given_up(*outcome) };
        (effect.step(), answer)
    })
}

fn draws() -> impl Strategy<Value = Vec<Draw>> {
    vec(any::<Draw>(), 0..40)
}

/// What becomes of an order, and what the customer is to hear at the end.
fn ending() -> impl Strategy<Value = (Vec<Input>, Outcome)> {
    select(vec![
        (vec![CONFIRMED, COMPLETED], Outcome::Completed),
        (vec![CONFIRMED, CANCELLED], Outcome::Cancelled),
        (vec![CANCELLED], Outcome::Cancelled),
    ])
}

fn any_input() -> impl Strategy<Value = Input> {
    let outcome = || select(vec![Outcome::Confirmed, Outcome::Completed, Outcome::Cancelled]);
    prop_oneof![
        select(vec![placed(), CONFIRMED, COMPLETED, CANCELLED]),
        outcome().prop_map(sent),
        outcome().prop_map(given_up),
    ]
}

fn is_settled(message: &Message) -> bool {
    matches!(message, Message::Sent { .. } | Message::Failed { .. })
}

proptest! {
    /// I5, in any order: the last word is said exactly once. The confirmation is told at most
    /// once, and left out only when the last word was said before it came.
    #[test]
    fn the_last_word_is_said_once(
        (ending, last) in ending(),
        server_takes in any::<bool>(),
        draws in draws(),
    ) {
        let told = if server_takes { told_sent } else { told_failed };
        let facts = [vec![placed()], ending.clone()].concat();
        let Settled { state, events, .. } = run(facts, server_takes, &draws);

        let count = |event: Event| events.iter().filter(|told| **told == event).count();
        let confirmations = count(told(Outcome::Confirmed));
        prop_assert_eq!(count(told(last)), 1);
        prop_assert!(confirmations <= usize::from(ending.contains(&CONFIRMED)));
        prop_assert_eq!(events.len(), 1 + confirmations, "nothing else is told");
        prop_assert!(state.messages.values().all(is_settled), "{:?}", state);
        prop_assert_eq!(state.address, Address::Forgotten);
    }

    /// While its address is known, no outcome is left out.
    #[test]
    fn whoever_placed_the_order_hears_the_confirmation(draws in draws()) {
        let settled = run(vec![placed(), CONFIRMED], true, &draws);
        prop_assert_eq!(settled.events, [told_sent(Outcome::Confirmed)]);
        prop_assert_eq!(settled.steps, ["mail-confirmed"]);
    }

    /// Causes before effects, as the order service emits them: everything is told.
    #[test]
    fn in_the_order_of_the_facts_nothing_is_left_out(
        (ending, _) in ending(),
        placed_at in 0..3_usize,
    ) {
        let mut facts = ending;
        let due = facts.len();
        facts.insert(placed_at.min(due), placed());
        let (mut state, mut steps) = (State::default(), Vec::new());
        for fact in &facts {
            let decision = decide_messages(&state, fact);
            steps.extend(decision.effects.iter().map(Effect::step));
            state = decision.state;
        }
        prop_assert_eq!(steps.len(), due);
    }

    /// I6, and privacy, whatever comes in whatever order, even outcomes nobody asked for.
    #[test]
    fn whom_it_has_forgotten_it_never_hears_of_again(inputs in vec(any_input(), 0..16)) {
        let mut state = State::default();
        for input in &inputs {
            let decision = decide_messages(&state, input);
            if state.address == Address::Forgotten {
                prop_assert_eq!(&decision.state, &state);
                prop_assert!(decision.events.is_empty() && decision.effects.is_empty());
                prop_assert!(!serde_json::to_string(&state).unwrap().contains("ada@"));
            }
            state = decision.state;
        }
    }
}
