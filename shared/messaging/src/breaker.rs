use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many calls are looked at before judging.
const SAMPLE: u32 = 20;
/// They must come within this long: a single call that fails now and then says nothing of the
/// provider.
const SAMPLE_WITHIN: Duration = Duration::from_secs(10);
/// The circuit opens when at least this share of them, in percent, had no known outcome.
const FAILING_PERCENT: u32 = 50;
/// How long it stays open before one call may probe.
const OPEN_FOR: Duration = Duration::from_secs(2);

/// A circuit breaker (Nygard, "Release It!"): when most calls fail, calls wait for a while
/// instead of piling onto a provider that is down. Then one call probes; the others follow if it
/// gets through.
#[derive(Debug)]
pub(crate) struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Closed { since: Instant, calls: u32, failures: u32 },
    Open { until: Instant },
    HalfOpen { until: Instant },
}

impl State {
    fn closed() -> Self {
        Self::Closed { since: Instant::now(), calls: 0, failures: 0 }
    }
}

impl Breaker {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(State::closed()) }
    }

    /// Waits until a call may be made. Bounded: an open circuit lets a probe through in time.
    pub(crate) async fn admit(&self) {
        while let Some(until) = self.blocked_until() {
            // Spread out, so that not all that waited come at the same moment.
            let spread = Duration::from_millis(fastrand::u64(0..50));
            tokio::time::sleep_until(until + spread).await;
        }
    }

    /// What to tell of it: `closed`, `half-open` or `open`.
    pub(crate) fn state(&self) -> &'static str {
        match *self.lock() {
            State::Closed { .. } => "closed",
            State::HalfOpen { .. } => "half-open",
            State::Open { .. } => "open",
        }
    }

    /// Takes note of a call's end.
    pub(crate) fn record(&self, known: bool) {
        let mut state = self.lock();
        *state = match &*state {
            State::Closed { since, .. } if since.elapsed() > SAMPLE_WITHIN => {
                State::Closed { since: Instant::now(), calls: 1, failures: u32::from(!known) }
            }
            State::Closed { since, calls, failures } => {
                let (calls, failures) = (calls + 1, failures + u32::from(!known));
                if calls < SAMPLE {
                    State::Closed { since: *since, calls, failures }
                } else if failures * 100 >= calls * FAILING_PERCENT {
                    State::Open { until: Instant::now() + OPEN_FOR }
                } else {
                    State::closed()
                }
            }
            State::Open { .. } | State::HalfOpen { .. } if known => State::closed(),
            State::Open { until } => State::Open { until: *until },
            State::HalfOpen { .. } => State::Open { until: Instant::now() + OPEN_FOR },
        };
    }

    /// Until when no call may be made; `None` lets this one through.
    fn blocked_until(&self) -> Option<Instant> {
        let mut state = self.lock();
        match &*state {
            State::Closed { .. } => None,
            State::Open { until } | State::HalfOpen { until } if Instant::now() < *until => {
                Some(*until)
            }
            // This call is the probe. Should it vanish, the next one probes after a while.
            State::Open { .. } | State::HalfOpen { .. } => {
                *state = State::HalfOpen { until: Instant::now() + OPEN_FOR };
                None
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(breaker: &Breaker, calls: u32, known: bool) {
        (0..calls).for_each(|_| breaker.record(known));
    }

    #[tokio::test(start_paused = true)]
    async fn opens_when_half_the_calls_fail_and_closes_after_a_probe() {
        let breaker = Breaker::new();
        record(&breaker, 11, true);
        record(&breaker, 9, false);
        assert_eq!(breaker.state(), "closed", "45 % is not half");
        record(&breaker, 10, true);
        record(&breaker, 10, false);
        assert_eq!(breaker.state(), "open");
        assert!(breaker.blocked_until().is_some());

        tokio::time::advance(OPEN_FOR).await;
        assert!(breaker.blocked_until().is_none(), "one call probes");
        assert_eq!(breaker.state(), "half-open");
        assert!(breaker.blocked_until().is_some(), "the others wait for it");
        breaker.record(false);
        assert!(breaker.blocked_until().is_some(), "the probe failed");

        tokio::time::advance(OPEN_FOR).await;
        breaker.admit().await;
        breaker.record(true);
        assert_eq!(breaker.state(), "closed");
    }

    #[tokio::test(start_paused = true)]
    async fn one_call_that_fails_now_and_then_opens_nothing() {
        let breaker = Breaker::new();
        for _ in 0..5 * SAMPLE {
            breaker.record(false);
            tokio::time::advance(SAMPLE_WITHIN / 2).await;
        }
        assert_eq!(breaker.state(), "closed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_vanishes_does_not_block_for_ever() {
        let breaker = Breaker::new();
        record(&breaker, SAMPLE, false);
        tokio::time::advance(OPEN_FOR).await;
        assert!(breaker.blocked_until().is_none());
        tokio::time::advance(OPEN_FOR).await;
        assert!(breaker.blocked_until().is_none());
    }
}
