use messaging::BundleId;

use super::world::{Call, Id};

/// One thing that can happen next. Most happen to an instance, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It commits the next intents.
    Intend(usize),
    /// An intent gets into its memory: the commit or the claim is answered.
    Admit(usize, Id),
    /// The answer is lost.
    Overlook(usize, Id),
    /// The answer comes, and the lane has no room.
    PutOff(usize, Id),
    /// A try ends.
    End(usize, Id, Told),
    /// It is time to try a call again.
    BringBack(usize, Id),
    /// It is time for a probe.
    Probe(usize),
    /// It writes down when calls are to be tried again.
    Defer(usize),
    /// It cannot, for the database is away.
    FailToDefer(usize),
    /// A row's lease ends, or it is time to try it again.
    Fall(BundleId),
    /// It finds a row whose calls are due, or an untried one of an instance that is gone.
    Claim(usize, BundleId),
    /// It commits an outcome.
    Settle(usize, Id),
    /// An outcome is committed, but the answer is lost, so it comes again.
    SettleUnheard(Id),
    /// The call's order ends: nobody waits for the call any more.
    Abandon(Call),
    /// It ends at once, and another starts.
    Crash(usize),
}

/// What a try comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Told {
    /// The outcome is known.
    Answered,
    /// It is not, for there was no answer within the limit, or the call panicked. The provider has
    /// heard of the call.
    Unanswered,
    /// The same, and it has not.
    Unheard,
}
