//! The inventory service's events and state machine, and its stock: by its API, and in the
//! hands of several instances.
// A panic in a test's helper is the report, as in the test itself.
#![allow(clippy::unwrap_used)]

mod declaration;
mod domain;
mod hot_stock;
mod properties;
mod schemas;
mod stock;

use inventory::domain::{Input, Level, Stock};
use inventory::events::{Line, OrderId, reads};
use kernel::Quantity;

const ORDER: OrderId = OrderId(uuid::Uuid::from_u128(1));

const SHIPPED: Input = Input::ShipmentCreated(reads::ShipmentCreated {});
const CANCELLED: Input = Input::OrderCancelled(reads::OrderCancelled {});

fn placed(lines: Vec<Line>) -> Input {
    Input::OrderPlaced(reads::OrderPlaced { lines })
}

fn line(sku: &str, pieces: u32) -> Line {
    Line { sku: sku.parse().unwrap(), quantity: Quantity::new(pieces).unwrap() }
}

/// `available` pieces of each SKU.
fn on_hand(available: &[(&str, u64)]) -> Stock {
    let level = |&(sku, available): &(&str, _)| {
        (sku.parse().unwrap(), Level { available, ..Level::default() })
    };
    available.iter().map(level).collect()
}
