use std::borrow::Cow;
use std::time::Duration;

use contracts::operations::Said;
use kernel::{Effect, NoEffect, SagaKey};
use thiserror::Error;

use crate::cause::Cause;

/// A call to the outside that is to be made, perhaps not for the first time.
#[derive(Debug, Clone)]
pub struct Call<F> {
    /// For which saga.
    pub saga: SagaKey,
    /// What to do.
    pub effect: F,
    /// How many tries there were before this one without a known outcome.
    pub attempts: u32,
    /// How long ago it was decided on; since it was parked last, if it was.
    pub age: Duration,
    /// What led to it.
    pub cause: Cause,
}

impl<F: Effect> Call<F> {
    /// The key under which the provider knows this call: the same for every try, also after a
    /// crash.
    pub fn idempotency_key(&self) -> String {
        format!("{}/{}", self.saga, self.effect.step())
    }
}

/// A call whose outcome is not known: it was not answered, or the answer says to come again. It
/// will be repeated with the same key. The text is logged and kept: no secrets, no personal data.
#[derive(Debug, Clone, Error)]
#[error("{0}")]
pub struct CallError(pub String);

/// Makes a service's calls to the outside, and knows their outcomes, which are the service's inputs.
pub trait Gateway<F: Effect, I>: Send + Sync + 'static {
    /// Makes one call and says what came of it. Must be safe to repeat with the same idempotency
    /// key. The caller sees to timeouts and repetition; a panic is a call without a known outcome.
    fn perform(&self, call: &Call<F>) -> impl Future<Output = Result<I, CallError>> + Send;

    /// Who answers this call, such as a card network or a mail domain. Calls to different
    /// destinations don't wait for each other, and one that is down is told apart from the others.
    /// There should be a handful: what a client may choose freely must not be one.
    fn destination(&self, call: &Call<F>) -> Cow<'static, str> {
        let _ = call;
        Cow::Borrowed("")
    }

    /// What to make of a call that has failed once more without a known outcome: `Some` input gives
    /// up, `None` goes on for ever. Money must be followed to its known end; a mail need not.
    fn give_up(&self, call: &Call<F>) -> Option<I> {
        let _ = call;
        None
    }

    /// Whether this outcome of a call gives it up. Such a call is kept, and an operator may have it
    /// made again.
    fn gives_up(&self, outcome: &I) -> bool {
        let _ = outcome;
        false
    }

    /// The input by which an operator has a call made again that was given up: upon it, the service
    /// intends it once more, if that is still right.
    fn again(&self, effect: &F) -> Option<I> {
        let _ = effect;
        None
    }

    /// What an operator says has become of a call, as the input that [`perform`](Self::perform)
    /// would have given; or why that cannot be, in words for the operator.
    fn said(&self, effect: &F, said: &Said) -> Result<I, String> {
        let _ = said;
        Err(format!("the outcome of a {} cannot be said here", effect.step()))
    }
}

/// The gateway of a service that calls nobody outside.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoGateway;

impl<I: Send> Gateway<NoEffect, I> for NoGateway {
    async fn perform(&self, call: &Call<NoEffect>) -> Result<I, CallError> {
        match call.effect {}
    }
}
