//! The order service: takes orders, and alone decides their fate.

mod catalogue;
mod client_rate;
mod deadline;
pub mod domain;
pub mod events;
mod http;
mod placing;
mod store;
mod waiters;

use std::sync::Arc;

use axum::Router;
use contracts::{Consumes, Declaration, Emits};
use kernel::Decision;
use messaging::{Call, CallError, Failure, Purpose, Service, StateTable};
use runtime::{App, AppContext};

use crate::domain::{Effect, Input, State};
use crate::events::{CancelReason, Event, OrderId, reads};
use crate::waiters::Waiters;

/// The order service, as the loop runs it.
#[derive(Debug, Default)]
pub struct Order {
    waiters: Arc<Waiters>,
}

impl Service for Order {
    type Input = Input;
    type Event = Event;
    type Effect = Effect;
    type State = State;
    type Shared = ();

    const STATES: StateTable = store::ORDERS;

    fn declaration() -> Declaration<Input> {
        Declaration {
            service: "order",
            consumes: vec![
                Consumes::new::<reads::StockReservationFailed>(
                    "inventory",
                    "StockReservationFailed",
                    include_str!("../reads/StockReservationFailed.avsc"),
                    Input::StockReservationFailed,
                )
                .leads_to(&["OrderCancelled"]),
                Consumes::new::<reads::PaymentCharged>(
                    "payment",
                    "PaymentCharged",
                    include_str!("../reads/PaymentCharged.avsc"),
                    Input::PaymentCharged,
                )
                .leads_to(&["OrderConfirmed"]),
                Consumes::new::<reads::PaymentFailed>(
                    "payment",
                    "PaymentFailed",
                    include_str!("../reads/PaymentFailed.avsc"),
                    Input::PaymentFailed,
                )
                .leads_to(&["OrderCancelled"]),
                Consumes::new::<reads::ShipmentCreated>(
                    "shipping",
                    "ShipmentCreated",
                    include_str!("../reads/ShipmentCreated.avsc"),
                    Input::ShipmentCreated,
                )
                .leads_to(&["OrderCompleted"]),
                Consumes::new::<reads::ShipmentFailed>(
                    "shipping",
                    "ShipmentFailed",
                    include_str!("../reads/ShipmentFailed.avsc"),
                    Input::ShipmentFailed,
                )
                .leads_to(&["OrderCancelled"]),
            ],
            emits: vec![
                Emits {
                    event_type: "OrderPlaced",
                    schema: include_str!("../../../schemas/order/OrderPlaced.v1.avsc"),
                },
                Emits {
                    event_type: "OrderConfirmed",
                    schema: include_str!("../../../schemas/order/OrderConfirmed.v1.avsc"),
                },
                Emits {
                    event_type: "OrderCompleted",
                    schema: include_str!("../../../schemas/order/OrderCompleted.v1.avsc"),
                },
                Emits {
                    event_type: "OrderCancelled",
                    schema: include_str!("../../../schemas/order/OrderCancelled.v1.avsc"),
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
        Ok(domain::decide(order, state, input))
    }

    async fn perform(&self, call: &Call<Effect>) -> Result<Input, CallError> {
        match call.effect {}
    }

    fn undo() -> Option<Input> {
        Some(Input::Undone)
    }

    fn committed(&self, orders: &[OrderId]) {
        self.waiters.wake(orders);
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

/// The order service, as a program.
#[derive(Debug)]
pub struct Program;

/// The settings that only the order service has.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Orders")]
pub struct Settings {
    /// How long an order may wait for its payment, in seconds, before it is cancelled.
    #[arg(long, env = "ORDER_DEADLINE_S", value_name = "S", default_value_t = 900,
          value_parser = clap::value_parser!(u32).range(1..=31_536_000))]
    order_deadline_s: u32,
    /// The longest wait for more orders to share a transaction, in milliseconds. It is used at
    /// high rates only.
    #[arg(long, env = "PLACE_LINGER_MS", value_name = "MS", default_value_t = 2,
          value_parser = clap::value_parser!(u64).range(0..=100))]
    place_linger_ms: u64,
    /// The most orders a second from one client, told by its address; 0 for no limit. More are
    /// answered with 429 and `Retry-After`.
    #[arg(long, env = "CLIENT_RATE_MAX", value_name = "ORDERS", default_value_t = 0)]
    client_rate_max: u32,
    /// The header in which a trusted proxy names the client's address, such as x-forwarded-for.
    #[arg(long, env = "CLIENT_ADDRESS_HEADER", value_name = "NAME")]
    client_address_header: Option<axum::http::HeaderName>,
}

impl App for Program {
    type Service = Order;
    type Settings = Settings;
    const PORT: u16 = 8081;

    fn migrations() -> sqlx::migrate::Migrator {
        store::migrations()
    }

    fn openapi() -> utoipa::openapi::OpenApi {
        http::openapi()
    }

    fn service(_: &Settings) -> Order {
        Order::default()
    }

    fn api(context: AppContext<Self>) -> Router {
        let session = context.database.session(Purpose::new("deadlines"));
        let watch = deadline::watch(session, context.handle.clone(), context.shutdown.clone());
        context.handle.spawn("the watch over deadlines", watch);
        http::router(context)
    }
}
