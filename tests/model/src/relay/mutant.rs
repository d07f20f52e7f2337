use super::bounds::Bounds;
use super::properties;

/// A guard that is not there. The resequencer stays that of production: a mutant only tells it
/// something untrue, or does to the table or the log what the relay never does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// An event does not say what it follows.
    FollowsNothing,
    /// What an event follows is the bundle before that of the last event.
    FollowsTooFar,
    /// The rows that are asked about are taken for gone.
    TakenForGone,
    /// A row that is taken over is not read, and what follows it goes.
    TakenOverUnread,
    /// The next event of an order goes before the answer to the one before it.
    GoesUnanswered,
    /// An event that failed is taken for published.
    FailedIsPublished,
    /// An event that is refused is left out.
    RefusedIsLeftOut,
    /// What memory does not hold counts as having been there.
    OverlookedIsKnown,
    /// Rows are deleted when their events are sent.
    DeletedWhenSent,
    /// A row is deleted when the first of its events is in the log.
    DeletedWithTheFirst,
    /// A sweep goes on from where the one before it ended.
    SweepsOnlyForward,
    /// The sweep leaves the rows of instances that are gone.
    LeavesTheGones,
    /// The sweep takes up what is in memory already.
    SweepsTheKnown,
    /// The sweep leaves rows whose delete was undone.
    LeavesWhatCameBack,
    /// Nothing is taken over from an instance that lives.
    WaitsForOthers,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::FollowsNothing,
        Self::FollowsTooFar,
        Self::TakenForGone,
        Self::TakenOverUnread,
        Self::GoesUnanswered,
        Self::FailedIsPublished,
        Self::RefusedIsLeftOut,
        Self::OverlookedIsKnown,
        Self::DeletedWhenSent,
        Self::DeletedWithTheFirst,
        Self::SweepsOnlyForward,
        Self::LeavesTheGones,
        Self::SweepsTheKnown,
        Self::LeavesWhatCameBack,
        Self::WaitsForOthers,
    ];

    /// The property that must not hold without the guard.
    pub fn breaks(self) -> &'static str {
        match self {
            Self::FollowsNothing
            | Self::FollowsTooFar
            | Self::TakenForGone
            | Self::TakenOverUnread
            | Self::GoesUnanswered
            | Self::RefusedIsLeftOut => properties::IN_ORDER,
            Self::FailedIsPublished | Self::DeletedWhenSent | Self::DeletedWithTheFirst => {
                properties::KEPT
            }
            Self::OverlookedIsKnown
            | Self::SweepsOnlyForward
            | Self::LeavesTheGones
            | Self::WaitsForOthers => properties::ALL_PUBLISHED,
            Self::LeavesWhatCameBack => properties::CLEARED,
            Self::SweepsTheKnown => properties::ENDS,
        }
    }

    /// The smallest bounds in which the guard is missed.
    pub fn bounds(self) -> Bounds {
        match self {
            Self::FollowsTooFar => Bounds::THREE_EVENTS,
            Self::RefusedIsLeftOut | Self::DeletedWithTheFirst | Self::WaitsForOthers => {
                Bounds::TWO_ORDERS
            }
            Self::SweepsOnlyForward => Bounds::TWO_ORDERS_ONE_OVERLOOKED,
            Self::LeavesWhatCameBack => Bounds::UNDONE,
            _ => Bounds::ONE_ORDER,
        }
    }
}
