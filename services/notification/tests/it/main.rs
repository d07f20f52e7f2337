//! The notification service's events and state machine.
// A panic in a test's helper is the report, as in the test itself.
#![allow(clippy::unwrap_used)]

mod declaration;
mod domain;
mod properties;
mod schemas;

use kernel::{Decision, StateMachine as _};
use notification::domain::{Effect, Input, State};
use notification::events::reads::{self, Recipient};
use notification::events::{CustomerNotified, Event, NotificationFailed, OrderId, Outcome};

const ORDER: OrderId = OrderId(uuid::Uuid::from_u128(1));

const CONFIRMED: Input = Input::OrderConfirmed(reads::OrderConfirmed {});
const COMPLETED: Input = Input::OrderCompleted(reads::OrderCompleted {});
const CANCELLED: Input = Input::OrderCancelled(reads::OrderCancelled {});

fn recipient() -> Recipient {
    Recipient { name: "Ada Lovelace".into(), email: "ada@example.org".into() }
}

fn placed() -> Input {
    Input::OrderPlaced(reads::OrderPlaced { recipient: recipient() })
}

fn sent(outcome: Outcome) -> Input {
    Input::Sent { outcome, message_id: "1@farandole".into() }
}

fn given_up(outcome: Outcome) -> Input {
    Input::GivenUp { outcome, reason: "address_rejected".into() }
}

fn retried(outcome: Outcome) -> Input {
    Input::Retried { outcome, recipient: recipient() }
}

fn told_sent(outcome: Outcome) -> Event {
    let message_id = "1@farandole".into();
    Event::CustomerNotified(CustomerNotified { order_id: ORDER, outcome, message_id })
}

fn told_failed(outcome: Outcome) -> Event {
    let reason = "address_rejected".into();
    Event::NotificationFailed(NotificationFailed { order_id: ORDER, outcome, reason })
}

fn decide_messages(state: &State, input: &Input) -> Decision<State, Event, Effect> {
    state.decide(ORDER, input)
}
