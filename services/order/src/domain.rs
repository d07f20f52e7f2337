//! The fate of an order, decided here alone: Placed → Confirmed → Completed, and Cancelled from
//! either of the first two. Terminal states absorb. An order that others know of and this service
//! does not can be Cancelled by an operator.
//!
//! Pure and total: any input in any state, in any order, any number of times.

use kernel::{Decision, NoEffect, StateMachine};
use serde::{Deserialize, Serialize};

use crate::events::{
    CancelReason, Event, OrderCancelled, OrderCompleted, OrderConfirmed, OrderId, reads,
};

/// Where an order is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum State {
    /// No such order was placed here. Placing one is not an input: it is a request of its own.
    #[default]
    Unseen,
    /// Neither stock nor payment has failed, and the payment is not known yet.
    Placed,
    /// Placed, and the shipment came before the payment that caused it.
    ShippedAhead,
    /// Paid: neither the deadline nor the customer can cancel any more.
    Confirmed,
    /// Paid and shipped, for good.
    Completed,
    /// Not fulfilled, for good.
    Cancelled {
        /// What came first.
        reason: CancelReason,
    },
}

/// What may happen to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Inventory could not reserve every line.
    StockReservationFailed(reads::StockReservationFailed),
    /// The charge succeeded.
    PaymentCharged(reads::PaymentCharged),
    /// The charge was declined.
    PaymentFailed(reads::PaymentFailed),
    /// The carrier accepted.
    ShipmentCreated(reads::ShipmentCreated),
    /// The carrier refused.
    ShipmentFailed(reads::ShipmentFailed),
    /// The order has waited for its payment as long as it may.
    DeadlinePassed,
    /// The customer wants to cancel.
    CancelRequested,
    /// An operator has an order undone that was never placed here.
    Undone,
}

impl StateMachine for State {
    type Input = Input;
    type Event = Event;
    type Effect = NoEffect;

    /// What `input` does to the order `order_id` in this state.
    fn decide(&self, order_id: OrderId, input: &Input) -> Decision<Self, Event, NoEffect> {
        use State::{Completed, Confirmed, Placed, ShippedAhead};

        let confirmed = Event::OrderConfirmed(OrderConfirmed { order_id });
        let completed = Event::OrderCompleted(OrderCompleted { order_id });
        let cancel = |reason| {
            Decision::to(State::Cancelled { reason }).emit(OrderCancelled { order_id, reason })
        };

        match (self, input) {
            (Placed, Input::PaymentCharged(_)) => Decision::to(Confirmed).emit(confirmed),
            (Confirmed, Input::ShipmentCreated(_)) => Decision::to(Completed).emit(completed),

            (Placed, Input::ShipmentCreated(_)) => Decision::to(ShippedAhead),
            (ShippedAhead, Input::PaymentCharged(_)) => {
                Decision::to(Completed).emit(confirmed).emit(completed)
            }

            (Placed | ShippedAhead, Input::StockReservationFailed(_)) => {
                cancel(CancelReason::OutOfStock)
            }
            (Placed | ShippedAhead, Input::PaymentFailed(_)) => cancel(CancelReason::PaymentFailed),
            (Placed | Confirmed, Input::ShipmentFailed(_)) => cancel(CancelReason::ShipmentFailed),

            // Not when shipped ahead: there is a parcel, so the payment is only late to be heard of.
            (Placed, Input::DeadlinePassed) => cancel(CancelReason::TimedOut),
            (Placed, Input::CancelRequested) => cancel(CancelReason::CustomerRequest),

            (State::Unseen, Input::Undone) => cancel(CancelReason::NeverPlaced),

            _ => Decision::to(self.clone()),
        }
    }
}
