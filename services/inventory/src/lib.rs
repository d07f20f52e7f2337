//! The inventory service: reserves the stock of an order, all of it or none, and releases it when
//! the order is cancelled.

pub mod domain;
pub mod events;
mod http;
mod levels;
mod store;

use axum::Router;
use contracts::{Compensates, Consumes, Declaration, Emits};
use kernel::Decision;
use messaging::{Call, CallError, Failure, Service, StateTable};
use runtime::{App, AppContext};

use crate::domain::{Effect, Input, State};
use crate::events::{Event, OrderId, reads};
use crate::store::{RESERVATIONS, Settings, Shelf};

/// The inventory service, as the loop runs it.
#[derive(Debug)]
pub struct Inventory;

impl Service for Inventory {
    type Input = Input;
    type Event = Event;
    type Effect = Effect;
    type State = State;
    type Shared = Shelf;

    const STATES: StateTable = RESERVATIONS;

    fn declaration() -> Declaration<Input> {
        Declaration {
            service: "inventory",
            consumes: vec![
                Consumes::new::<reads::OrderPlaced>(
                    "order",
                    "OrderPlaced",
                    include_str!("../reads/OrderPlaced.avsc"),
                    Input::OrderPlaced,
                )
                .leads_to(&["StockReserved", "StockReservationFailed"]),
                Consumes::new::<reads::ShipmentCreated>(
                    "shipping",
                    "ShipmentCreated",
                    include_str!("../reads/ShipmentCreated.avsc"),
                    Input::ShipmentCreated,
                )
                .may_linger(),
                Consumes::new::<reads::OrderCancelled>(
                    "order",
                    "OrderCancelled",
                    include_str!("../reads/OrderCancelled.avsc"),
                    Input::OrderCancelled,
                )
                .leads_to(&["StockReleased"]),
            ],
            emits: vec![
                Emits {
                    event_type: "StockReserved",
                    schema: include_str!("../../../schemas/inventory/StockReserved.v1.avsc"),
                },
                Emits {
                    event_type: "StockReservationFailed",
                    schema: include_str!(
                        "../../../schemas/inventory/StockReservationFailed.v1.avsc"
                    ),
                },
                Emits {
                    event_type: "StockReleased",
                    schema: include_str!("../../../schemas/inventory/StockReleased.v1.avsc"),
                },
            ],
            compensates: vec![Compensates { event: "StockReleased", undoes: "StockReserved" }],
        }
    }

    fn decide(
        &self,
        order: OrderId,
        state: &State,
        input: &Input,
        shared: &mut Shelf,
    ) -> Result<Decision<State, Event, Effect>, Failure> {
        let (decision, movements) = domain::decide(order, state, shared.stock(), input);
        for movement in &movements {
            let moved = shared.apply(movement);
            moved.map_err(|error| Failure::Poison(format!("{}: {error}", movement.sku)))?;
        }
        Ok(decision)
    }

    async fn perform(&self, call: &Call<Effect>) -> Result<Input, CallError> {
        match call.effect {}
    }
}

impl messaging::Effect for Effect {
    fn step(&self) -> &'static str {
        self.step()
    }
}

impl contracts::Event for Event {
    fn event_type(&self) -> &'static str {
        self.event_type()
    }
}

/// The inventory service, as a program.
#[derive(Debug)]
pub struct Program;

impl App for Program {
    type Service = Inventory;
    type Settings = Settings;
    const PORT: u16 = 8082;

    fn migrations() -> sqlx::migrate::Migrator {
        store::migrations()
    }

    fn openapi() -> utoipa::openapi::OpenApi {
        http::openapi()
    }

    fn service(_: &Settings) -> Inventory {
        Inventory
    }

    fn api(context: AppContext<Self>) -> Router {
        http::router(context)
    }
}
