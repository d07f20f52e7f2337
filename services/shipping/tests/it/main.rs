//! The shipping service's events and state machine.
// A panic in a test's helper is the report, as in the test itself.
#![allow(clippy::unwrap_used)]

mod declaration;
mod domain;

use kernel::{Decision, StateMachine as _};
use shipping::domain::{Effect, Input, Shipment, State};
use shipping::events::reads::{self, Recipient};
use shipping::events::{Event, OrderId, ShipmentFailed};

const ORDER: OrderId = OrderId(uuid::Uuid::from_u128(1));

const CONFIRMED: Input = Input::OrderConfirmed(reads::OrderConfirmed {});
const CANCELLED: Input = Input::OrderCancelled(reads::OrderCancelled {});

fn recipient() -> Recipient {
    Recipient {
        name: "Ada Lovelace".into(),
        street: "12 St James's Square".into(),
        city: "London".into(),
        postal_code: "SW1Y 4JH".into(),
        country: "GB".into(),
    }
}

fn placed() -> Input {
    Input::OrderPlaced(reads::OrderPlaced { recipient: recipient() })
}

fn shipment() -> Shipment {
    Shipment {
        shipment_id: "sh_1".into(),
        carrier: "Tortoise".into(),
        tracking_number: "T-1".into(),
    }
}

fn booked() -> Input {
    Input::Booked(shipment())
}

fn refused() -> Input {
    Input::Refused { reason: "destination_not_served".into() }
}

fn told_created() -> Event {
    Event::ShipmentCreated(shipment().is_created(ORDER))
}

fn told_failed() -> Event {
    let reason = "destination_not_served".into();
    Event::ShipmentFailed(ShipmentFailed { order_id: ORDER, reason })
}

fn decide_shipment(state: &State, input: &Input) -> Decision<State, Event, Effect> {
    state.decide(ORDER, input)
}
