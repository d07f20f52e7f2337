use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use shipping::domain::{Input, State};
use shipping::events::Event;
use testkit::machine::{Draw, Settled, settle};

use crate::{
    CANCELLED, CONFIRMED, booked, decide_shipment, placed, refused, told_created, told_failed,
};

/// Hands over the facts; the carrier answers with `answer`.
fn run(facts: Vec<Input>, answer: &Input, draws: &[Draw]) -> Settled<State, Event> {
    settle(State::Unseen, facts, draws, decide_shipment, |_| answer.clone())
}

fn draws() -> impl Strategy<Value = Vec<Draw>> {
    vec(any::<Draw>(), 0..40)
}

fn is_terminal(state: &State) -> bool {
    matches!(state, State::Created { .. } | State::Failed { .. } | State::Void)
}

fn holds_personal_data(state: &State) -> bool {
    serde_json::to_string(state).unwrap().contains("Lovelace")
}

proptest! {
    #[test]
    fn a_confirmed_order_is_booked_once(draws in draws()) {
        let settled = run(vec![placed(), CONFIRMED], &booked(), &draws);
        let is_created = matches!(settled.state, State::Created { .. });
        prop_assert!(is_created, "{:?}", settled.state);
        prop_assert_eq!(settled.events, [told_created()]);
        prop_assert_eq!(settled.steps, ["book"]);
    }

    /// The order service cancels in answer to ShipmentFailed; here the cancellation comes even
    /// before its cause, and then there is nothing to book.
    #[test]
    fn a_refusal_is_told_once(draws in draws()) {
        let settled = run(vec![placed(), CONFIRMED, CANCELLED], &refused(), &draws);
        match settled.state {
            State::Void => prop_assert!(settled.events.is_empty() && settled.steps.is_empty()),
            State::Failed { .. } => {
                prop_assert_eq!(settled.events, [told_failed()]);
                prop_assert_eq!(settled.steps, ["book"]);
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }

    /// I4: an order cancelled before it was confirmed.
    #[test]
    fn nothing_is_booked_for_a_cancelled_order(draws in draws()) {
        let settled = run(vec![placed(), CANCELLED], &booked(), &draws);
        prop_assert_eq!(settled.state, State::Void);
        prop_assert!(settled.events.is_empty() && settled.steps.is_empty());
    }

    /// I6, and privacy, whatever comes in whatever order, even outcomes nobody asked for.
    #[test]
    fn terminal_states_never_change_and_know_nobody(
        inputs in vec(select(vec![placed(), CONFIRMED, CANCELLED, booked(), refused()]), 0..12),
    ) {
        let mut state = State::Unseen;
        for input in &inputs {
            let decision = decide_shipment(&state, input);
            if is_terminal(&state) {
                prop_assert_eq!(&decision.state, &state);
                prop_assert!(decision.events.is_empty() && decision.effects.is_empty());
                prop_assert!(!holds_personal_data(&state));
            }
            state = decision.state;
        }
    }
}
