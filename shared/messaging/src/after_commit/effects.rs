//! Makes the calls to the outside: a bounded number at once, each with a timeout, again and again
//! with backoff until the outcome is known, the service gives up, or an operator has it stop.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use contracts::operations::Subject;
use futures::FutureExt as _;
use kernel::{Effect, SagaKey};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use super::dispatcher::{Dispatcher, Lane};
use crate::again::backoff;
use crate::call::{Call, CallError, Gateway};
use crate::database::Session;
use crate::failure::panic_text;
use crate::instruments::{CIRCUIT_STATE, EFFECT_COMPLETION, EFFECT_DURATION, EFFECTS};
use crate::record::message::{Local, Message, Origin};
use crate::service::{Monitor, Service};
use crate::settings::{LoopSettings, RetryPolicy};
use crate::tables::intents::{self, Claim, Deferral, GivenUp, Intent, IntentId};
use crate::tables::outbox::Outbox;
use crate::{crash, trace};

/// The most calls in memory, running or waiting. Past it intents stay in the table and are fetched
/// when there is room.
const IN_MEMORY_MAX: usize = 10_000;
/// How many tries in a row stay in memory before the intent goes back to the table, to make room.
const TRIES_IN_MEMORY: u32 = 3;
/// How often the table is looked through for intents that are due.
const CLAIM_EVERY: Duration = Duration::from_secs(1);
/// How many of them are fetched at once, give or take a bundle.
const CLAIM_MAX: usize = 1_000;
/// How often leases are renewed: several times before they end.
const RENEW_EVERY: Duration = Duration::from_secs(3);
/// How long calls that are to be deferred wait for one another, to share a statement.
const DEFER_AFTER: Duration = Duration::from_millis(100);
/// How long a call waits in the table for which its lane has no room.
const NO_ROOM_FOR: Duration = Duration::from_secs(10);
/// How much longer than other calls' longest wait one rests between two tries for which nobody
/// waits; twice that at most.
const ABANDONED_TIMES: u32 = 4;
/// After this many tries without a known outcome somebody should look, and again each time the
/// number has doubled.
const ALERT_AFTER: u32 = 8;

/// The calls whose intents are committed, on their way to the worker.
pub(crate) struct Effects<F> {
    handed: Mutex<Vec<Intent<F>>>,
    /// Calls that memory is to let go of, for an operator has decided on them.
    released: Mutex<Vec<Subject>>,
    wake: Notify,
}

impl<F> Effects<F> {
    pub(crate) fn new() -> Self {
        Self { handed: Mutex::default(), released: Mutex::default(), wake: Notify::new() }
    }

    /// Hands over calls to be made. Those that memory does not hold are found in the table, when
    /// their lease is over.
    pub(crate) fn hand(&self, intents: Vec<Intent<F>>) {
        if intents.is_empty() {
            return;
        }
        let mut handed = self.handed();
        let room = IN_MEMORY_MAX.saturating_sub(handed.len());
        handed.extend(intents.into_iter().take(room));
        drop(handed);
        self.wake.notify_one();
    }

    /// Has a call go by what the table says: it is not in memory any more, once a try that is being
    /// made has ended.
    pub(crate) fn release(&self, call: Subject) {
        self.released.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        self.wake.notify_one();
    }

    fn take(&self) -> Vec<Intent<F>> {
        std::mem::take(&mut *self.handed())
    }

    fn take_released(&self) -> Vec<Subject> {
        std::mem::take(&mut *self.released.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn handed(&self) -> MutexGuard<'_, Vec<Intent<F>>> {
        self.handed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call in memory.
struct Pending<F> {
    call: Call<F>,
    lane: Lane,
    /// How often it was tried since it came into memory.
    rounds: u32,
    /// When it was as old as the call says.
    since: Instant,
}

/// What has become of a try.
struct Ended<F> {
    id: IntentId,
    call: Call<F>,
    /// Whether the destination has answered.
    answered: bool,
    /// Why its outcome is not known; none if it is, and the loop has been told.
    error: Option<CallError>,
}

/// Makes the calls.
pub(crate) struct EffectsWorker<S: Service, G> {
    effects: Arc<Effects<S::Effect>>,
    service: Arc<S>,
    gateway: Arc<G>,
    session: Session,
    outbox: Outbox,
    timeout: Duration,
    retry: RetryPolicy,
    monitor: Arc<dyn Monitor>,
    outcomes: mpsc::Sender<Local<S::Input>>,
    dispatcher: Dispatcher<IntentId>,
    /// What is in memory, but for what is being made: it is with the tasks.
    pending: HashMap<IntentId, Pending<S::Effect>>,
    /// The same by what a saga does once, with what is being made: an intent whose lease ends
    /// meanwhile is not taken up twice.
    known: HashMap<(SagaKey, &'static str), (IntentId, Instant)>,
    making: JoinSet<Ended<S::Effect>>,
    lanes_of_made: HashMap<IntentId, (Lane, u32)>,
    /// Of those that are being made, the ones to let go of.
    released: HashSet<IntentId>,
    later: BinaryHeap<Reverse<(Instant, IntentId)>>,
    deferrals: Vec<Deferral>,
    shown: BTreeMap<Lane, &'static str>,
    started: Instant,
    next_claim: Instant,
    next_renewal: Instant,
    next_deferral: Option<Instant>,
}

impl<S: Service, G: Gateway<S::Effect, S::Input>> EffectsWorker<S, G> {
    pub(crate) fn new(
        effects: Arc<Effects<S::Effect>>,
        (service, gateway): (Arc<S>, Arc<G>),
        session: Session,
        outbox: Outbox,
        settings: &LoopSettings,
        monitor: Arc<dyn Monitor>,
        outcomes: mpsc::Sender<Local<S::Input>>,
    ) -> Self {
        let now = Instant::now();
        Self {
            effects,
            service,
            gateway,
            session,
            outbox,
            timeout: settings.effect_timeout,
            retry: settings.retry,
            monitor,
            outcomes,
            dispatcher: Dispatcher::new(settings.effect_concurrency),
            pending: HashMap::new(),
            known: HashMap::new(),
            making: JoinSet::new(),
            lanes_of_made: HashMap::new(),
            released: HashSet::new(),
            later: BinaryHeap::new(),
            deferrals: Vec::new(),
            shown: BTreeMap::new(),
            started: now,
            next_claim: now,
            next_renewal: now + RENEW_EVERY,
            next_deferral: None,
        }
    }

    /// Makes calls until `shutdown`. Those that are under way then are made again by another.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let effects = self.effects.clone();
        while !shutdown.is_cancelled() {
            for intent in effects.take() {
                self.admit(intent);
            }
            for call in effects.take_released() {
                self.release(&call);
            }
            self.bring_back();
            while let Some((lane, id)) = self.dispatcher.next(self.now()) {
                self.make(lane, id);
            }
            self.show();
            self.look_at_the_table().await;
            let next_look = self.next_look();
            tokio::select! {
                () = effects.wake.notified() => {}
                Some(ended) = self.making.join_next() => {
                    if let Ok(ended) = ended {
                        self.ended(ended);
                    }
                }
                () = tokio::time::sleep_until(next_look) => {}
                () = shutdown.cancelled() => {}
            }
        }
        self.write_deferrals().await;
    }

    /// Takes a call into memory, if it is not there yet and its lane has room. If not, it is in the
    /// table.
    fn admit(&mut self, Intent { id, call, abandoned }: Intent<S::Effect>) {
        let key = (call.saga, call.effect.step());
        if self.known.contains_key(&key) {
            return;
        }
        let lane = self.dispatcher.lane(Lane {
            step: call.effect.step(),
            destination: self.gateway.destination(&call).into_owned(),
            abandoned,
        });
        let tried_before = call.attempts > 0;
        if self.known.len() >= IN_MEMORY_MAX
            || self.dispatcher.wait(&lane, id, tried_before).is_err()
        {
            let wait = if abandoned { self.rest() } else { NO_ROOM_FOR.mul_f64(fastrand::f64()) };
            return self.defer(id, &call, &lane, wait, String::new());
        }
        let since = Instant::now();
        self.known.insert(key, (id, since));
        self.pending.insert(id, Pending { call, lane, rounds: 0, since });
    }

    /// Lets go of a call.
    fn release(&mut self, call: &Subject) {
        let is = |(saga, step): &(SagaKey, &str)| *saga == call.saga && *step == call.step;
        let known = self.known.iter().find(|(key, _)| is(key));
        let Some((key, id)) = known.map(|(key, (id, _))| (*key, *id)) else { return };
        if let Some(Pending { lane, .. }) = self.pending.remove(&id) {
            self.dispatcher.forget(&lane, &id);
            self.known.remove(&key);
        } else {
            self.released.insert(id);
        }
    }

    /// Has calls wait in their lanes again whose backoff is over.
    fn bring_back(&mut self) {
        let now = Instant::now();
        while let Some(Reverse((due, id))) = self.later.peek().copied()
            && due <= now
        {
            self.later.pop();
            let Some(Pending { lane, .. }) = self.pending.get(&id) else { continue };
            if self.dispatcher.wait(&lane.clone(), id, true).is_err()
                && let Some(Pending { call, lane, .. }) = self.pending.remove(&id)
            {
                self.known.remove(&(call.saga, call.effect.step()));
                self.defer(id, &call, &lane, NO_ROOM_FOR.mul_f64(fastrand::f64()), String::new());
            }
        }
    }

    /// Makes a call.
    fn make(&mut self, lane: Lane, id: IntentId) {
        let Some(Pending { mut call, rounds, since, .. }) = self.pending.remove(&id) else {
            // It cannot be: what waits in a lane is pending.
            self.dispatcher.ended(&lane, true, true, self.now());
            return;
        };
        call.age += since.elapsed();
        self.lanes_of_made.insert(id, (lane, rounds));
        let (gateway, outcomes, limit) =
            (self.gateway.clone(), self.outcomes.clone(), self.timeout);
        self.making.spawn(async move {
            crash::point("after-intent");
            let began = Instant::now();
            let answer = attempt(&*gateway, &call, limit).await;
            let answered = answer.is_ok();
            if answered {
                let all_tries = call.age + began.elapsed();
                EFFECT_COMPLETION.of([call.effect.step()]).record(all_tries);
            }
            let (outcome, error) = match answer {
                Ok(input) => (Ok(input), String::new()),
                Err(error) => (give_up(&*gateway, &call).ok_or(error.clone()), error.0),
            };
            let error = match outcome {
                Ok(input) => {
                    let given_up = if gateway.gives_up(&input) { kept(&call, error) } else { None };
                    let origin = Origin::Effect { intent: id, given_up };
                    let (saga, cause, name) = (call.saga, call.cause.clone(), call.effect.step());
                    // Fails only at shutdown; the intent is in the table, and the call repeated
                    // with its key.
                    let _ = outcomes.send(Message { saga, input, cause, name, origin }).await;
                    None
                }
                Err(error) => Some(error),
            };
            Ended { id, call, answered, error }
        });
    }

    /// Takes note of what a try has come to.
    fn ended(&mut self, Ended { id, mut call, answered, error }: Ended<S::Effect>) {
        let Some((lane, rounds)) = self.lanes_of_made.remove(&id) else { return };
        let released = self.released.remove(&id);
        let tried_before = call.attempts > 0;
        self.dispatcher.ended(&lane, answered, tried_before, self.now());
        let key = (call.saga, call.effect.step());
        let Some(error) = error else {
            self.known.remove(&key);
            return;
        };
        call.attempts += 1;
        report(&call, &error);
        let rounds = rounds + 1;
        if !lane.abandoned && !released && rounds < TRIES_IN_MEMORY {
            let wait = backoff(rounds, self.retry.base, self.retry.cap);
            let since = Instant::now();
            self.later.push(Reverse((since + wait, id)));
            self.pending.insert(id, Pending { call, lane, rounds, since });
            return;
        }
        self.known.remove(&key);
        let RetryPolicy { base, cap, .. } = self.retry;
        let wait =
            if lane.abandoned { self.rest() } else { backoff(call.attempts, base, cap).max(base) };
        self.defer(id, &call, &lane, wait, error.0);
    }

    /// How long a call rests for which nobody waits.
    fn rest(&self) -> Duration {
        let least = self.retry.cap * ABANDONED_TIMES;
        least + least.mul_f64(fastrand::f64())
    }

    fn defer(
        &mut self,
        id: IntentId,
        call: &Call<S::Effect>,
        lane: &Lane,
        wait: Duration,
        error: String,
    ) {
        let (attempts, destination) = (Some(call.attempts), Some(lane.destination.clone()));
        self.deferrals.push(Deferral { id, attempts, wait, error, destination });
        self.next_deferral.get_or_insert_with(|| Instant::now() + DEFER_AFTER);
    }

    async fn look_at_the_table(&mut self) {
        let now = Instant::now();
        if self.next_deferral.is_some_and(|due| due <= now) {
            self.write_deferrals().await;
        }
        if self.next_renewal <= now {
            self.next_renewal = now + RENEW_EVERY;
            self.renew().await;
        }
        if self.next_claim <= now {
            self.next_claim = now + CLAIM_EVERY;
            self.claim().await;
        }
    }

    async fn write_deferrals(&mut self) {
        self.next_deferral = None;
        let deferrals = std::mem::take(&mut self.deferrals);
        if deferrals.is_empty() {
            return;
        }
        if let Err(failure) = intents::defer(&mut self.session, &self.outbox, deferrals).await {
            // Their leases will end, and then they are looked at again.
            warn!(error = %failure, "cannot write down when to try calls again");
        }
    }

    /// Keeps the leases of what takes longer.
    async fn renew(&mut self) {
        let long = |since: &Instant| since.elapsed() >= RENEW_EVERY;
        let known = self.known.values().filter(|(_, since)| long(since));
        let bundles: HashSet<i64> = known.map(|(id, _)| id.bundle.0).collect();
        if bundles.is_empty() {
            return;
        }
        let (instance, bundles) = (self.outbox.instance(), bundles.into_iter().collect());
        if let Err(failure) = intents::renew(&mut self.session, instance, bundles).await {
            warn!(error = %failure, "cannot renew the leases of calls; others may make them, too");
        }
    }

    /// Fetches intents that are due, and those of instances that are gone.
    async fn claim(&mut self) {
        let room = IN_MEMORY_MAX.saturating_sub(self.known.len());
        if room == 0 {
            return;
        }
        let except: HashSet<i64> = self.known.values().map(|(id, _)| id.bundle.0).collect();
        let except: Vec<i64> = except.into_iter().collect();
        let claim =
            Claim { instance: self.outbox.instance(), max: room.min(CLAIM_MAX), except: &except };
        let service = self.service.clone();
        let is_abandoned =
            |state: &S::State, effect: &S::Effect| service.is_abandoned(state, effect);
        match intents::claim(&mut self.session, S::STATES, claim, is_abandoned).await {
            Ok(intents) => {
                for intent in intents {
                    self.admit(intent);
                }
                // They go at once, not after the next wake-up.
                self.effects.wake.notify_one();
            }
            Err(failure) => {
                warn!(error = %failure, "cannot look for calls that are due, trying again");
            }
        }
    }

    /// Shows the circuits' states to who watches the service.
    fn show(&mut self) {
        let circuits: BTreeMap<Lane, &'static str> =
            self.dispatcher.circuits().map(|(lane, state)| (lane.clone(), state)).collect();
        if circuits == self.shown {
            return;
        }
        for (lane, state) in &circuits {
            if self.shown.get(lane) != Some(state) {
                self.tell(lane, state);
            }
        }
        // A lane that is gone had nothing to complain of.
        for lane in self.shown.keys().filter(|lane| !circuits.contains_key(lane)) {
            self.tell(lane, "closed");
        }
        self.shown = circuits;
    }

    fn tell(&self, lane: &Lane, state: &'static str) {
        let level = ["closed", "half-open", "open"].iter().position(|one| *one == state);
        let level = u64::try_from(level.unwrap_or_default()).unwrap_or_default();
        CIRCUIT_STATE.count([lane.step, &lane.destination], level);
        self.monitor.circuit(lane.step, &lane.destination, state);
    }

    /// When there is something to do without anybody waking this.
    fn next_look(&self) -> Instant {
        let mut next = self.next_claim.min(self.next_renewal);
        if let Some(due) = self.next_deferral {
            next = next.min(due);
        }
        if let Some(Reverse((due, _))) = self.later.peek() {
            next = next.min(*due);
        }
        if let Some(probe) = self.dispatcher.next_probe() {
            next = next.min((self.started + probe).max(Instant::now() + Duration::from_millis(1)));
        }
        next
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Tries a call once. A panic is a call without a known outcome.
async fn attempt<F: Effect, I>(
    gateway: &impl Gateway<F, I>,
    call: &Call<F>,
    limit: Duration,
) -> Result<I, CallError> {
    let step = call.effect.step();
    let started = Instant::now();
    let span = trace::client(step, call.saga, &call.cause);
    // Called inside: a gateway may panic before there is a future to be polled.
    let performing = AssertUnwindSafe(async { gateway.perform(call).await }).catch_unwind();
    let result = match tokio::time::timeout(limit, performing).await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => Err(CallError(format!("the gateway: {}", panic_text(panic.as_ref())))),
        Err(_) => Err(CallError(format!("no answer within {limit:?}"))),
    };
    crash::point("after-answer");
    span.end(result.is_err());
    let outcome = if result.is_ok() { "known" } else { "unknown" };
    EFFECT_DURATION.of([step, outcome]).record(started.elapsed());
    EFFECTS.of([step, outcome]).increment(1);
    result
}

/// What the gateway makes of it that a call has failed once more. One that panics goes on trying.
fn give_up<F: Effect, I>(gateway: &impl Gateway<F, I>, call: &Call<F>) -> Option<I> {
    let failed = Call { attempts: call.attempts + 1, ..call.clone() };
    std::panic::catch_unwind(AssertUnwindSafe(|| gateway.give_up(&failed))).unwrap_or_default()
}

/// What is kept of a call that is given up.
fn kept<F: Effect>(call: &Call<F>, error: String) -> Option<Box<GivenUp>> {
    let key = call.idempotency_key();
    match GivenUp::of(call, error) {
        Ok(given_up) => {
            warn!(
                key,
                attempts = call.attempts + 1,
                "a call is given up: see farandole calls list"
            );
            Some(Box::new(given_up))
        }
        Err(failure) => {
            error!(key, error = %failure, "a call that is given up cannot be kept");
            None
        }
    }
}

fn report<F: Effect>(call: &Call<F>, error: &CallError) {
    let (key, attempts) = (call.idempotency_key(), call.attempts);
    debug!(key, attempts, %error, "outcome of a call is unknown");
    if attempts >= ALERT_AFTER && attempts.is_power_of_two() {
        error!(key, attempts, %error, "a call has no known outcome so far: see farandole calls list");
    }
}
