use std::fmt;

/// How much of the world is in the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How many orders there are, each for one piece of the one SKU.
    pub orders: usize,
    /// How many pieces are on hand.
    pub pieces: u32,
    /// Whether the notification service takes part. It reads what others say, and nobody reads
    /// what it says: with several orders it multiplies the states and changes nothing else.
    pub mails: bool,
    /// Whether operators have mails sent again that were given up, as often as they like.
    pub retries: bool,
}

impl Bounds {
    /// One order, seen by all services.
    pub const ONE_ORDER: Self = Self { orders: 1, pieces: 1, mails: true, retries: true };
    /// Two orders for the last piece.
    pub const TWO_ORDERS: Self = Self { orders: 2, pieces: 1, mails: false, retries: false };
    /// Two orders for the last piece, seen by all services.
    pub const TWO_ORDERS_WITH_MAILS: Self = Self { mails: true, ..Self::TWO_ORDERS };
    /// Two orders, a piece for each, seen by all services.
    pub const TWO_PIECES_WITH_MAILS: Self = Self { pieces: 2, ..Self::TWO_ORDERS_WITH_MAILS };

    /// All of them, the smaller ones first.
    pub const ALL: [Self; 4] = [
        Self::ONE_ORDER,
        Self::TWO_ORDERS,
        Self::TWO_PIECES_WITH_MAILS,
        Self::TWO_ORDERS_WITH_MAILS,
    ];

    /// Whether an order may find no stock.
    pub(crate) fn is_short(self) -> bool {
        self.orders > self.pieces as usize
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { orders, pieces, mails, retries } = self;
        let services = if *mails { "five services" } else { "four services" };
        let retries = if *retries { ", mails given up are sent again" } else { "" };
        write!(f, "fleet: {orders} × order of 1 piece, {pieces} on hand, {services}{retries}")
    }
}
