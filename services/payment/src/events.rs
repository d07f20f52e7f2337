//! What the payment service tells the world, equal to `schemas/payment/`.

use kernel::Money;
use serde::Serialize;

/// The order, which is the saga.
pub use kernel::SagaKey as OrderId;

contracts::events! {
    /// A fact the payment service writes.
    pub enum Event { PaymentCharged, PaymentFailed, PaymentRefunded }
}

/// The payment provider has confirmed the charge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PaymentCharged {
    /// The order.
    pub order_id: OrderId,
    /// The payment provider's id of the charge.
    pub charge_id: String,
    /// What was charged.
    pub amount: Money,
}

/// The payment provider has declined the charge, for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PaymentFailed {
    /// The order.
    pub order_id: OrderId,
    /// Why, such as `card_declined`.
    pub reason: String,
}

/// The charge is paid back in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PaymentRefunded {
    /// The order.
    pub order_id: OrderId,
    /// The payment provider's id of the charge.
    pub charge_id: String,
    /// The payment provider's id of the refund.
    pub refund_id: String,
    /// What was paid back.
    pub amount: Money,
}

/// What the payment service reads, equal to `reads/`.
pub mod reads {
    use kernel::Money;
    use serde::Deserialize;
    use serde::de::{Deserializer, Error as _};

    /// The most that an order can cost, in minor units; the API takes no more either.
    const TOTAL_MAX: i64 = 9_007_199_254_740_991;

    /// A customer has placed an order.
    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    pub struct OrderPlaced {
        /// What to charge. Whoever said it, no more is asked of a card than an order can cost, and
        /// nothing is paid out by a charge.
        #[serde(deserialize_with = "total")]
        pub total: Money,
        /// How the customer pays, as the payment provider names it.
        pub payment_method: String,
        /// Where the order came from, such as `web` or `phone`.
        #[serde(default = "web")]
        pub channel: String,
    }

    /// The channel of an order that does not say its own.
    pub(crate) fn web() -> String {
        "web".to_owned()
    }

    fn total<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
        let total = Money::deserialize(deserializer)?;
        if (1..=TOTAL_MAX).contains(&total.amount) {
            return Ok(total);
        }
        let Money { amount, currency } = total;
        Err(D::Error::custom(format!("the total is {amount} {currency}, not 1 to {TOTAL_MAX}")))
    }

    /// All lines of the order are reserved.
    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    pub struct StockReserved {}

    /// The order will not be fulfilled.
    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    pub struct OrderCancelled {}
}
