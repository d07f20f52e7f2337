use messaging::BundleId;

/// One thing that can happen next. Most happen to an instance, by its place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// It commits the next events of orders, as a bundle: so many of each.
    Commit(usize, Vec<u8>),
    /// A commit is answered, and the bundle handed over.
    Hand(usize, BundleId),
    /// The answer to a commit is lost, or memory does not hold the bundle: it is in the table only.
    Overlook(usize, BundleId),
    /// The sweep finds a row that is its own or a gone one's.
    Sweep(usize, BundleId),
    /// It asks the table about what events follow, before the limit for others or after.
    Ask(usize, bool),
    /// It gets the answer, and takes rows over.
    Hear(usize),
    /// It sends what may go.
    Publish(usize),
    /// Kafka's word on each of what was sent.
    Told(usize, Vec<Told>),
    /// It is time to try again what was refused.
    TryAgain(usize),
    /// Rows of what is in the log are deleted.
    Delete(usize),
    /// It ends at once, and another starts.
    Crash(usize),
    /// The others cease to see that it lives.
    Hide(usize),
    /// They see it again.
    Show(usize),
    /// An order's event with this number gets into the log, though its sender has gone or given up.
    Arrive(u8, u8),
    /// The server of the database crashes and comes back.
    Undo,
}

/// Kafka's word on an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Told {
    /// It is in the log.
    Landed,
    /// It may be, or come to be.
    Failed,
    /// It is not, and will not be.
    Refused,
}

impl Action {
    /// Whether it happens in the end without anybody's doing and without anything going wrong.
    pub(crate) fn is_sure(&self) -> bool {
        match self {
            Self::Hand(..)
            | Self::Sweep(..)
            | Self::Ask(..)
            | Self::Hear(_)
            | Self::Publish(_)
            | Self::Delete(_) => true,
            Self::Told(_, words) => words.iter().all(|word| *word == Told::Landed),
            Self::Commit(..)
            | Self::Overlook(..)
            | Self::TryAgain(_)
            | Self::Crash(_)
            | Self::Hide(_)
            | Self::Show(_)
            | Self::Arrive(..)
            | Self::Undo => false,
        }
    }
}
