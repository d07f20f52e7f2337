//! The notification service: tells the customer how the order fares.

pub mod domain;
pub mod events;
mod gateway;
mod http;

use contracts::{Book, Declaration, Holds, consumes, emits};
use messaging::{Pool, StateService, StateTable};
use runtime::{App, Migrator};
use utoipa_axum::router::OpenApiRouter;

use crate::domain::{Input, State};
use crate::events::reads;
use crate::gateway::{Gateway, Settings};

/// One row per order.
const NOTIFICATIONS: StateTable = StateTable::new("notifications");

/// The notification service.
#[derive(Debug, Default)]
pub struct Notification;

impl StateService for Notification {
    type State = State;
    const STATES: StateTable = NOTIFICATIONS;

    fn declaration() -> Declaration<Input> {
        const TOLD: &[&str] = &["CustomerNotified", "NotificationFailed"];
        Declaration {
            consumes: vec![
                consumes!("order", OrderPlaced).leads_to(TOLD).within_s(300),
                consumes!("order", OrderConfirmed).leads_to(TOLD).within_s(300),
                consumes!("order", OrderCompleted).leads_to(TOLD).within_s(300),
                consumes!("order", OrderCancelled).leads_to(TOLD).within_s(300),
            ],
            emits: vec![
                emits!("notification", CustomerNotified, 1).told_apart_by("outcome").ends(),
                emits!("notification", NotificationFailed, 1).told_apart_by("outcome").ends(),
            ],
            status: &[
                "address",
                "messages.confirmed.status",
                "messages.completed.status",
                "messages.cancelled.status",
            ],
            books: vec![Book::new(
                "I5-messages",
                "a customer is told once of each outcome, in order",
                [
                    Holds::once("CustomerNotified", "message_id"),
                    Holds::not_after(
                        "CustomerNotified:confirmed",
                        &["CustomerNotified:completed", "CustomerNotified:cancelled"],
                    ),
                ],
            )],
            ..Declaration::of(
                "notification",
                "mails the customer (a simulated mail server)",
                "customer care",
            )
        }
    }
}

impl App for Notification {
    type Gateway = Gateway;
    type Settings = Settings;
    type Api = Pool;
    const PORT: u16 = 8085;
    // The order goes on without it, and so more of what concerns one order comes together.
    const BATCH_LINGER_MS: u64 = 50;
    const BATCH_LINGER_MIN_MS: u64 = 50;
    const MIGRATIONS: Migrator = sqlx::migrate!();
    const ROUTES: fn() -> OpenApiRouter<Pool> = http::routes;
}
