use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool_postgres::Pool;
use kernel::OrderId;
use metrics::{counter, gauge, histogram};
use thiserror::Error;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use crate::breaker::Breaker;
use crate::intents::{self, Intent, IntentId, PutOff};
use crate::message::{Cause, Local, Message, Origin};
use crate::service::{Effect, Service};
use crate::settings::{RetryPolicy, Settings, backoff};
use crate::{Monitor, Outbox, crash, trace};

/// The most calls in memory, running or between two tries. Past it intents stay in the table and
/// are fetched when there is room.
const IN_MEMORY_MAX: usize = 10_000;
/// How many tries in a row stay in memory before the intent goes back to the table, to make room.
const TRIES_IN_MEMORY: u32 = 3;
/// How often the table is looked through for intents that are due.
const CLAIM_EVERY: Duration = Duration::from_secs(1);
/// How many of them are fetched at once, give or take a bundle.
const CLAIM_MAX: usize = 1_000;
/// After this many tries without a known outcome somebody should look, and again each time the
/// number has doubled.
const ALERT_AFTER: u32 = 8;

/// A call to the outside that is to be made, perhaps not for the first time.
#[derive(Debug, Clone)]
pub struct Call<F> {
    /// For which order.
    pub order: OrderId,
    /// What to do.
    pub effect: F,
    /// How many tries there were before this one without a known outcome.
    pub attempts: u32,
    /// What led to it.
    pub cause: Cause,
}

impl<F: Effect> Call<F> {
    /// The key under which the provider knows this call: the same for every try, also after a
    /// crash.
    pub fn idempotency_key(&self) -> String {
        format!("{}/{}", self.order, self.effect.step())
    }
}

/// A call whose outcome is not known: it was not answered, or the answer says to come again. It
/// will be repeated with the same key.
#[derive(Debug, Clone, Error)]
#[error("{0}")]
pub struct CallError(pub String);

/// Makes the calls: a bounded number at once, each with a timeout, again and again with backoff
/// until the outcome is known or the service gives up.
pub(crate) struct Effects<S: Service> {
    service: Arc<S>,
    pool: Pool,
    outbox: Outbox,
    timeout: Duration,
    retry: RetryPolicy,
    running: Semaphore,
    /// What is being followed here: an intent whose lease ends meanwhile is not taken up twice.
    in_memory: Mutex<HashSet<(OrderId, &'static str)>>,
    /// One per step: a provider may refuse refunds and take charges.
    breakers: Mutex<BTreeMap<&'static str, Arc<Breaker>>>,
    monitor: Arc<dyn Monitor>,
    outcomes: mpsc::Sender<Local<S::Input>>,
}

impl<S: Service> Effects<S> {
    pub(crate) fn new(
        service: Arc<S>,
        pool: Pool,
        outbox: Outbox,
        settings: &Settings,
        monitor: Arc<dyn Monitor>,
        outcomes: mpsc::Sender<Local<S::Input>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            service,
            pool,
            outbox,
            timeout: settings.effect_timeout,
            retry: settings.retry,
            running: Semaphore::new(settings.effect_concurrency),
            in_memory: Mutex::default(),
            breakers: Mutex::default(),
            monitor,
            outcomes,
        })
    }

    /// Takes over calls whose intents are committed. Those that are in memory already go on there.
    pub(crate) fn hand(self: &Arc<Self>, intents: Vec<Intent<S::Effect>>) {
        for intent in intents {
            let key = (intent.call.order, intent.call.effect.step());
            if !self.admit(key) {
                continue;
            }
            let effects = self.clone();
            tokio::spawn(async move {
                effects.follow(intent).await;
                effects.in_memory().remove(&key);
            });
        }
    }

    /// Whether a call comes into memory: there is room, and it is not there yet. If not, it is in
    /// the table, and due when its lease is over.
    fn admit(&self, key: (OrderId, &'static str)) -> bool {
        let mut in_memory = self.in_memory();
        in_memory.len() < IN_MEMORY_MAX && in_memory.insert(key)
    }

    fn in_memory(&self) -> MutexGuard<'_, HashSet<(OrderId, &'static str)>> {
        self.in_memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn follow(&self, Intent { id, mut call }: Intent<S::Effect>) {
        crash::point("after-intent");
        let mut reason = String::new();
        for round in 1..=TRIES_IN_MEMORY {
            match self.attempt(&call).await {
                Ok(input) => return self.tell(id, call, input).await,
                Err(error) => {
                    call.attempts += 1;
                    report(&call, &error);
                    reason = error.0;
                    if let Some(input) = self.service.give_up(&call) {
                        return self.tell(id, call, input).await;
                    }
                }
            }
            if round < TRIES_IN_MEMORY {
                tokio::time::sleep(backoff(round, self.retry.base, self.retry.cap)).await;
            }
        }
        let RetryPolicy { base, cap, .. } = self.retry;
        let wait = backoff(call.attempts, base, cap).max(base);
        let put_off = PutOff { attempts: call.attempts, wait, error: &reason };
        let put_back = intents::put_off(&self.pool, &self.outbox, id, put_off).await;
        if let Err(failure) = put_back {
            // Its lease will end, and then it is looked at again.
            warn!(%failure, "cannot write down when to try a call again");
        }
    }

    async fn attempt(&self, call: &Call<S::Effect>) -> Result<S::Input, CallError> {
        let step = call.effect.step();
        let breaker = self.breaker(step);
        breaker.admit().await;
        self.show(step, &breaker);
        // The semaphore is never closed.
        let _permit = self.running.acquire().await.map_err(|error| CallError(error.to_string()))?;
        let started = Instant::now();
        let span = trace::client(step, &call.cause);
        let result = tokio::time::timeout(self.timeout, self.service.perform(call))
            .await
            .unwrap_or_else(|_| Err(CallError(format!("no answer within {:?}", self.timeout))));
        crash::point("after-answer");
        span.end(result.is_err());
        // A call that fails again says more about itself than about the provider: one payment
        // method that is never answered must not keep all others waiting.
        if result.is_ok() || call.attempts == 0 {
            breaker.record(result.is_ok());
            self.show(step, &breaker);
        }
        let outcome = if result.is_ok() { "known" } else { "unknown" };
        histogram!("farandole_effect_duration_seconds", "step" => step, "outcome" => outcome)
            .record(started.elapsed());
        counter!("farandole_effects_total", "step" => step, "outcome" => outcome).increment(1);
        result
    }

    fn breaker(&self, step: &'static str) -> Arc<Breaker> {
        let mut breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        breakers.entry(step).or_insert_with(|| Arc::new(Breaker::new())).clone()
    }

    /// Shows a circuit's state to who watches the service.
    fn show(&self, step: &'static str, breaker: &Breaker) {
        let state = breaker.state();
        let level = ["closed", "half-open", "open"].iter().position(|one| *one == state);
        gauge!("farandole_effect_circuit_state", "step" => step)
            .set(f64::from(u32::try_from(level.unwrap_or_default()).unwrap_or_default()));
        self.monitor.circuit(step, state);
    }

    async fn tell(&self, intent: IntentId, call: Call<S::Effect>, input: S::Input) {
        let name = call.effect.step();
        let origin = Origin::Effect { intent };
        let local = Message { order: call.order, input, cause: call.cause, name, origin };
        // Fails only at shutdown; the intent is in the table, and the call repeated with its key.
        let _ = self.outcomes.send(local).await;
    }

    /// Fetches intents that are due, and those of instances that are gone, until `shutdown`.
    pub(crate) async fn claim(self: Arc<Self>, shutdown: CancellationToken) {
        loop {
            let room = IN_MEMORY_MAX.saturating_sub(self.in_memory().len());
            match intents::claim(&self.pool, self.outbox.instance(), room.min(CLAIM_MAX)).await {
                Ok(intents) => self.hand(intents),
                Err(failure) => debug!(%failure, "cannot look for calls that are due"),
            }
            let pause = tokio::time::sleep(CLAIM_EVERY);
            if shutdown.run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
    }
}

fn report<F: Effect>(call: &Call<F>, error: &CallError) {
    let (key, attempts) = (call.idempotency_key(), call.attempts);
    debug!(key, attempts, %error, "outcome of a call is unknown");
    if attempts >= ALERT_AFTER && attempts.is_power_of_two() {
        error!(key, attempts, %error, "a call has had no known outcome for long; it goes on");
    }
}
