use super::machine::StateId;
use super::vocabulary::{Answer, Call, Fact, Service, Set};

/// Where the fleet is: what is on everybody's disk, on the log, and at the providers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    /// All reservations and the stock.
    pub(crate) inventory: StateId,
    /// The rest, by order.
    pub(crate) orders: Vec<Order>,
    /// Whether anything final was ever changed.
    pub(crate) final_changed: bool,
    /// Whether any call was intended that had been intended before.
    pub(crate) call_repeated: bool,
    /// Whether any customer heard an earlier outcome after a later one.
    pub(crate) heard_old_news: bool,
}

/// Where one order is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Order {
    pub(crate) row: StateId,
    pub(crate) payment: StateId,
    pub(crate) shipping: StateId,
    pub(crate) notification: StateId,
    /// What was ever published.
    pub(crate) log: Set<Fact>,
    /// By service, the inbox: what was delivered, and what makes no difference any more.
    pub(crate) inbox: [Set<Fact>; Service::ALL.len()],
    /// The calls whose outcome is not committed.
    pub(crate) intents: Set<Call>,
    /// The calls that were given up, which an operator may have made again.
    pub(crate) given_up: Set<Call>,
    /// By call, what the provider knows of it.
    pub(crate) providers: [Record; Call::ALL.len()],
    /// The row's state before the last write; kept only for the mutant that can go back to it.
    pub(crate) stale: Option<StateId>,
}

/// What a provider knows of one order's call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Record {
    /// It has not heard of it.
    Unknown,
    /// It has done it.
    Done,
    /// It has refused, for good.
    Refused,
    /// It has done it more than once: it was asked under different keys.
    DoneAgain,
}

impl Record {
    /// What it says when asked, if it has been.
    pub(crate) fn answer(self) -> Option<Answer> {
        match self {
            Self::Unknown => None,
            Self::Done | Self::DoneAgain => Some(Answer::Yes),
            Self::Refused => Some(Answer::No),
        }
    }

    /// After one more call under a key that it doesn't know.
    pub(crate) fn then(self, answer: Answer) -> Self {
        match (self, answer) {
            (Self::Done | Self::DoneAgain, Answer::Yes) => Self::DoneAgain,
            (Self::Done | Self::DoneAgain, Answer::No) => self,
            (Self::Unknown | Self::Refused, Answer::Yes) => Self::Done,
            (Self::Unknown | Self::Refused, Answer::No) => Self::Refused,
        }
    }
}

impl Order {
    pub(crate) fn record(&self, call: Call) -> Record {
        self.providers[call as usize]
    }

    /// Whether the call was intended.
    pub(crate) fn knows(&self, call: Call) -> bool {
        self.intents.contains(call) || self.record(call) != Record::Unknown
    }

    /// Whether the customer would hear of the confirmation after the order's end.
    pub(crate) fn is_old_news(&self, call: Call) -> bool {
        let ends = [Call::MailCompleted, Call::MailCancelled];
        call == Call::MailConfirmed && ends.iter().any(|end| self.was_done(*end))
    }

    pub(crate) fn was_done(&self, call: Call) -> bool {
        self.record(call).answer() == Some(Answer::Yes)
    }
}

/// One thing that can happen next, to the order with this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// The log hands an event to a service that reads it: for the first time, or again, as a
    /// redrive does.
    Deliver(usize, Service, Fact),
    /// The order's deadline passes.
    PassDeadline(usize),
    /// The customer asks to cancel.
    RequestCancel(usize),
    /// A call reaches the provider, which decides on it. Whether the answer gets back is another
    /// question.
    Call(usize, Call, Answer),
    /// The provider's answer gets back and is committed.
    Conclude(usize, Call),
    /// The outcome of a call stays unknown for so long that it is given up.
    GiveUp(usize, Call),
    /// An operator has a call made again that was given up.
    Retry(usize, Call),
    /// A mutant: a crash tears a delivery's transaction.
    Tear(usize, Service, Fact),
    /// A mutant: an event is decided on by the row as it was before the last write.
    Overwrite(usize, Service, Fact),
}
