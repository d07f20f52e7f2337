use std::fmt;

/// How much of the world is in the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How many events each order has at most.
    pub events: &'static [u8],
    /// The most events of one order in a bundle.
    pub at_once: u8,
    /// How often what may go wrong does.
    pub faults: Faults,
}

/// How often each of these happens, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Faults {
    /// All of them together.
    pub in_all: u8,
    /// A bundle gets into nobody's memory: the answer to its commit is lost, or there is no room.
    pub overlooked: u8,
    /// An event has no answer from Kafka; it may be in the log all the same.
    pub failed: u8,
    /// An event is one that Kafka refuses, until it does not.
    pub refused: u8,
    /// An instance ends, and another starts.
    pub crashes: u8,
    /// An instance does not show for a while that it lives.
    pub hidden: u8,
    /// The server of the database crashes, and deletes that were not on its disk are undone.
    pub undone: u8,
}

impl Faults {
    /// Nothing goes wrong.
    pub const NONE: Self =
        Self { in_all: 0, overlooked: 0, failed: 0, refused: 0, crashes: 0, hidden: 0, undone: 0 };
    /// One thing goes wrong.
    pub const ONE: Self =
        Self { in_all: 1, overlooked: 1, failed: 1, refused: 1, crashes: 1, hidden: 1, undone: 1 };

    /// One of a kind has happened.
    pub(crate) fn spend(&mut self, kind: impl Fn(&mut Self) -> &mut u8) {
        *kind(self) -= 1;
        self.in_all -= 1;
        if self.in_all == 0 {
            *self = Self::NONE;
        }
    }
}

impl Bounds {
    /// One order with two events, and two things go wrong.
    pub const ONE_ORDER: Self = Self {
        events: &[2],
        at_once: 1,
        faults: Faults { in_all: 2, refused: 0, undone: 0, ..Faults::ONE },
    };
    /// One order with three events, two of which may be in one bundle.
    pub const THREE_EVENTS: Self = Self { events: &[3], at_once: 2, faults: Faults::NONE };
    /// Two orders, whose events may be in one bundle. Kafka may refuse one of them.
    pub const TWO_ORDERS: Self = Self {
        events: &[2, 1],
        at_once: 1,
        faults: Faults { in_all: 1, refused: 1, ..Faults::NONE },
    };
    /// Two orders, one of whose bundles may be in the table only.
    pub const TWO_ORDERS_ONE_OVERLOOKED: Self =
        Self { faults: Faults { in_all: 1, overlooked: 1, ..Faults::NONE }, ..Self::TWO_ORDERS };
    /// An order with one event, and a server that crashes.
    pub const UNDONE: Self =
        Self { events: &[1], at_once: 1, faults: Faults { in_all: 2, undone: 2, ..Faults::NONE } };

    /// Some in which there is little to see, and it is seen soon.
    pub const SMALL: [Self; 4] =
        [Self::UNDONE, Self::THREE_EVENTS, Self::ONE_ORDER, Self::TWO_ORDERS];
    /// More events, and more that goes wrong.
    pub const LARGE: [Self; 4] = [
        Self { faults: Faults { undone: 0, ..Faults::ONE }, ..Self::THREE_EVENTS },
        Self { faults: Faults { undone: 0, ..Faults::ONE }, ..Self::TWO_ORDERS },
        Self { faults: Faults { in_all: 3, ..Faults::ONE }, ..Self::ONE_ORDER },
        Self { events: &[2, 2], ..Self::TWO_ORDERS },
    ];
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, at_once, faults } = self;
        write!(f, "relay: orders of {events:?} events, {at_once} of an order at once, ")?;
        if *faults == Faults::NONE {
            return write!(f, "nothing goes wrong");
        }
        let Faults { in_all, overlooked, failed, refused, crashes, hidden, undone } = faults;
        let kinds = [
            (overlooked, "overlooked"),
            (failed, "failed"),
            (refused, "refused"),
            (crashes, "crashed"),
            (hidden, "hidden"),
            (undone, "undone"),
        ];
        let kinds = kinds.into_iter().filter(|(most, _)| **most > 0);
        let kinds: Vec<String> = kinds.map(|(most, kind)| format!("{most} {kind}")).collect();
        write!(f, "{in_all} of {}", kinds.join(", "))
    }
}
