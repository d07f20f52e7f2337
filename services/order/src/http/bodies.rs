//! Orders and money, as clients see them.

use jiff::Timestamp;
use kernel::{Quantity, Sku};
use runtime::http::{MoneyBody, schema};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::State;
use crate::events::{CancelReason, Channel, Line};
use crate::store;

/// An order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OrderBody {
    #[schema(value_type = schema::Id)]
    order_id: Uuid,
    /// The customer, as the shop named them.
    #[schema(value_type = schema::Text64)]
    customer_id: String,
    pub(super) status: Status,
    /// Why it was cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    cancel_reason: Option<CancelReason>,
    #[schema(min_items = 1, max_items = 100)]
    lines: Vec<PricedLine>,
    total: MoneyBody,
    /// Where it came from.
    channel: Channel,
    #[schema(value_type = schema::Time)]
    placed_at: Timestamp,
    /// When its status last changed.
    #[schema(value_type = schema::Time)]
    updated_at: Timestamp,
    /// When it is cancelled if it is not paid by then.
    #[schema(value_type = schema::Time)]
    deadline_at: Timestamp,
}

/// What is ordered, at the price that it had then.
#[derive(Debug, Serialize, ToSchema)]
struct PricedLine {
    #[schema(value_type = schema::Sku)]
    sku: Sku,
    /// Pieces.
    #[schema(value_type = u32, minimum = 1, maximum = 1_000_000)]
    quantity: Quantity,
    unit_price: MoneyBody,
}

/// Where an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// It waits for its payment.
    Placed,
    /// It is paid for.
    Confirmed,
    /// It is paid for and shipped, for good.
    Completed,
    /// It will not be fulfilled, for good.
    Cancelled,
}

impl Status {
    /// The values of the column that show as this status.
    pub(super) fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Placed => &["placed", "shipped_ahead"],
            Self::Confirmed => &["confirmed"],
            Self::Completed => &["completed"],
            Self::Cancelled => &["cancelled"],
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Confirmed => "confirmed",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl From<store::Order> for OrderBody {
    fn from(order: store::Order) -> Self {
        let (status, cancel_reason) = match order.state {
            State::Unseen | State::Placed | State::ShippedAhead => (Status::Placed, None),
            State::Confirmed => (Status::Confirmed, None),
            State::Completed => (Status::Completed, None),
            State::Cancelled { reason } => (Status::Cancelled, Some(reason)),
        };
        let priced = |line: Line| PricedLine {
            sku: line.sku,
            quantity: line.quantity,
            unit_price: line.unit_price.into(),
        };
        Self {
            order_id: order.id.0,
            customer_id: order.customer_id,
            status,
            cancel_reason,
            lines: order.lines.into_iter().map(priced).collect(),
            total: order.total.into(),
            channel: order.channel,
            placed_at: order.placed_at,
            updated_at: order.updated_at,
            deadline_at: order.deadline_at,
        }
    }
}
