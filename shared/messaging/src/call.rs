use std::fmt::Debug;
use std::time::Duration;

use kernel::SagaKey;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::cause::Cause;

/// A call to the outside, as data. Stored as JSON, so that it survives a crash. Its `Debug` must
/// not show personal data.
pub trait Effect: Serialize + DeserializeOwned + Clone + Debug + Send + Sync + 'static {
    /// Which step of the saga this is, such as `charge`. A saga makes each step once; (saga,
    /// step) is the idempotency key.
    fn step(&self) -> &'static str;
}

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
