//! The payment service's events and state machine.
// A panic in a test's helper is the report, as in the test itself.
#![allow(clippy::unwrap_used)]

mod declaration;
mod domain;
mod schemas;

use kernel::{Decision, Money, StateMachine as _};
use payment::domain::{Effect, Input, State};
use payment::events::{Event, OrderId, PaymentCharged, PaymentFailed, PaymentRefunded, reads};

const ORDER: OrderId = OrderId(uuid::Uuid::from_u128(1));

const STOCK_RESERVED: Input = Input::StockReserved(reads::StockReserved {});
const CANCELLED: Input = Input::OrderCancelled(reads::OrderCancelled {});

fn amount() -> Money {
    Money { amount: 3_900, currency: "EUR".parse().unwrap() }
}

fn placed() -> Input {
    Input::OrderPlaced(reads::OrderPlaced {
        total: amount(),
        payment_method: "pm_card_visa".into(),
        channel: "web".into(),
    })
}

fn charged() -> Input {
    Input::Charged { charge_id: "ch_1".into() }
}

fn declined() -> Input {
    Input::Declined { reason: "card_declined".into() }
}

fn refunded() -> Input {
    Input::Refunded { refund_id: "re_1".into() }
}

fn told_charged() -> Event {
    let charge_id = "ch_1".into();
    Event::PaymentCharged(PaymentCharged { order_id: ORDER, charge_id, amount: amount() })
}

fn told_failed() -> Event {
    Event::PaymentFailed(PaymentFailed { order_id: ORDER, reason: "card_declined".into() })
}

fn told_refunded() -> Event {
    Event::PaymentRefunded(PaymentRefunded {
        order_id: ORDER,
        charge_id: "ch_1".into(),
        refund_id: "re_1".into(),
        amount: amount(),
    })
}

fn decide_payment(state: &State, input: &Input) -> Decision<State, Event, Effect> {
    state.decide(ORDER, input)
}
