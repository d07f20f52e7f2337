//! What the shipping service tells the world, equal to `schemas/shipping/`.

use serde::Serialize;

/// The order, which is the saga.
pub use kernel::SagaKey as OrderId;

contracts::events! {
    /// A fact the shipping service writes.
    pub enum Event { ShipmentCreated, ShipmentFailed }
}

/// The carrier has accepted the shipment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShipmentCreated {
    /// The order.
    pub order_id: OrderId,
    /// The carrier's id of the shipment.
    pub shipment_id: String,
    /// The carrier's name.
    pub carrier: String,
    /// What the customer follows the parcel by.
    pub tracking_number: String,
}

/// The carrier has refused the shipment, for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShipmentFailed {
    /// The order.
    pub order_id: OrderId,
    /// Why, such as `destination_not_served`.
    pub reason: String,
}

/// What the shipping service reads, equal to `reads/`.
pub mod reads {
    use std::fmt;

    use serde::{Deserialize, Serialize};

    /// A customer has placed an order.
    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    pub struct OrderPlaced {
        /// Where to ship.
        pub recipient: Recipient,
    }

    /// Where the parcel goes. Personal data: its `Debug` shows none of it.
    #[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Recipient {
        /// Full name.
        pub name: String,
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

    /// The order is paid.
    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    pub struct OrderConfirmed {}

    /// The order will not be fulfilled.
    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    pub struct OrderCancelled {}
}
