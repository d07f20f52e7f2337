//! The shipping service: books the parcel of an order once that is confirmed.

pub mod domain;
pub mod events;
mod gateway;
mod http;
mod store;

use axum::Router;
use contracts::operations::Said;
use contracts::{Consumes, Declaration, Emits};
use kernel::Decision;
use messaging::{Call, CallError, Failure, Service, StateTable};
use runtime::{App, AppContext};

use crate::domain::{Effect, Input, State};
use crate::events::{Event, OrderId, reads};
use crate::gateway::{Booking, Gateway};
use crate::store::SHIPMENTS;

/// The shipping service, as the loop runs it.
#[derive(Debug)]
pub struct Shipping {
    gateway: Gateway,
}

impl Service for Shipping {
    type Input = Input;
    type Event = Event;
    type Effect = Effect;
    type State = State;
    type Shared = ();

    const STATES: StateTable = SHIPMENTS;

    fn declaration() -> Declaration<Input> {
        Declaration {
            service: "shipping",
            consumes: vec![
                Consumes::new::<reads::OrderPlaced>(
                    "order",
                    "OrderPlaced",
                    include_str!("../reads/OrderPlaced.avsc"),
                    Input::OrderPlaced,
                )
                .leads_to(&["ShipmentCreated", "ShipmentFailed"])
                .may_linger(),
                Consumes::new::<reads::OrderConfirmed>(
                    "order",
                    "OrderConfirmed",
                    include_str!("../reads/OrderConfirmed.avsc"),
                    Input::OrderConfirmed,
                )
                .leads_to(&["ShipmentCreated", "ShipmentFailed"]),
                Consumes::new::<reads::OrderCancelled>(
                    "order",
                    "OrderCancelled",
                    include_str!("../reads/OrderCancelled.avsc"),
                    Input::OrderCancelled,
                ),
            ],
            emits: vec![
                Emits {
                    event_type: "ShipmentCreated",
                    schema: include_str!("../../../schemas/shipping/ShipmentCreated.v1.avsc"),
                },
                Emits {
                    event_type: "ShipmentFailed",
                    schema: include_str!("../../../schemas/shipping/ShipmentFailed.v1.avsc"),
                },
            ],
            compensates: vec![],
        }
    }

    fn decide(
        &self,
        order: OrderId,
        state: &State,
        input: &Input,
        (): &mut (),
    ) -> Result<Decision<State, Event, Effect>, Failure> {
        Ok(domain::decide(order, state, input))
    }

    async fn perform(&self, call: &Call<Effect>) -> Result<Input, CallError> {
        let Effect::Book { recipient } = &call.effect;
        Ok(match self.gateway.book(&call.idempotency_key(), recipient).await? {
            Booking::Accepted { shipment_id, carrier, tracking_number } => {
                Input::Booked { shipment_id, carrier, tracking_number }
            }
            Booking::Refused { reason } => Input::Refused { reason },
        })
    }

    fn said(&self, _: &Effect, said: &Said) -> Result<Input, String> {
        match said.outcome.as_str() {
            "booked" => Ok(Input::Booked {
                shipment_id: said.detail("id")?,
                carrier: said.detail("carrier")?,
                tracking_number: said.detail("tracking-number")?,
            }),
            "refused" => Ok(Input::Refused { reason: said.detail("because")? }),
            _ => Err(said.is_none_of(
                "booked --id SHIPMENT --carrier NAME --tracking-number NUMBER, \
                 refused --because REASON",
            )),
        }
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

/// The shipping service, as a program.
#[derive(Debug)]
pub struct Program;

impl App for Program {
    type Service = Shipping;
    type Settings = gateway::Settings;
    const PORT: u16 = 8084;

    fn migrations() -> sqlx::migrate::Migrator {
        store::migrations()
    }

    fn openapi() -> utoipa::openapi::OpenApi {
        http::openapi()
    }

    fn service(settings: &Self::Settings) -> Shipping {
        Shipping { gateway: Gateway::new(settings.clone()) }
    }

    fn api(context: AppContext<Self>) -> Router {
        http::router(context)
    }
}
