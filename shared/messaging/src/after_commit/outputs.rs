//! Tells what cannot be published, since when and why: an output has no lag that others could see.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kafka::{Producer, PublishError};
use kernel::SagaKey;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::relay::Relay;
use crate::instruments::{SAGAS_REFUSED, THROTTLE};
use crate::service::Monitor;

/// How often it is told.
const EVERY: Duration = Duration::from_secs(1);
/// For so long nothing may be published before the service is not ready: a broker that restarts is
/// back sooner.
const PATIENCE: Duration = Duration::from_secs(10);
/// When the events of so many sagas are refused, that is taken for the fault of the topic or of a
/// missing right instead of the events'.
const REFUSED_MAX: usize = 3;
/// What readiness calls it.
const PART: &str = "publishing";

/// How publishing goes.
#[derive(Default)]
pub(crate) struct Outputs(Mutex<State>);

#[derive(Default)]
struct State {
    /// Since when a batch is under way.
    under_way: Option<Instant>,
    /// Since when nothing has arrived, and why the last batch did not.
    failing: Option<(Instant, String)>,
    /// The sagas whose next event Kafka refuses.
    refused: BTreeMap<SagaKey, Refused>,
}

struct Refused {
    since: Instant,
    event_type: String,
    reason: String,
}

impl Outputs {
    /// A batch is on its way.
    pub(crate) fn begin(&self) {
        self.lock().under_way = Some(Instant::now());
    }

    /// It has come to its end: events of these sagas are in the log. `failure` is why others are
    /// not, where that is not the events' own fault.
    pub(crate) fn end(&self, landed: impl Iterator<Item = SagaKey>, failure: Option<&str>) {
        let mut state = self.lock();
        let began = state.under_way.take().unwrap_or_else(Instant::now);
        for saga in landed {
            state.failing = None;
            if !state.refused.is_empty() {
                state.refused.remove(&saga);
            }
        }
        if let Some(failure) = failure {
            let since = state.failing.take().map_or(began, |(since, _)| since);
            state.failing = Some((since, failure.to_owned()));
        }
    }

    /// Kafka refuses an event, however often it is sent.
    pub(crate) fn refuse(&self, saga: SagaKey, event_type: &str, error: &PublishError) {
        let mut state = self.lock();
        let since = state.refused.get(&saga).map_or_else(Instant::now, |refused| refused.since);
        let (event_type, reason) = (event_type.to_owned(), error.reason.clone());
        state.refused.insert(saga, Refused { since, event_type, reason });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Why nothing can be published, if so.
    fn stopped(&self, throttled: Duration) -> Option<String> {
        let slow = (!throttled.is_zero()).then(|| {
            format!("; Kafka holds this client back by a quota, for {throttled:.1?} a request")
        });
        let slow = slow.unwrap_or_default();
        let stood = |since: Instant| Some(since.elapsed()).filter(|stood| *stood >= PATIENCE);
        if let Some((since, reason)) = &self.failing
            && let Some(stood) = stood(*since)
        {
            return Some(format!(
                "nothing was published for {} s: {reason}{slow}",
                stood.as_secs()
            ));
        }
        if let Some(stood) = self.under_way.and_then(stood) {
            let s = stood.as_secs();
            return Some(format!("Kafka has acknowledged nothing for {s} s{slow}"));
        }
        let (_, first) = self.first_refused()?;
        let are_many = self.refused.len() >= REFUSED_MAX;
        (are_many && stood(first.since).is_some()).then(|| self.refusals()).flatten()
    }

    /// What Kafka refuses, if it does.
    fn refusals(&self) -> Option<String> {
        let (saga, Refused { since, event_type, reason }) = self.first_refused()?;
        Some(format!(
            "Kafka refuses events of {} sagas; the first, {event_type} of {saga}, for {} s: \
             {reason}",
            self.refused.len(),
            since.elapsed().as_secs()
        ))
    }

    fn first_refused(&self) -> Option<(&SagaKey, &Refused)> {
        self.refused.iter().min_by_key(|(_, refused)| refused.since)
    }
}

/// Tells the monitor how the relay's outputs are, until `shutdown`.
pub(crate) async fn watch(
    relay: Arc<Relay>,
    producer: Arc<Producer>,
    monitor: Arc<dyn Monitor>,
    shutdown: CancellationToken,
) {
    loop {
        let throttled = producer.throttled();
        THROTTLE.of([]).set(throttled.as_secs_f64());
        let (stopped, refusals, count) = {
            let state = relay.outputs.lock();
            (state.stopped(throttled), state.refusals(), state.refused.len())
        };
        SAGAS_REFUSED.count([], count as u64);
        match stopped {
            Some(reason) => monitor.down(PART, &reason),
            None => monitor.up(PART),
        }
        monitor.detail("refused", refusals.as_deref());
        if shutdown.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn refused() -> PublishError {
        PublishError { reason: "too large".to_owned(), refused: true }
    }

    #[tokio::test(start_paused = true)]
    async fn what_stands_still_is_told_with_since_when_and_why() {
        let outputs = Outputs::default();
        let stopped = || outputs.lock().stopped(Duration::ZERO);
        outputs.begin();
        assert_eq!(stopped(), None);
        tokio::time::advance(Duration::from_secs(12)).await;
        assert_eq!(stopped().unwrap(), "Kafka has acknowledged nothing for 12 s");
        outputs.end(std::iter::empty(), Some("timed out"));
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(stopped().unwrap(), "nothing was published for 15 s: timed out");
        let throttled = outputs.lock().stopped(Duration::from_secs(4)).unwrap();
        assert!(throttled.contains("by a quota, for 4.0s a request"), "{throttled}");
        outputs.begin();
        outputs.end([SagaKey(Uuid::nil())].into_iter(), None);
        assert_eq!(stopped(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_single_refused_event_is_told_and_does_not_stop_the_service() {
        let outputs = Outputs::default();
        let sagas = [1, 2, 3].map(|number| SagaKey(Uuid::from_u128(number)));
        outputs.refuse(sagas[0], "OrderPlaced", &refused());
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(outputs.lock().stopped(Duration::ZERO), None);
        let told = outputs.lock().refusals().unwrap();
        assert!(told.contains("1 sagas") && told.contains("for 20 s: too large"), "{told}");
        // That many are refused is another matter.
        outputs.refuse(sagas[1], "OrderPlaced", &refused());
        outputs.refuse(sagas[2], "OrderPlaced", &refused());
        assert!(outputs.lock().stopped(Duration::ZERO).is_some());
        outputs.end([sagas[2]].into_iter(), None);
        assert_eq!(outputs.lock().stopped(Duration::ZERO), None);
        outputs.end(sagas[..2].iter().copied(), None);
        assert_eq!(outputs.lock().refusals(), None);
    }
}
