use std::fmt;

use super::world::Call;

/// How much of the world is in the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// What transactions intend together: a destination for each call.
    pub bundles: &'static [&'static [Destination]],
    /// How many calls an instance makes at once.
    pub slots: usize,
    /// So many calls of each instance to the destination that hangs have failed to begin with.
    pub failed_before: u32,
    /// How often what may go wrong does.
    pub faults: Faults,
}

/// Who answers a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Destination {
    /// One whose calls may hang, or fail.
    Hangs,
    /// Another.
    Answers,
}

/// How often each of these happens, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Faults {
    /// All of them together.
    pub in_all: u8,
    /// What was committed or claimed does not get into memory: the answer is lost.
    pub overlooked: u8,
    /// A lane has no room for a call.
    pub full: u8,
    /// A call has no known outcome: it was not answered, or it panicked.
    pub unanswered: u8,
    /// Calls cannot be put off, for the database is away.
    pub undeferred: u8,
    /// A lease ends although somebody has the calls in memory.
    pub late: u8,
    /// The answer to the commit of an outcome is lost.
    pub unheard: u8,
    /// An instance ends, and another starts.
    pub crashes: u8,
    /// An order ends while its call is open.
    pub abandoned: u8,
}

impl Bounds {
    /// Two calls that are intended together, to one destination, and two things go wrong.
    pub const TOGETHER: Self = Self {
        bundles: &[&[Destination::Hangs, Destination::Hangs]],
        slots: 3,
        failed_before: 0,
        faults: Faults { abandoned: 0, ..Faults::TWO },
    };
    /// The same, and a lease ends while calls are made and fail.
    pub const LATE_LEASE: Self = Self {
        faults: Faults { in_all: 3, unanswered: 2, late: 1, ..Faults::NONE },
        ..Self::TOGETHER
    };
    /// Calls to two destinations, with as few slots as keep the one that hangs from keeping the other
    /// waiting, and a circuit that is about to open.
    pub const TWO_DESTINATIONS: Self = Self {
        bundles: &[&[Destination::Hangs, Destination::Answers], &[Destination::Hangs]],
        slots: 2,
        failed_before: 19,
        faults: Faults { in_all: 2, unanswered: 2, ..Faults::NONE },
    };
    /// One call, whose order may end, and a circuit that is about to open.
    pub const ABANDONED: Self = Self {
        bundles: &[&[Destination::Hangs]],
        slots: 4,
        failed_before: 19,
        faults: Faults { in_all: 4, unanswered: 3, abandoned: 1, ..Faults::NONE },
    };

    /// Some in which there is little to see, and it is seen soon.
    pub const SMALL: [Self; 3] = [Self::ABANDONED, Self::TWO_DESTINATIONS, Self::TOGETHER];
    /// More calls, and more that goes wrong.
    pub const LARGE: [Self; 4] = [
        Self { faults: Faults { in_all: 4, ..Faults::TWO }, ..Self::ABANDONED },
        Self { faults: Faults { in_all: 4, abandoned: 0, ..Faults::TWO }, ..Self::TOGETHER },
        Self { slots: 4, faults: Faults::TWO, ..Self::TWO_DESTINATIONS },
        Self {
            bundles: &[
                &[Destination::Hangs, Destination::Hangs],
                &[Destination::Hangs, Destination::Answers],
            ],
            slots: 4,
            faults: Faults { in_all: 2, unanswered: 2, abandoned: 1, crashes: 1, ..Faults::NONE },
            ..Self::TWO_DESTINATIONS
        },
    ];

    /// Every call's destination, and the bundle it is intended in.
    pub(crate) fn calls(&self) -> impl Iterator<Item = (usize, Destination)> {
        let bundles = self.bundles.iter().enumerate();
        bundles.flat_map(|(bundle, calls)| calls.iter().map(move |call| (bundle, *call)))
    }

    pub(crate) fn destination(&self, call: Call) -> Destination {
        self.calls().nth(call.into()).map_or(Destination::Answers, |(_, destination)| destination)
    }
}

impl Faults {
    /// Nothing goes wrong.
    pub const NONE: Self = Self {
        in_all: 0,
        overlooked: 0,
        full: 0,
        unanswered: 0,
        undeferred: 0,
        late: 0,
        unheard: 0,
        crashes: 0,
        abandoned: 0,
    };
    /// Two things go wrong.
    pub const TWO: Self = Self {
        in_all: 2,
        overlooked: 1,
        full: 1,
        unanswered: 2,
        undeferred: 1,
        late: 1,
        unheard: 1,
        crashes: 1,
        abandoned: 1,
    };

    /// One of a kind has happened.
    pub(crate) fn spend(&mut self, kind: impl Fn(&mut Self) -> &mut u8) {
        *kind(self) -= 1;
        self.in_all -= 1;
        if self.in_all == 0 {
            *self = Self::NONE;
        }
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bundles, slots, failed_before, faults } = self;
        write!(f, "effects: {bundles:?}, {slots} slots, {failed_before} failed before, {faults}")
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            (self.overlooked, "overlooked"),
            (self.full, "full"),
            (self.unanswered, "unanswered"),
            (self.undeferred, "undeferred"),
            (self.late, "late"),
            (self.unheard, "unheard"),
            (self.crashes, "crashed"),
            (self.abandoned, "abandoned"),
        ];
        let kinds = kinds.into_iter().filter(|(most, _)| *most > 0);
        let kinds: Vec<String> = kinds.map(|(most, kind)| format!("{most} {kind}")).collect();
        write!(f, "{} of {}", self.in_all, kinds.join(", "))
    }
}
