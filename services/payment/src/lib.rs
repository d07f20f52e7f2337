//! The payment service: charges the customer once the stock is reserved, and pays back when the
//! order is cancelled after all.

pub mod domain;
pub mod events;
mod gateway;
mod http;
mod instruments;

use contracts::{Book, Compensates, Declaration, Holds, consumes, emits};
use kernel::SagaKey;
use messaging::{Pool, StateService, StateTable};
use runtime::{App, Migrator};
use utoipa_axum::router::OpenApiRouter;

use crate::domain::{Input, State};
use crate::events::reads;
use crate::gateway::{Gateway, Settings};
use crate::instruments::Ends;

/// One row per order.
const PAYMENTS: StateTable = StateTable::new("payments");

/// The payment service.
#[derive(Debug, Default)]
pub struct Payment {
    ends: Ends,
}

impl StateService for Payment {
    type State = State;
    const STATES: StateTable = PAYMENTS;

    fn declaration() -> Declaration<Input> {
        Declaration {
            consumes: vec![
                // What was charged for an order that had been cancelled by then is refunded for the same
                // cause.
                consumes!("order", OrderPlaced)
                    .leads_to(&["PaymentCharged", "PaymentFailed", "PaymentRefunded"])
                    .may_linger(),
                consumes!("inventory", StockReserved)
                    .leads_to(&["PaymentCharged", "PaymentFailed", "PaymentRefunded"])
                    .within_s(60),
                consumes!("order", OrderCancelled).leads_to(&["PaymentRefunded"]).within_s(60),
            ],
            emits: vec![
                emits!("payment", PaymentCharged, 1),
                emits!("payment", PaymentFailed, 1),
                emits!("payment", PaymentRefunded, 1).ends(),
            ],
            compensates: vec![Compensates { event: "PaymentRefunded", undoes: "PaymentCharged" }],
            status: &["status", "cancelled"],
            settles: &[
                ("completed", &["charged"]),
                // What came of a charge that is under way is yet to be known.
                ("cancelled", &["charging cancelled", "failed", "refunded", "void"]),
            ],
            books: vec![
                Book::new(
                    "I2-charges",
                    "an order is charged once at most",
                    [Holds::once("PaymentCharged", "charge_id")],
                ),
                Book::new(
                    "I3-refunds",
                    "no more is refunded than was charged",
                    [Holds::no_more_than(
                        ["PaymentRefunded", "refund_id"],
                        ["PaymentCharged", "charge_id"],
                    )],
                ),
            ],
            metrics: instruments::instruments(),
            ..Declaration::of("payment", "charges, refunds (a simulated provider)", "payments")
        }
    }

    fn changed(&self, _: SagaKey, before: &State, now: &State) {
        self.ends.count(before, now);
    }
}

impl App for Payment {
    type Gateway = Gateway;
    type Settings = Settings;
    type Api = Pool;
    const PORT: u16 = 8083;
    const MIGRATIONS: Migrator = sqlx::migrate!();
    const ROUTES: fn() -> OpenApiRouter<Pool> = http::routes;
}
