use std::collections::VecDeque;

use notification::domain::{Address, Effect, Input, Message, State};
use notification::events::{Event, Outcome};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use testkit::machine::{Draw, Settled, settle};

use crate::{
    CANCELLED, COMPLETED, CONFIRMED, decide_messages, given_up, placed, retried, sent, told_failed,
    told_sent,
};

/// Hands over the facts; the mail server takes every message, or none.
fn run(facts: Vec<Input>, server_takes: bool, draws: &[Draw]) -> Settled<State, Event> {
    settle(State::default(), facts, draws, decide_messages, |effect| {
        let Effect::Mail { outcome, .. } = effect;
        if server_takes { sent(*outcome) } else { given_up(*outcome) }
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
        outcome().prop_map(retried),
    ]
}

fn is_settled(message: &Message) -> bool {
    !matches!(message, Message::Waiting | Message::Sending)
}

proptest! {
    /// I5, in any order: the last word is said exactly once. The confirmation is told at most
    /// once, before the last word, and left out only when that was known before it was told.
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
        prop_assert_eq!(events.last(), Some(&told(last)), "the last word is the last");
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

    /// Causes before effects, as the order service emits them, with each message sent before there
    /// is other news: everything is told.
    #[test]
    fn nothing_is_left_out_while_it_is_news((ending, _) in ending()) {
        let mut facts: VecDeque<Input> = [vec![placed()], ending.clone()].concat().into();
        let (mut state, mut steps) = (State::default(), Vec::new());
        while let Some(fact) = facts.pop_front() {
            let decision = decide_messages(&state, &fact);
            for Effect::Mail { outcome, .. } in &decision.effects {
                steps.push(*outcome);
                facts.push_front(sent(*outcome));
            }
            state = decision.state;
        }
        prop_assert_eq!(steps.len(), ending.len());
    }

    /// Whatever comes in whatever order, with messages given up and sent again: one is sent at a
    /// time, and none of the confirmation once the end was.
    #[test]
    fn one_is_sent_at_a_time_and_no_old_news(inputs in vec(any_input(), 0..24)) {
        let mut state = State::default();
        for input in &inputs {
            let decision = decide_messages(&state, input);
            for Effect::Mail { outcome, .. } in &decision.effects {
                let ended = decision.state.messages.keys().any(|it| *it != Outcome::Confirmed);
                prop_assert!(*outcome != Outcome::Confirmed || !ended, "{:?}", decision);
            }
            let sending = |it: &&Message| **it == Message::Sending;
            prop_assert!(decision.state.messages.values().filter(sending).count() <= 1);
            state = decision.state;
        }
    }

    /// I6, and privacy, whatever comes in whatever order, even outcomes nobody asked for: of what
    /// was given up an operator may have the end sent, and nobody brings the recipient back.
    #[test]
    fn whom_it_has_forgotten_it_never_hears_of_again(inputs in vec(any_input(), 0..16)) {
        let mut state = State::default();
        for input in &inputs {
            let decision = decide_messages(&state, input);
            if state.address == Address::Forgotten {
                prop_assert_eq!(&decision.state.address, &state.address);
                let failed = state.messages.values().any(|it| matches!(it, Message::Failed { .. }));
                let sending = state.messages.values().any(|it| *it == Message::Sending);
                prop_assert!(failed || sending || decision.state == state);
                let json = serde_json::to_string(&decision.state).unwrap();
                prop_assert!(!json.contains("ada@"));
            }
            state = decision.state;
        }
    }
}
