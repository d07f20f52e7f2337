use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool_postgres::Pool;
use jiff::Timestamp;
use kernel::OrderId;
use metrics::{counter, gauge, histogram};
use thiserror::Error;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};
use uuid::Uuid;

use crate::breaker::Breaker;
use crate::message::{Cause, Local, Message, Origin};
use crate::retry::storable;
use crate::service::{Effect, Service};
use crate::settings::{RetryPolicy, Settings, backoff};
use crate::{Db, Failure, Monitor, crash, instance, trace};

/// The most calls in memory, running or between two tries. Past it intents stay in the table and
/// are fetched when there is room.
const IN_MEMORY_MAX: usize = 10_000;
/// How many tries in a row stay in memory before the intent goes back to the table, to make room.
const TRIES_IN_MEMORY: u32 = 3;
/// How long an instance has an intent to itself before it must be renewed. An intent that got into
/// nobody's memory, because the answer to its commit was lost, is found when its lease is over.
const LEASE: Duration = Duration::from_secs(10);
/// How often the table is looked through for intents that are due.
const CLAIM_EVERY: Duration = Duration::from_secs(1);
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

/// Writes intents, with one statement. For the time of a lease this instance has them to itself.
pub(crate) async fn append<F: Effect>(
    db: &Db<'_>,
    instance: i32,
    calls: &[Call<F>],
) -> Result<(), Failure> {
    if calls.is_empty() {
        return Ok(());
    }
    let insert = db
        .prepare_cached(
            "INSERT INTO effects (order_id, step, instance, effect, due_at,
               correlation_id, causation_id, traceparent)
             SELECT order_id, step, $1, effect, $2, correlation_id, causation_id, traceparent
             FROM unnest($3::uuid[], $4::text[], $5::json[], $6::text[], $7::text[], $8::text[])
             AS row (order_id, step, effect, correlation_id, causation_id, traceparent)
             ON CONFLICT DO NOTHING",
        )
        .await?;
    let orders: Vec<Uuid> = calls.iter().map(|call| call.order.0).collect();
    let steps: Vec<&str> = calls.iter().map(|call| call.effect.step()).collect();
    let effects: Vec<Json<&F>> = calls.iter().map(|call| Json(&call.effect)).collect();
    let correlations: Vec<&str> =
        calls.iter().map(|call| call.cause.correlation_id.as_str()).collect();
    let causations: Vec<&str> = calls.iter().map(|call| call.cause.causation_id.as_str()).collect();
    let traces: Vec<Option<&str>> =
        calls.iter().map(|call| call.cause.traceparent.as_deref()).collect();
    let until = after(LEASE);
    db.execute(
        &insert,
        &[&instance, &until, &orders, &steps, &effects, &correlations, &causations, &traces],
    )
    .await?;
    Ok(())
}

/// Takes intents off the table, now that their outcomes are being committed, and returns those
/// that were still there. The others' outcomes have been committed already.
pub(crate) async fn settle(
    db: &Db<'_>,
    settled: &[(OrderId, &str)],
) -> Result<Vec<(OrderId, String)>, Failure> {
    let delete = db
        .prepare_cached(
            "DELETE FROM effects USING unnest($1::uuid[], $2::text[]) AS done (order_id, step)
             WHERE effects.order_id = done.order_id AND effects.step = done.step
             RETURNING effects.order_id, effects.step",
        )
        .await?;
    let orders: Vec<Uuid> = settled.iter().map(|(order, _)| order.0).collect();
    let steps: Vec<&str> = settled.iter().map(|(_, step)| *step).collect();
    let rows = db.query(&delete, &[&orders, &steps]).await?;
    Ok(rows.iter().map(|row| (OrderId(row.get(0)), row.get(1))).collect())
}

/// Makes the calls: a bounded number at once, each with a timeout, again and again with backoff
/// until the outcome is known or the service gives up.
pub(crate) struct Effects<S: Service> {
    service: Arc<S>,
    pool: Pool,
    instance: i32,
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
        instance: i32,
        settings: &Settings,
        monitor: Arc<dyn Monitor>,
        outcomes: mpsc::Sender<Local<S::Input>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            service,
            pool,
            instance,
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
    pub(crate) fn hand(self: &Arc<Self>, calls: Vec<Call<S::Effect>>) {
        for call in calls {
            let key = (call.order, call.effect.step());
            if !self.admit(key) {
                continue;
            }
            let effects = self.clone();
            tokio::spawn(async move {
                effects.follow(call).await;
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

    async fn follow(&self, mut call: Call<S::Effect>) {
        crash::point("after-intent");
        let mut reason = String::new();
        for round in 1..=TRIES_IN_MEMORY {
            match self.attempt(&call).await {
                Ok(input) => return self.tell(call, input).await,
                Err(error) => {
                    call.attempts += 1;
                    report(&call, &error);
                    reason = error.0;
                    if let Some(input) = self.service.give_up(&call) {
                        return self.tell(call, input).await;
                    }
                }
            }
            if round < TRIES_IN_MEMORY {
                tokio::time::sleep(backoff(round, self.retry.base, self.retry.cap)).await;
            }
        }
        let RetryPolicy { base, cap, .. } = self.retry;
        let wait = backoff(call.attempts, base, cap).max(base);
        let step = call.effect.step();
        let put_back =
            reschedule(&self.pool, call.order, step, call.attempts, wait, Some(&reason)).await;
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

    async fn tell(&self, call: Call<S::Effect>, input: S::Input) {
        let step = call.effect.step();
        let origin = Origin::Effect { step: step.to_owned() };
        let local = Message { order: call.order, input, cause: call.cause, name: step, origin };
        // Fails only at shutdown; the intent is in the table, and the call repeated with its key.
        let _ = self.outcomes.send(local).await;
    }

    /// Fetches intents that are due, and those of instances that are gone, until `shutdown`.
    pub(crate) async fn claim(self: Arc<Self>, shutdown: CancellationToken) {
        loop {
            let room = IN_MEMORY_MAX.saturating_sub(self.in_memory().len());
            match self.due(i64::try_from(room.min(1_000)).unwrap_or(1_000)).await {
                Ok(calls) => self.hand(calls),
                Err(failure) => debug!(%failure, "cannot look for calls that are due"),
            }
            let pause = tokio::time::sleep(CLAIM_EVERY);
            if shutdown.run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
    }

    async fn due(&self, room: i64) -> Result<Vec<Call<S::Effect>>, Failure> {
        let client = self.pool.get().await?;
        let update = client
            .prepare_cached(&format!(
                "UPDATE effects SET instance = $1, due_at = $2
                 WHERE (order_id, step) IN (
                   SELECT order_id, step FROM effects
                   WHERE due_at <= now() OR instance NOT IN {}
                   ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED)
                 RETURNING order_id, step, effect, attempts, correlation_id, causation_id,
                   traceparent",
                instance::LIVE
            ))
            .await?;
        let rows = client.query(&update, &[&self.instance, &after(LEASE), &room]).await?;
        Ok(rows.iter().filter_map(call_from).collect())
    }
}

fn call_from<F: Effect>(row: &Row) -> Option<Call<F>> {
    let order = OrderId(row.get("order_id"));
    match row.try_get::<_, Json<F>>("effect") {
        Ok(Json(effect)) => Some(Call {
            order,
            effect,
            attempts: row.get::<_, i32>("attempts").unsigned_abs(),
            cause: Cause {
                correlation_id: row.get("correlation_id"),
                causation_id: row.get("causation_id"),
                traceparent: row.get("traceparent"),
            },
        }),
        Err(error) => {
            // A newer version's, perhaps: it stays in the table for one that understands it.
            let step: String = row.get("step");
            warn!(%order, step, %error, "an intended call cannot be read");
            None
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

/// Writes down when a call is to be tried again, how often it was, and what was wrong.
pub(crate) async fn reschedule(
    pool: &Pool,
    order: OrderId,
    step: &str,
    attempts: u32,
    wait: Duration,
    error: Option<&str>,
) -> Result<(), Failure> {
    let client = pool.get().await?;
    let update = client
        .prepare_cached(
            "UPDATE effects SET due_at = $3, attempts = greatest(attempts, $4), last_error = $5
             WHERE order_id = $1 AND step = $2",
        )
        .await?;
    let error = error.map(storable);
    let attempts = attempts.cast_signed();
    client.execute(&update, &[&order.0, &step, &after(wait), &attempts, &error]).await?;
    Ok(())
}

fn after(wait: Duration) -> Timestamp {
    let now = Timestamp::now();
    now.checked_add(wait).unwrap_or(now)
}
