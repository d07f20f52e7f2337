use super::bounds::Bounds;
use super::properties;

/// A guard that is not there. The dispatcher stays that of production: a mutant only tells it
/// something untrue, or does to the table or a call what the loop never does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// An outcome is taken although its call is not open.
    SettlesAnyway,
    /// An intent is closed when the call is made.
    ClosedWhenMade,
    /// An intent is closed when the call is answered, before the outcome's transaction.
    ClosedWhenAnswered,
    /// A call that is put off gets a row of its own, and keeps its place in the other.
    SplitCopies,
    /// A call that is put off is taken out of its row, and a crash comes before it gets its own.
    SplitLoses,
    /// The idempotency key is made from the row.
    KeyOfTheRow,
    /// A call that is not answered is taken for one that was declined.
    GivesUp,
    /// All destinations are one to the dispatcher.
    OneLane,
    /// Calls that nobody waits for are to the dispatcher like others.
    AbandonedAsOthers,
    /// The dispatcher is not told of calls that fail.
    FailedKeepsSlot,
    /// What is in memory is taken up again.
    TakesUpTheKnown,
    /// What did not get into memory counts as being there.
    OverlookedIsKnown,
    /// A call that has failed often enough is not put off, and its lease is kept.
    KeepsForGood,
    /// An instance claims only what was its own.
    ClaimsItsOwn,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::SettlesAnyway,
        Self::ClosedWhenMade,
        Self::ClosedWhenAnswered,
        Self::SplitCopies,
        Self::SplitLoses,
        Self::KeyOfTheRow,
        Self::GivesUp,
        Self::OneLane,
        Self::AbandonedAsOthers,
        Self::FailedKeepsSlot,
        Self::TakesUpTheKnown,
        Self::OverlookedIsKnown,
        Self::KeepsForGood,
        Self::ClaimsItsOwn,
    ];

    /// The property that must not hold without the guard.
    pub fn breaks(self) -> &'static str {
        match self {
            Self::SettlesAnyway => properties::OUTCOME_ONCE,
            Self::ClosedWhenMade
            | Self::ClosedWhenAnswered
            | Self::SplitCopies
            | Self::SplitLoses => properties::KEPT,
            Self::KeyOfTheRow => properties::ONE_KEY,
            Self::GivesUp => properties::MADE,
            Self::OneLane => properties::FIRST_TRIES,
            Self::AbandonedAsOthers => properties::PROBE,
            Self::FailedKeepsSlot => properties::SLOTS,
            Self::TakesUpTheKnown => properties::ONE_AT_ONCE,
            Self::OverlookedIsKnown | Self::KeepsForGood | Self::ClaimsItsOwn => {
                properties::ALL_DONE
            }
        }
    }

    /// The smallest bounds in which the guard is missed.
    pub fn bounds(self) -> Bounds {
        match self {
            Self::OneLane => Bounds::TWO_DESTINATIONS,
            Self::AbandonedAsOthers => Bounds::ABANDONED,
            Self::TakesUpTheKnown => Bounds::LATE_LEASE,
            _ => Bounds::TOGETHER,
        }
    }
}
