use std::time::Duration;

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
/// gets through. Times are since some beginning.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Breaker(State);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum State {
    Closed { since: Duration, calls: u32, failures: u32 },
    Open { until: Duration },
    HalfOpen { until: Duration },
}

const CLOSED: State = State::Closed { since: Duration::ZERO, calls: 0, failures: 0 };

impl Breaker {
    pub(crate) fn new() -> Self {
        Self(CLOSED)
    }

    /// What to tell of it: `closed`, `half-open` or `open`.
    pub(crate) fn state(&self) -> &'static str {
        match self.0 {
            State::Closed { .. } => "closed",
            State::HalfOpen { .. } => "half-open",
            State::Open { .. } => "open",
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.0, State::Closed { .. })
    }

    /// Whether it has nothing to remember.
    pub(crate) fn is_idle(&self, now: Duration) -> bool {
        match self.0 {
            State::Closed { since, .. } => now.saturating_sub(since) > SAMPLE_WITHIN,
            State::Open { .. } | State::HalfOpen { .. } => false,
        }
    }

    /// Whether a call may be made.
    pub(crate) fn may_go(&self, now: Duration) -> bool {
        self.blocked_until().is_none_or(|until| until <= now)
    }

    /// Until when no call may be made.
    pub(crate) fn blocked_until(&self) -> Option<Duration> {
        match self.0 {
            State::Closed { .. } => None,
            State::Open { until } | State::HalfOpen { until } => Some(until),
        }
    }

    /// A call is made. With the circuit open it is the probe; should that vanish, the next one
    /// probes after a while.
    pub(crate) fn goes(&mut self, now: Duration) {
        if !self.is_closed() {
            self.0 = State::HalfOpen { until: now + OPEN_FOR };
        }
    }

    /// Takes note of a call's end.
    pub(crate) fn record(&mut self, known: bool, now: Duration) {
        let failure = u32::from(!known);
        self.0 = match self.0 {
            State::Closed { since, .. } if now.saturating_sub(since) > SAMPLE_WITHIN => {
                State::Closed { since: now, calls: 1, failures: failure }
            }
            State::Closed { since, calls, failures } => {
                let (calls, failures) = (calls + 1, failures + failure);
                if calls < SAMPLE {
                    State::Closed { since, calls, failures }
                } else if failures * 100 >= calls * FAILING_PERCENT {
                    State::Open { until: now + OPEN_FOR }
                } else {
                    State::Closed { since: now, calls: 0, failures: 0 }
                }
            }
            State::Open { .. } | State::HalfOpen { .. } if known => {
                State::Closed { since: now, calls: 0, failures: 0 }
            }
            State::Open { until } => State::Open { until },
            State::HalfOpen { .. } => State::Open { until: now + OPEN_FOR },
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1_000);

    fn record(breaker: &mut Breaker, calls: u32, known: bool) {
        (0..calls).for_each(|_| breaker.record(known, START));
    }

    #[test]
    fn opens_when_half_the_calls_fail_and_closes_after_a_probe() {
        let mut breaker = Breaker::new();
        record(&mut breaker, 11, true);
        record(&mut breaker, 9, false);
        assert_eq!(breaker.state(), "closed", "45 % is not half");
        record(&mut breaker, 10, true);
        record(&mut breaker, 10, false);
        assert_eq!(breaker.state(), "open");
        assert!(!breaker.may_go(START));

        let then = START + OPEN_FOR;
        assert!(breaker.may_go(then), "one call probes");
        breaker.goes(then);
        assert_eq!(breaker.state(), "half-open");
        assert!(!breaker.may_go(then), "the others wait for it");
        breaker.record(false, then);
        assert!(!breaker.may_go(then), "the probe failed");

        breaker.goes(then + OPEN_FOR);
        breaker.record(true, then + OPEN_FOR);
        assert_eq!(breaker.state(), "closed");
    }

    #[test]
    fn one_call_that_fails_now_and_then_opens_nothing() {
        let mut breaker = Breaker::new();
        for round in 0..5 * SAMPLE {
            breaker.record(false, START + round * SAMPLE_WITHIN / 2);
        }
        assert_eq!(breaker.state(), "closed");
    }

    #[test]
    fn a_probe_that_vanishes_does_not_block_for_ever() {
        let mut breaker = Breaker::new();
        record(&mut breaker, SAMPLE, false);
        breaker.goes(START + OPEN_FOR);
        assert!(breaker.may_go(START + 2 * OPEN_FOR));
    }
}
