//! The inventory service: reserves the stock of an order, all of it or none, and releases it when
//! the order is cancelled.

pub mod domain;
pub mod events;
mod http;
mod instruments;
mod levels;
mod reserved;
mod store;

use contracts::{Book, Compensates, Declaration, Holds, consumes, emits};
use kernel::NoEffect;
use messaging::{Counters, DecisionOf, Failure, NoGateway, Service, StateTable};
use runtime::{App, Migrator, NoSettings};
use utoipa_axum::router::OpenApiRouter;

use crate::domain::{Action, Input, State};
use crate::events::{Event, OrderId, reads};
use crate::http::Api;
use crate::reserved::Earliest;
use crate::store::RESERVATIONS;

/// The inventory service.
#[derive(Debug, Default)]
pub struct Inventory {
    reserved_for: Earliest,
}

impl Service for Inventory {
    type Input = Input;
    type Event = Event;
    type Effect = NoEffect;
    type State = State;
    type Shared = Counters<Self, 3>;
    const STATES: StateTable = RESERVATIONS;

    fn declaration() -> Declaration<Input> {
        Declaration {
            consumes: vec![
                consumes!("order", OrderPlaced)
                    .leads_to(&["StockReserved", "StockReservationFailed"])
                    .within_s(5),
                consumes!("shipping", ShipmentCreated).may_linger(),
                consumes!("order", OrderCancelled).leads_to(&["StockReleased"]).within_s(5),
            ],
            emits: vec![
                emits!("inventory", StockReserved, 1),
                emits!("inventory", StockReservationFailed, 1),
                emits!("inventory", StockReleased, 1).ends(),
            ],
            compensates: vec![Compensates { event: "StockReleased", undoes: "StockReserved" }],
            settles: &[
                ("completed", &["shipped"]),
                ("cancelled", &["rejected", "released", "void"]),
            ],
            books: vec![
                Book::new(
                    "I1-stock",
                    "the pieces of each SKU add up, and orders hold those that are not available",
                    [Holds::NoRow(include_str!("stock_adds_up.sql").to_owned())],
                )
                .next("stop the inventory service, and compare its tables stock and reservations"),
            ],
            metrics: instruments::instruments(),
            ..Declaration::of(
                "inventory",
                "reserves all lines of an order or none, releases, ships",
                "warehouse",
            )
        }
    }

    fn decide(
        &self,
        order: OrderId,
        state: &State,
        input: &Input,
        counters: &mut Counters<Self, 3>,
    ) -> Result<DecisionOf<Self>, Failure> {
        let stock = store::stock(counters, input)?;
        let (decision, movements) = domain::decide(order, state, &stock, input);
        if movements.iter().any(|it| it.action == Action::Reserve) {
            self.reserved_for.note(order);
        }
        for movement in &movements {
            let moved = counters.add(movement.sku.as_str(), store::change(movement));
            moved.map_err(|error| Failure::Poison(format!("{}: {error}", movement.sku)))?;
        }
        Ok(decision)
    }
}

impl App for Inventory {
    type Gateway = NoGateway;
    type Settings = NoSettings;
    type Api = Api;
    const PORT: u16 = 8082;
    const MIGRATIONS: Migrator = sqlx::migrate!();
    const ROUTES: fn() -> OpenApiRouter<Api> = http::routes;
}
