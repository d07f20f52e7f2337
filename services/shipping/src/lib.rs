//! The shipping service: books the parcel of an order once that is confirmed.

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
const SHIPMENTS: StateTable = StateTable::new("shipments");

/// The shipping service.
#[derive(Debug, Default)]
pub struct Shipping;

impl StateService for Shipping {
    type State = State;
    const STATES: StateTable = SHIPMENTS;

    fn declaration() -> Declaration<Input> {
        Declaration {
            consumes: vec![
                consumes!("order", OrderPlaced)
                    .leads_to(&["ShipmentCreated", "ShipmentFailed"])
                    .may_linger(),
                consumes!("order", OrderConfirmed)
                    .leads_to(&["ShipmentCreated", "ShipmentFailed"])
                    .within_s(60),
                consumes!("order", OrderCancelled),
            ],
            emits: vec![
                emits!("shipping", ShipmentCreated, 1),
                emits!("shipping", ShipmentFailed, 1),
            ],
            settles: &[("completed", &["created"]), ("cancelled", &["failed", "void"])],
            books: vec![Book::new(
                "I4-shipments",
                "nothing is shipped for a cancelled order",
                [Holds::not_both("ShipmentCreated", "OrderCancelled")],
            )],
            ..Declaration::of("shipping", "books the parcel (a simulated carrier)", "logistics")
        }
    }
}

impl App for Shipping {
    type Gateway = Gateway;
    type Settings = Settings;
    type Api = Pool;
    const PORT: u16 = 8084;
    const MIGRATIONS: Migrator = sqlx::migrate!();
    const ROUTES: fn() -> OpenApiRouter<Pool> = http::routes;
}
