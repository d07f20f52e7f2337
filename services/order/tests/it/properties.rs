use order::domain::Input::{self, CancelRequested, DeadlinePassed};
use order::domain::State;
use order::events::CancelReason::{
    self, CustomerRequest, OutOfStock, PaymentFailed, ShipmentFailed, TimedOut,
};
use order::events::Event;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use testkit::machine::{Draw, Settled, settle};

use crate::{
    CHARGED, COMPLETED, CONFIRMED, DECLINED, INPUTS, REFUSED, SHIPPED, STOCK_FAILED, cancelled,
    decide_order,
};

fn draws() -> impl Strategy<Value = Vec<Draw>> {
    vec(any::<Draw>(), 0..40)
}

fn run(inputs: Vec<Input>, draws: &[Draw]) -> Settled<State, Event> {
    settle(State::Placed, inputs, draws, decide_order, |effect| match *effect {})
}

/// What the other services say of one order: they agree with each other.
fn history() -> impl Strategy<Value = Vec<Input>> {
    select(vec![vec![STOCK_FAILED], vec![DECLINED], vec![CHARGED, REFUSED], vec![CHARGED, SHIPPED]])
}

fn is_terminal(state: &State) -> bool {
    matches!(state, State::Completed | State::Cancelled { .. })
}

/// Holds whatever happens: terminal facts are told once, last, and as the state has it.
fn assert_one_fate(settled: &Settled<State, Event>) {
    let terminal =
        |event: &&Event| matches!(event, Event::OrderCompleted(_) | Event::OrderCancelled(_));
    let fates: Vec<_> = settled.events.iter().filter(terminal).collect();
    match &settled.state {
        State::Completed => assert_eq!(fates, [&COMPLETED]),
        State::Cancelled { reason } => assert_eq!(fates, [&cancelled(*reason)]),
        _ => assert!(fates.is_empty(), "{settled:?}"),
    }
    assert!(fates.is_empty() || settled.events.last() == fates.first().copied(), "{settled:?}");
    assert!(settled.events.iter().filter(|event| **event == CONFIRMED).count() <= 1);
}

proptest! {
    #[test]
    fn without_a_race_the_facts_decide(history in history(), draws in draws()) {
        let Settled { state, events, .. } = run(history.clone(), &draws);
        let because = |reason: CancelReason| (State::Cancelled { reason }, cancelled(reason));
        let (fate, told) = match &history[..] {
            [STOCK_FAILED] => because(OutOfStock),
            [DECLINED] => because(PaymentFailed),
            [CHARGED, REFUSED] => because(ShipmentFailed),
            _ => (State::Completed, COMPLETED),
        };
        prop_assert_eq!(state, fate);
        prop_assert_eq!(events.last(), Some(&told));
        if told == COMPLETED {
            prop_assert_eq!(events, [CONFIRMED, COMPLETED]);
        }
    }

    #[test]
    fn a_race_has_one_winner(
        history in history(),
        races in subsequence(vec![DeadlinePassed, CancelRequested], 0..=2),
        draws in draws(),
    ) {
        let settled = run([history, races].concat(), &draws);
        prop_assert!(is_terminal(&settled.state), "{:?}", settled);
        assert_one_fate(&settled);
        if let State::Cancelled { reason: TimedOut | CustomerRequest } = settled.state {
            prop_assert!(!settled.events.contains(&CONFIRMED), "confirmed is past recall");
        }
    }

    #[test]
    fn even_nonsense_leads_to_one_fate_at_most(inputs in vec(select(INPUTS.to_vec()), 0..12)) {
        let settled = run(inputs, &[]);
        assert_one_fate(&settled);
        if is_terminal(&settled.state) {
            for input in &INPUTS {
                let late = decide_order(&settled.state, input);
                prop_assert_eq!(&late.state, &settled.state);
                prop_assert!(late.events.is_empty());
            }
        }
    }
}
