//! The notification service: tells the customer how the order fares.

pub mod domain;
pub mod events;
mod gateway;
mod http;
mod store;

use std::time::Duration;

use axum::Router;
use contracts::operations::Said;
use contracts::{Consumes, Declaration, Emits};
use kernel::Decision;
use messaging::{Call, CallError, Failure, Service, StateTable};
use runtime::{App, AppContext};

use crate::domain::{Effect, Input, State};
use crate::events::{Event, OrderId, reads};
use crate::gateway::{Gateway, Mail};
use crate::store::NOTIFICATIONS;

/// The notification service, as the loop runs it.
#[derive(Debug)]
pub struct Notification {
    gateway: Gateway,
    give_up_after: Duration,
}

impl Service for Notification {
    type Input = Input;
    type Event = Event;
    type Effect = Effect;
    type State = State;
    type Shared = ();

    const STATES: StateTable = NOTIFICATIONS;

    fn declaration() -> Declaration<Input> {
        Declaration {
            service: "notification",
            consumes: vec![
                Consumes::new::<reads::OrderPlaced>(
                    "order",
                    "OrderPlaced",
                    include_str!("../reads/OrderPlaced.avsc"),
                    Input::OrderPlaced,
                )
                .leads_to(&["CustomerNotified", "NotificationFailed"]),
                Consumes::new::<reads::OrderConfirmed>(
                    "order",
                    "OrderConfirmed",
                    include_str!("../reads/OrderConfirmed.avsc"),
                    Input::OrderConfirmed,
                )
                .leads_to(&["CustomerNotified", "NotificationFailed"]),
                Consumes::new::<reads::OrderCompleted>(
                    "order",
                    "OrderCompleted",
                    include_str!("../reads/OrderCompleted.avsc"),
                    Input::OrderCompleted,
                )
                .leads_to(&["CustomerNotified", "NotificationFailed"]),
                Consumes::new::<reads::OrderCancelled>(
                    "order",
                    "OrderCancelled",
                    include_str!("../reads/OrderCancelled.avsc"),
                    Input::OrderCancelled,
                )
                .leads_to(&["CustomerNotified", "NotificationFailed"]),
            ],
            emits: vec![
                Emits {
                    event_type: "CustomerNotified",
                    schema: include_str!("../../../schemas/notification/CustomerNotified.v1.avsc"),
                },
                Emits {
                    event_type: "NotificationFailed",
                    schema: include_str!(
                        "../../../schemas/notification/NotificationFailed.v1.avsc"
                    ),
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
        let Effect::Mail { outcome, recipient } = &call.effect;
        let outcome = *outcome;
        Ok(match self.gateway.send(&call.idempotency_key(), outcome, recipient).await? {
            Mail::Taken { message_id } => Input::Sent { outcome, message_id },
            Mail::Refused { reason } => Input::GivenUp { outcome, reason },
        })
    }

    fn give_up(&self, call: &Call<Effect>) -> Option<Input> {
        let Effect::Mail { outcome, .. } = call.effect;
        let reason = "mail_server_unavailable".to_owned();
        (call.age >= self.give_up_after).then_some(Input::GivenUp { outcome, reason })
    }

    fn gives_up(&self, outcome: &Input) -> bool {
        matches!(outcome, Input::GivenUp { .. })
    }

    fn again(&self, effect: &Effect) -> Option<Input> {
        let Effect::Mail { outcome, recipient } = effect.clone();
        Some(Input::Retried { outcome, recipient })
    }

    fn said(&self, effect: &Effect, said: &Said) -> Result<Input, String> {
        let Effect::Mail { outcome, .. } = *effect;
        match said.outcome.as_str() {
            "sent" => Ok(Input::Sent { outcome, message_id: said.detail("id")? }),
            "given-up" => Ok(Input::GivenUp { outcome, reason: said.detail("because")? }),
            _ => Err(said.is_none_of("sent --id MESSAGE_ID, given-up --because REASON")),
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

/// The notification service, as a program.
#[derive(Debug)]
pub struct Program;

/// The settings that only the notification service has.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Settings {
    #[command(flatten)]
    gateway: gateway::Settings,
    /// How long a message is tried before it is given up, in seconds. Given up it is only when the mail
    /// server does not answer; what it refuses for good is given up at once.
    #[arg(long, env = "MAIL_GIVE_UP_AFTER_S", value_name = "S", default_value_t = 86_400,
          help_heading = "Messages", value_parser = clap::value_parser!(u64).range(0..=31_536_000))]
    mail_give_up_after_s: u64,
}

impl App for Program {
    type Service = Notification;
    type Settings = Settings;
    const PORT: u16 = 8085;
    // The order goes on without it, and so more of what concerns one order comes together.
    const BATCH_LINGER_MS: u64 = 50;
    const BATCH_LINGER_MIN_MS: u64 = 50;

    fn migrations() -> sqlx::migrate::Migrator {
        store::migrations()
    }

    fn openapi() -> utoipa::openapi::OpenApi {
        http::openapi()
    }

    fn service(settings: &Self::Settings) -> Notification {
        Notification {
            gateway: Gateway::new(settings.gateway.clone()),
            give_up_after: Duration::from_secs(settings.mail_give_up_after_s),
        }
    }

    fn api(context: AppContext<Self>) -> Router {
        http::router(context)
    }
}
