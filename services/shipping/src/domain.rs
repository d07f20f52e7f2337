//! The shipment of an order: Awaiting → Booking → Created | Failed. Cancelled while Awaiting, it
//! is Void.
//!
//! Pure and total: any input in any state, in any order, any number of times. Where the parcel
//! goes is personal data: the state holds it only while it waits for the confirmation, then the
//! intent to book has it alone.

use kernel::{Decision, StateMachine};
use serde::{Deserialize, Serialize};

use crate::events::reads::{self, Recipient};
use crate::events::{Event, OrderId, ShipmentCreated, ShipmentFailed};

/// Where an order's shipment is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum State {
    /// Nothing is known of the order.
    #[default]
    Unseen,
    /// Where to ship is known; booked it is once the order is confirmed.
    AwaitingConfirmation {
        /// Where the parcel goes.
        recipient: Recipient,
    },
    /// The order is confirmed; where to ship isn't known yet.
    AwaitingOrder,
    /// The carrier has been asked, and its answer is not known.
    Booking,
    /// The carrier has the shipment, for good.
    Created(Shipment),
    /// The carrier has refused, for good.
    Failed {
        /// Why.
        reason: String,
    },
    /// Cancelled before anything was booked: a void marker, so that late events book nothing.
    Void,
}

/// A shipment that the carrier has accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shipment {
    /// The carrier's id of the shipment.
    pub shipment_id: String,
    /// The carrier's name.
    pub carrier: String,
    /// What the customer follows the parcel by.
    pub tracking_number: String,
}

impl Shipment {
    /// The fact that it is the shipment of this order.
    pub fn is_created(self, order_id: OrderId) -> ShipmentCreated {
        let Self { shipment_id, carrier, tracking_number } = self;
        ShipmentCreated { order_id, shipment_id, carrier, tracking_number }
    }
}

/// What may happen to a shipment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A customer has placed the order.
    OrderPlaced(reads::OrderPlaced),
    /// The order is paid.
    OrderConfirmed(reads::OrderConfirmed),
    /// The order will not be fulfilled.
    OrderCancelled(reads::OrderCancelled),
    /// The carrier has accepted.
    Booked(Shipment),
    /// The carrier has refused, for good.
    Refused {
        /// Why, such as `destination_not_served`.
        reason: String,
    },
}

/// A call to the carrier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// Book the shipment; the outcome is [`Input::Booked`] or [`Input::Refused`].
    Book {
        /// Where the parcel goes.
        recipient: Recipient,
    },
}

impl kernel::Effect for Effect {
    fn step(&self) -> &'static str {
        match self {
            Self::Book { .. } => "book",
        }
    }
}

impl StateMachine for State {
    type Input = Input;
    type Event = Event;
    type Effect = Effect;

    /// What `input` does to the shipment of `order_id` in this state.
    fn decide(&self, order_id: OrderId, input: &Input) -> Decision<Self, Event, Effect> {
        match (self.clone(), input.clone()) {
            (State::Unseen, Input::OrderPlaced(reads::OrderPlaced { recipient })) => {
                Decision::to(State::AwaitingConfirmation { recipient })
            }
            (State::Unseen, Input::OrderConfirmed(_)) => Decision::to(State::AwaitingOrder),
            (State::AwaitingConfirmation { recipient }, Input::OrderConfirmed(_))
            | (State::AwaitingOrder, Input::OrderPlaced(reads::OrderPlaced { recipient })) => {
                Decision::to(State::Booking).perform(Effect::Book { recipient })
            }

            // Not while Booking: a confirmed order is cancelled only because its shipment failed.
            (
                State::Unseen | State::AwaitingConfirmation { .. } | State::AwaitingOrder,
                Input::OrderCancelled(_),
            ) => Decision::to(State::Void),

            (State::Booking, Input::Booked(shipment)) => {
                Decision::to(State::Created(shipment.clone())).emit(shipment.is_created(order_id))
            }
            (State::Booking, Input::Refused { reason }) => {
                Decision::to(State::Failed { reason: reason.clone() })
                    .emit(ShipmentFailed { order_id, reason })
            }
            (state, _) => Decision::to(state),
        }
    }
}
