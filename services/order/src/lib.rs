//! The order service: takes orders, and alone decides their fate.

mod catalogue;
mod client_rate;
mod deadline;
pub mod domain;
pub mod events;
mod http;
mod instruments;
mod open;
mod placing;
mod settings;
mod store;
mod waiters;

use std::sync::Arc;

use contracts::{Begins, Book, Declaration, Holds, consumes, emits};
use kernel::{NoEffect, StateMachine as _};
use messaging::{DecisionOf, Failure, NoGateway, Service, StateTable};
use runtime::{App, Migrator};
use utoipa_axum::router::OpenApiRouter;

pub use crate::http::check_body;

use crate::domain::{Input, State};
use crate::events::{CancelReason, Event, OrderId, reads};
use crate::instruments::Ends;
use crate::settings::Settings;
use crate::waiters::Waiters;

/// The order service.
#[derive(Debug, Default)]
pub struct Order {
    waiters: Arc<Waiters>,
    ends: Ends,
}

impl Service for Order {
    type Input = Input;
    type Event = Event;
    type Effect = NoEffect;
    type State = State;
    type Shared = ();
    const STATES: StateTable = store::ORDERS;

    fn declaration() -> Declaration<Input> {
        Declaration {
            consumes: vec![
                consumes!("inventory", StockReservationFailed)
                    .leads_to(&["OrderCancelled"])
                    .within_s(5),
                consumes!("payment", PaymentCharged)
                    // The last is said at once if the shipment was read of before.
                    .leads_to(&["OrderConfirmed", "OrderCompleted"])
                    .within_s(5),
                consumes!("payment", PaymentFailed).leads_to(&["OrderCancelled"]).within_s(5),
                consumes!("shipping", ShipmentCreated).leads_to(&["OrderCompleted"]).within_s(5),
                consumes!("shipping", ShipmentFailed).leads_to(&["OrderCancelled"]).within_s(5),
            ],
            emits: vec![
                emits!("order", OrderPlaced, 2),
                emits!("order", OrderConfirmed, 1),
                emits!("order", OrderCompleted, 1),
                emits!("order", OrderCancelled, 1),
            ],
            status: &["status", "reason"],
            begins: Some(
                Begins::by("OrderPlaced")
                    .within_a_deadline("placed", "cancelled timed_out")
                    .undone_as("cancelled never_placed"),
            ),
            books: vec![Book::new(
                "I6-fates",
                "an order's fate does not change, and all were told of it",
                [Holds::last(&["OrderCompleted", "OrderCancelled"])],
            )],
            metrics: instruments::instruments(),
            ..Declaration::of(
                "order",
                "takes orders, decides their fate, keeps the catalogue",
                "orders",
            )
        }
    }

    fn decide(
        &self,
        order: OrderId,
        state: &State,
        input: &Input,
        (): &mut (),
    ) -> Result<DecisionOf<Self>, Failure> {
        let undone = State::Cancelled { reason: CancelReason::NeverPlaced };
        match (state, input) {
            (State::Unseen, Input::Undone) => {}
            (State::Unseen, _) => {
                return Err(Failure::Poison(format!(
                    "order {order} was never placed here: is it another fleet's (TOPIC_PREFIX)? \
                     If not, farandole orders undo has everybody undo what they did for it"
                )));
            }
            (state, Input::Undone) if *state != undone => {
                return Err(Failure::Poison(format!(
                    "order {order} was placed here: it can only be cancelled, by POST \
                     /orders/{order}/cancel"
                )));
            }
            _ => {}
        }
        Ok(state.decide(order, input))
    }

    fn undo() -> Option<Input> {
        Some(Input::Undone)
    }

    fn changed(&self, order: OrderId, before: &State, now: &State) {
        self.ends.count(order, before, now);
        self.waiters.wake(order);
    }
}

impl App for Order {
    type Gateway = NoGateway;
    type Settings = Settings;
    type Api = http::Api;
    const PORT: u16 = 8081;
    const MIGRATIONS: Migrator = sqlx::migrate!();
    const ROUTES: fn() -> OpenApiRouter<http::Api> = http::routes;
}
