use choreography::Awaited;
use jiff::Timestamp;
use serde::Serialize;

use super::work::Work;
use crate::OrderId;

/// The orders that hang.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Stuck {
    /// What they wait for, those first that began to last.
    pub groups: Vec<Group>,
    /// The newest of them, by when they were placed.
    pub orders: Vec<StuckOrder>,
    /// How many more there are.
    pub more: usize,
    /// Orders that other services know and the order service does not.
    pub orphans: Vec<Orphan>,
    /// How many more of those there are.
    pub orphans_more: usize,
    /// How many wait for nothing but what operators have decided on.
    pub settled: usize,
    /// From when on orders were looked at, if not of all the time that was wanted.
    pub looked_back_to: Option<Timestamp>,
    /// What could not be looked at, and why.
    pub unknown: Vec<String>,
}

impl Stuck {
    /// The same for who is to see nothing personal: without what errors quote.
    #[must_use]
    pub fn masked(mut self) -> Self {
        for order in &mut self.orders {
            order.services = order.services.drain(..).map(Work::masked).collect();
        }
        self
    }
}

/// Orders that wait for the same.
#[derive(Debug, Clone, Serialize)]
pub struct Group {
    /// The service whose move it is.
    pub service: &'static str,
    /// What it waits for.
    pub awaits: Awaited,
    /// How many orders do.
    pub orders: usize,
    /// When the status of the first of them changed last.
    pub since: Timestamp,
    /// When that of the last of them did.
    pub last: Timestamp,
    /// One of them.
    pub example: OrderId,
}

/// An order that nobody has placed, or that the order service has forgotten.
#[derive(Debug, Clone, Serialize)]
pub struct Orphan {
    /// Its id.
    pub order_id: OrderId,
    /// Who knows it, and as what.
    pub known_by: Vec<(&'static str, String)>,
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
