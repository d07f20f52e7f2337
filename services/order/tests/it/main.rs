//! The order service: its events, its state machine, and its API.
// A panic in a test's helper is the report, as in the test itself.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod declaration;
mod domain;
mod http;
mod properties;
mod schemas;

use kernel::{Decision, NoEffect, StateMachine as _};
use order::domain::{Input, State};
use order::events::{
    CancelReason, Event, OrderCancelled, OrderCompleted, OrderConfirmed, OrderId, reads,
};

const ORDER: OrderId = OrderId(uuid::Uuid::from_u128(1));

const INPUTS: [Input; 8] = [
    STOCK_FAILED,
    CHARGED,
    DECLINED,
    SHIPPED,
    REFUSED,
    Input::DeadlinePassed,
    Input::CancelRequested,
    Input::Undone,
];
const STOCK_FAILED: Input = Input::StockReservationFailed(reads::StockReservationFailed {});
const CHARGED: Input = Input::PaymentCharged(reads::PaymentCharged {});
const DECLINED: Input = Input::PaymentFailed(reads::PaymentFailed {});
const SHIPPED: Input = Input::ShipmentCreated(reads::ShipmentCreated {});
const REFUSED: Input = Input::ShipmentFailed(reads::ShipmentFailed {});

const CONFIRMED: Event = Event::OrderConfirmed(OrderConfirmed { order_id: ORDER });
const COMPLETED: Event = Event::OrderCompleted(OrderCompleted { order_id: ORDER });

const fn cancelled(reason: CancelReason) -> Event {
    Event::OrderCancelled(OrderCancelled { order_id: ORDER, reason })
}

fn decide_order(state: &State, input: &Input) -> Decision<State, Event, NoEffect> {
    state.decide(ORDER, input)
}
