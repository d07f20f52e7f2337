//! The ways an order can go, one story for each.

use crate::shop::Request;

/// A payment method whose provider never answers.
const DOWN: &str = "pm_sim_down";

/// What to place, what else to do, and how it is to end.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) title: &'static str,
    /// What makes it go that way.
    pub(crate) because: &'static str,
    pub(crate) sku: &'static str,
    pub(crate) quantity: u32,
    pub(crate) payment_method: &'static str,
    pub(crate) country: &'static str,
    pub(crate) twist: Twist,
    /// How the order is to stand in the end.
    pub(crate) end: &'static str,
    /// The events there are to be in the end, in no particular order.
    pub(crate) events: &'static [&'static str],
}

impl Story {
    /// The request that places its order.
    pub(crate) fn request(&self, key: String) -> Request {
        let Self { sku, quantity, payment_method, country, .. } = *self;
        Request { key, sku, quantity, payment_method, country }
    }

    /// Whether its charge never ends.
    pub(crate) fn hangs(&self) -> bool {
        self.payment_method == DOWN
    }

    /// Whether all that it needs is its order.
    pub(crate) fn ends_by_itself(&self) -> bool {
        self.twist == Twist::None && !self.hangs()
    }
}

/// What the customer does beside placing an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Twist {
    None,
    /// Cancels once the stock is reserved, which is in time.
    CancelInTime,
    /// Cancels once the order is confirmed, which is too late.
    CancelTooLate,
    /// Sends the same order twice.
    SendTwice,
}

/// What the shop sells: SKU, name, price in euro cents, pieces on hand if it was ever stocked.
pub(crate) const CATALOGUE: [(&str, &str, i64, Option<u32>); 6] = [
    ("ribbon", "Silk ribbon, 5 m", 750, Some(10_000)),
    ("lantern", "Paper lantern", 420, Some(10_000)),
    ("shoes", "Dancing shoes, one pair", 6_490, Some(10_000)),
    ("tambourin", "Tambourin, the long drum of Provence", 24_000, Some(10_000)),
    ("fiddle", "Fiddle of 1780, the only one", 185_000, Some(1)),
    ("moon", "A piece of the moon", 99_999, None),
];

const COMPLETED: &[&str] = &[
    "OrderPlaced",
    "StockReserved",
    "PaymentCharged",
    "OrderConfirmed",
    "CustomerNotified",
    "ShipmentCreated",
    "OrderCompleted",
    "CustomerNotified",
];
const NOT_RESERVED: &[&str] =
    &["OrderPlaced", "StockReservationFailed", "OrderCancelled", "CustomerNotified"];
/// Reserved, and cancelled before it was paid.
const NOT_PAID: &[&str] =
    &["OrderPlaced", "StockReserved", "OrderCancelled", "StockReleased", "CustomerNotified"];

const PLAIN: Story = Story {
    title: "Completed",
    because: "Everything is there, the card is good, the carrier comes.",
    sku: "shoes",
    quantity: 1,
    payment_method: "pm_card_visa",
    country: "FR",
    twist: Twist::None,
    end: "completed",
    events: COMPLETED,
};

/// In the order in which they are told.
pub(crate) const STORIES: [Story; 10] = [
    PLAIN,
    Story {
        title: "Out of stock",
        because: "Two fiddles are ordered, and there is only one.",
        sku: "fiddle",
        quantity: 2,
        end: "cancelled: out_of_stock",
        events: NOT_RESERVED,
        ..PLAIN
    },
    Story {
        title: "Never stocked",
        because: "It is in the catalogue, but inventory has never heard of it.",
        sku: "moon",
        end: "cancelled: out_of_stock",
        events: NOT_RESERVED,
        ..PLAIN
    },
    Story {
        title: "Card declined",
        because: "The bank says no, and the stock goes back on the shelf.",
        sku: "tambourin",
        payment_method: "pm_card_visa_chargeDeclined",
        end: "cancelled: payment_failed",
        events: &[
            "OrderPlaced",
            "StockReserved",
            "PaymentFailed",
            "OrderCancelled",
            "StockReleased",
            "CustomerNotified",
        ],
        ..PLAIN
    },
    Story {
        title: "Shipment refused",
        because: "The carrier does not go there: everything done so far is undone.",
        sku: "tambourin",
        country: "XX",
        end: "cancelled: shipment_failed",
        events: &[
            "OrderPlaced",
            "StockReserved",
            "PaymentCharged",
            "OrderConfirmed",
            "CustomerNotified",
            "ShipmentFailed",
            "OrderCancelled",
            "StockReleased",
            "PaymentRefunded",
            "CustomerNotified",
        ],
        ..PLAIN
    },
    Story {
        title: "Deadline passed",
        because: "The payment provider never answers, and the order cannot wait for ever.",
        sku: "lantern",
        quantity: 12,
        payment_method: DOWN,
        end: "cancelled: timed_out",
        events: NOT_PAID,
        ..PLAIN
    },
    Story {
        title: "Cancelled in time",
        because: "The customer thinks better of it before the money moves.",
        sku: "ribbon",
        quantity: 3,
        payment_method: DOWN,
        twist: Twist::CancelInTime,
        end: "cancelled: customer_request",
        events: NOT_PAID,
        ..PLAIN
    },
    Story {
        title: "Cancelled too late",
        because: "The order is confirmed, and that is the point of no return.",
        sku: "ribbon",
        quantity: 3,
        twist: Twist::CancelTooLate,
        ..PLAIN
    },
    Story {
        title: "Flaky provider",
        because: "The payment provider times out twice; the same charge is tried again.",
        sku: "lantern",
        quantity: 2,
        payment_method: "pm_sim_flaky",
        ..PLAIN
    },
    Story {
        title: "Sent twice",
        because: "The same request with the same key comes twice, and is one order.",
        sku: "lantern",
        quantity: 4,
        twist: Twist::SendTwice,
        ..PLAIN
    },
];
