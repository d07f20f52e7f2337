//! What the inventory service tells the world, equal to `schemas/inventory/`.

use kernel::{Quantity, Sku};
use serde::{Deserialize, Serialize};

/// The order, which is the saga.
pub use kernel::SagaKey as OrderId;

contracts::events! {
    /// A fact the inventory service writes.
    pub enum Event { StockReserved, StockReservationFailed, StockReleased }
}

/// All lines of the order are reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StockReserved {
    /// The order.
    pub order_id: OrderId,
    /// What is reserved.
    pub lines: Vec<Line>,
}

/// Nothing is reserved, since not every line could be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StockReservationFailed {
    /// The order.
    pub order_id: OrderId,
    /// Each SKU that is missing, in the order of their names.
    pub shortages: Vec<Shortage>,
}

/// The order's reservation is undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StockReleased {
    /// The order.
    pub order_id: OrderId,
    /// What is available again.
    pub lines: Vec<Line>,
}

/// Pieces of one SKU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What is stocked.
    pub sku: Sku,
    /// How many pieces.
    pub quantity: Quantity,
}

/// A SKU that could not be reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shortage {
    /// What is missing.
    pub sku: Sku,
    /// Pieces asked for, over all lines of the order.
    pub requested: i32,
    /// Pieces there were; 0 when the SKU is unknown.
    pub available: i32,
    /// Why.
    pub reason: ShortageReason,
}

/// Why a SKU could not be reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ShortageReason {
    /// Fewer pieces are available than were asked for.
    Short,
    /// It was never put on hand.
    UnknownSku,
}

/// What the inventory service reads, equal to `reads/`.
pub mod reads {
    use serde::Deserialize;
    use serde::de::{Deserializer, Error as _};

    use super::Line;

    /// The most lines that an order can have; the API takes no more either.
    const LINES_MAX: usize = 100;

    /// A customer has placed an order.
    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    pub struct OrderPlaced {
        /// What to reserve, something; a SKU may stand in several lines.
        #[serde(deserialize_with = "lines")]
        pub lines: Vec<Line>,
    }

    fn lines<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Line>, D::Error> {
        let lines = Vec::deserialize(deserializer)?;
        if (1..=LINES_MAX).contains(&lines.len()) {
            return Ok(lines);
        }
        let count = lines.len();
        Err(D::Error::custom(format!("the order has {count} lines, not 1 to {LINES_MAX}")))
    }

    /// The carrier has accepted the shipment.
    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    pub struct ShipmentCreated {}

    /// The order will not be fulfilled.
    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    pub struct OrderCancelled {}
}
