use jiff::Timestamp;
use kernel::OrderId;
use serde::Serialize;

use super::work::Work;

/// The orders that hang.
#[derive(Debug, Clone, Serialize)]
pub struct Stuck {
    /// The oldest of them, by when they were placed.
    pub orders: Vec<StuckOrder>,
    /// How many more there are.
    pub more: usize,
}

/// An order that hangs.
#[derive(Debug, Clone, Serialize)]
pub struct StuckOrder {
    /// The order.
    pub order_id: OrderId,
    /// What the order service has decided so far.
    pub status: String,
    /// Why it is cancelled, if it is.
    pub cancel_reason: Option<String>,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// When its status changed last.
    pub since: Timestamp,
    /// What the services have to do with it: first those whose move it is, in the order in which
    /// it matters.
    pub services: Vec<Work>,
}
