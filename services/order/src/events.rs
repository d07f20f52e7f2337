//! What the order service tells the world, equal to `schemas/order/`.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use kernel::{Money, Quantity, Sku};
use serde::{Deserialize, Serialize};

/// The order, which is the saga.
pub use kernel::SagaKey as OrderId;

contracts::events! {
    /// A fact the order service writes.
    pub enum Event { OrderPlaced, OrderConfirmed, OrderCompleted, OrderCancelled }
}

/// A customer has placed an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OrderPlaced {
    /// The order.
    pub order_id: OrderId,
    /// The customer, as the shop names them.
    pub customer_id: String,
    /// What is ordered, one line or more; a SKU may stand in several.
    pub lines: Vec<Line>,
    /// The sum of all lines.
    pub total: Money,
    /// How the customer pays, as the payment provider names it.
    pub payment_method: String,
    /// The only personal data in any event.
    pub recipient: Recipient,
    /// When the order was committed; milliseconds on the wire.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub placed_at: Timestamp,
    /// Where the order came from.
    pub channel: Channel,
}

/// Where an order comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// The web shop.
    #[default]
    Web,
    /// The app.
    App,
    /// Somebody who took it by telephone or by mail.
    Phone,
    /// A shop that one walks into.
    Shop,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Web, Self::App, Self::Phone, Self::Shop];

    /// The channel as it stands in events, rows and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::App => "app",
            Self::Phone => "phone",
            Self::Shop => "shop",
        }
    }
}

impl FromStr for Channel {
    type Err = UnknownChannel;

    fn from_str(text: &str) -> Result<Self, UnknownChannel> {
        let known = Self::ALL.into_iter().find(|channel| channel.as_str() == text);
        known.ok_or_else(|| UnknownChannel(text.to_owned()))
    }
}

/// A channel that this service does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no channel")]
pub struct UnknownChannel(String);

/// Pieces of one SKU at one price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What is ordered.
    pub sku: Sku,
    /// How many pieces.
    pub quantity: Quantity,
    /// The price of one piece when the order was placed.
    pub unit_price: Money,
}

/// Who gets the parcel and the messages. Personal data: its `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// Full name.
    pub name: String,
    /// E-mail address.
    pub email: String,
    /// Street and house number.
    pub street: String,
    /// City.
    pub city: String,
    /// Postal code as the country writes it; empty where there is none.
    pub postal_code: String,
    /// ISO 3166-1 alpha-2 code.
    pub country: String,
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recipient").finish_non_exhaustive()
    }
}

/// The order is paid: the point of no return.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OrderConfirmed {
    /// The order.
    pub order_id: OrderId,
}

/// The order is paid and its parcel is on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OrderCompleted {
    /// The order.
    pub order_id: OrderId,
}

/// The order will not be fulfilled; who has done work for it undoes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OrderCancelled {
    /// The order.
    pub order_id: OrderId,
    /// Why.
    pub reason: CancelReason,
}

/// Why an order was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// Not every line could be reserved.
    OutOfStock,
    /// The charge was declined.
    PaymentFailed,
    /// The carrier refused the shipment.
    ShipmentFailed,
    /// The deadline passed before the payment came.
    TimedOut,
    /// The customer asked for it in time.
    CustomerRequest,
    /// The order service does not know it, and an operator had it undone.
    NeverPlaced,
}

impl CancelReason {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::OutOfStock,
        Self::PaymentFailed,
        Self::ShipmentFailed,
        Self::TimedOut,
        Self::CustomerRequest,
        Self::NeverPlaced,
    ];

    /// The reason as it stands in events, rows and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OutOfStock => "out_of_stock",
            Self::PaymentFailed => "payment_failed",
            Self::ShipmentFailed => "shipment_failed",
            Self::TimedOut => "timed_out",
            Self::CustomerRequest => "customer_request",
            Self::NeverPlaced => "never_placed",
        }
    }
}

/// What the order service reads, equal to `reads/`. That the event happened says it all; whose it
/// is stands in the envelope.
pub mod reads {
    use serde::Deserialize;

    /// Inventory could not reserve every line.
    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    pub struct StockReservationFailed {}

    /// The payment provider has confirmed the charge.
    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    pub struct PaymentCharged {}

    /// The payment provider has declined the charge, for good.
    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    pub struct PaymentFailed {}

    /// The carrier has accepted the shipment.
    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    pub struct ShipmentCreated {}

    /// The carrier has refused the shipment, for good.
    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    pub struct ShipmentFailed {}
}
