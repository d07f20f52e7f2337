//! The payment service: charges the customer once the stock is reserved, and pays back when the
//! order is cancelled after all.

pub mod domain;
pub mod events;
mod gateway;
mod http;
mod store;

use std::borrow::Cow;

use axum::Router;
use contracts::operations::Said;
use contracts::{Compensates, Consumes, Declaration, Emits};
use kernel::Decision;
use messaging::{Call, CallError, Failure, Service, StateTable};
use runtime::{App, AppContext};

use crate::domain::{Effect, Input, State};
use crate::events::{Event, OrderId, reads};
use crate::gateway::{Charge, Gateway};
use crate::store::PAYMENTS;

/// The payment service, as the loop runs it.
#[derive(Debug)]
pub struct Payment {
    gateway: Gateway,
}

impl Service for Payment {
    type Input = Input;
    type Event = Event;
    type Effect = Effect;
    type State = State;
    type Shared = ();

    const STATES: StateTable = PAYMENTS;

    fn declaration() -> Declaration<Input> {
        Declaration {
            service: "payment",
            consumes: vec![
                Consumes::new::<reads::OrderPlaced>(
                    "order",
                    "OrderPlaced",
                    include_str!("../reads/OrderPlaced.avsc"),
                    Input::OrderPlaced,
                )
                .leads_to(&["PaymentCharged", "PaymentFailed"])
                .may_linger(),
                Consumes::new::<reads::StockReserved>(
                    "inventory",
                    "StockReserved",
                    include_str!("../reads/StockReserved.avsc"),
                    Input::StockReserved,
                )
                .leads_to(&["PaymentCharged", "PaymentFailed"]),
                Consumes::new::<reads::OrderCancelled>(
                    "order",
                    "OrderCancelled",
                    include_str!("../reads/OrderCancelled.avsc"),
                    Input::OrderCancelled,
                )
                .leads_to(&["PaymentRefunded"]),
            ],
            emits: vec![
                Emits {
                    event_type: "PaymentCharged",
                    schema: include_str!("../../../schemas/payment/PaymentCharged.v1.avsc"),
                },
                Emits {
                    event_type: "PaymentFailed",
                    schema: include_str!("../../../schemas/payment/PaymentFailed.v1.avsc"),
                },
                Emits {
                    event_type: "PaymentRefunded",
                    schema: include_str!("../../../schemas/payment/PaymentRefunded.v1.avsc"),
                },
            ],
            compensates: vec![Compensates { event: "PaymentRefunded", undoes: "PaymentCharged" }],
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
        let key = call.idempotency_key();
        match &call.effect {
            Effect::Charge { payment_method, .. } => {
                Ok(match self.gateway.charge(&key, call.attempts, payment_method).await? {
                    Charge::Confirmed { charge_id } => Input::Charged { charge_id },
                    Charge::Declined { reason } => Input::Declined { reason },
                })
            }
            Effect::Refund { charge_id, amount } => {
                let refund_id = self.gateway.refund(&key, charge_id, *amount).await?;
                Ok(Input::Refunded { refund_id })
            }
        }
    }

    fn destination(&self, call: &Call<Effect>) -> Cow<'static, str> {
        Cow::Borrowed(match &call.effect {
            Effect::Charge { payment_method, .. } => Gateway::network(payment_method),
            Effect::Refund { .. } => "",
        })
    }

    fn is_abandoned(&self, state: &State, effect: &Effect) -> bool {
        matches!((state, effect), (State::Charging { cancelled: true, .. }, Effect::Charge { .. }))
    }

    fn said(&self, effect: &Effect, said: &Said) -> Result<Input, String> {
        let outcomes = match (effect, said.outcome.as_str()) {
            (Effect::Charge { .. }, "charged") => {
                return Ok(Input::Charged { charge_id: said.detail("id")? });
            }
            (Effect::Charge { .. }, "declined") => {
                return Ok(Input::Declined { reason: said.detail("because")? });
            }
            (Effect::Refund { .. }, "refunded") => {
                return Ok(Input::Refunded { refund_id: said.detail("id")? });
            }
            (Effect::Charge { .. }, _) => "charged --id CHARGE, declined --because REASON",
            (Effect::Refund { .. }, _) => "refunded --id REFUND",
        };
        Err(said.is_none_of(outcomes))
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

/// The payment service, as a program.
#[derive(Debug)]
pub struct Program;

impl App for Program {
    type Service = Payment;
    type Settings = gateway::Settings;
    const PORT: u16 = 8083;

    fn migrations() -> sqlx::migrate::Migrator {
        store::migrations()
    }

    fn openapi() -> utoipa::openapi::OpenApi {
        http::openapi()
    }

    fn service(settings: &Self::Settings) -> Payment {
        Payment { gateway: Gateway::new(settings.clone()) }
    }

    fn api(context: AppContext<Self>) -> Router {
        http::router(context)
    }
}
