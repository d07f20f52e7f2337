//! What the notification service tells the world, equal to `schemas/notification/`.

use serde::{Deserialize, Serialize};

/// The order, which is the saga.
pub use kernel::SagaKey as OrderId;

contracts::events! {
    /// A fact the notification service writes.
    pub enum Event { CustomerNotified, NotificationFailed }
}

/// A message to the customer was handed to the mail server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CustomerNotified {
    /// The order.
    pub order_id: OrderId,
    /// What the message tells.
    pub outcome: Outcome,
    /// The mail's `Message-ID`.
    pub message_id: String,
}

/// A message to the customer was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotificationFailed {
    /// The order.
    pub order_id: OrderId,
    /// What the message would have told.
    pub outcome: Outcome,
    /// Why, such as `address_rejected`.
    pub reason: String,
}

/// What a customer is told about an order.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is paid.
    Confirmed,
    /// It is on its way.
    Completed,
    /// It will not come.
    Cancelled,
}

/// What the notification service reads, equal to `reads/`.
pub mod reads {
    use std::fmt;

    use serde::{Deserialize, Serialize};

    /// A customer has placed an order.
    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    pub struct OrderPlaced {
        /// Whom to tell.
        pub recipient: Recipient,
    }

    /// Whom to write to. Personal data: its `Debug` shows none of it.
    #[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Recipient {
        /// Full name.
        pub name: String,
        /// E-mail address.
        pub email: String,
    }

    impl fmt::Debug for Recipient {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Recipient").finish_non_exhaustive()
        }
    }

    /// The order is paid.
    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    pub struct OrderConfirmed {}

    /// The order is paid and its parcel is on its way.
    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    pub struct OrderCompleted {}

    /// The order will not be fulfilled.
    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    pub struct OrderCancelled {}
}
