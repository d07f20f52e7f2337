use payment::domain::{Effect, Input, State};
use payment::events::Event;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use testkit::machine::{Draw, Settled, settle};

use crate::{
    CANCELLED, STOCK_RESERVED, charged, decide_payment, declined, placed, refunded, told_charged,
    told_failed, told_refunded,
};

/// Hands over the facts; the provider answers a charge with `answer`, and refunds.
fn run(facts: Vec<Input>, answer: &Input, draws: &[Draw]) -> Settled<State, Event> {
    settle(State::Unseen, facts, draws, decide_payment, |effect| match effect {
        Effect::Charge { .. } => answer.clone(),
        Effect::Refund { .. } => refunded(),
    })
}

fn draws() -> impl Strategy<Value = Vec<Draw>> {
    vec(any::<Draw>(), 0..40)
}

fn answer() -> impl Strategy<Value = Input> {
    select(vec![charged(), declined()])
}

fn is_terminal(state: &State) -> bool {
    matches!(state, State::Refunded { .. } | State::Failed { .. } | State::Void)
}

proptest! {
    #[test]
    fn an_order_with_stock_is_charged_once(answer in answer(), draws in draws()) {
        let settled = run(vec![placed(), STOCK_RESERVED], &answer, &draws);
        prop_assert_eq!(settled.steps, ["charge"]);
        if answer == charged() {
            let is_charged = matches!(settled.state, State::Charged { .. });
            prop_assert!(is_charged, "{:?}", settled.state);
            prop_assert_eq!(settled.events, [told_charged()]);
        } else {
            let is_failed = matches!(settled.state, State::Failed { .. });
            prop_assert!(is_failed, "{:?}", settled.state);
            prop_assert_eq!(settled.events, [told_failed()]);
        }
    }

    /// I2, I3, and at rest: cancelled and charged means refunded. Whenever the cancellation
    /// comes, nobody has paid in the end.
    #[test]
    fn nobody_pays_for_a_cancelled_order(answer in answer(), draws in draws()) {
        let settled = run(vec![placed(), STOCK_RESERVED, CANCELLED], &answer, &draws);
        match settled.state {
            State::Void => prop_assert!(settled.events.is_empty() && settled.steps.is_empty()),
            State::Failed { .. } => {
                prop_assert_eq!(settled.events, [told_failed()]);
                prop_assert_eq!(settled.steps, ["charge"]);
            }
            State::Refunded { .. } => {
                prop_assert_eq!(settled.events, [told_charged(), told_refunded()]);
                prop_assert_eq!(settled.steps, ["charge", "refund"]);
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn without_stock_nothing_is_charged(draws in draws()) {
        let settled = run(vec![placed(), CANCELLED], &charged(), &draws);
        prop_assert_eq!(settled.state, State::Void);
        prop_assert!(settled.events.is_empty() && settled.steps.is_empty());
    }

    /// I6, whatever comes in whatever order, even outcomes nobody asked for.
    #[test]
    fn terminal_states_never_change(
        inputs in vec(
            select(vec![placed(), STOCK_RESERVED, CANCELLED, charged(), declined(), refunded()]),
            0..12,
        ),
    ) {
        let mut state = State::Unseen;
        for input in &inputs {
            let decision = decide_payment(&state, input);
            if is_terminal(&state) {
                prop_assert_eq!(&decision.state, &state);
                prop_assert!(decision.events.is_empty() && decision.effects.is_empty());
            }
            state = decision.state;
        }
    }
}
