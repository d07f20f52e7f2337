//! How it is tried again what has to succeed in the end.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How often a batch is carried again at once because somebody else changed in between what it was
/// decided on.
pub(crate) const CONFLICTS_MAX: u32 = 20;

/// The first wait for something that is needed and away is up to this long.
const BASE: Duration = Duration::from_millis(50);
/// The longest: what comes back is noticed within two seconds.
const CAP: Duration = Duration::from_secs(2);
/// The shortest: nothing is asked in a tight loop.
const FLOOR: Duration = Duration::from_millis(10);

/// A wait before try number `attempt` (from 1): full jitter over an exponentially growing span
/// (AWS Architecture Blog, "Exponential Backoff And Jitter").
pub(crate) fn backoff(attempt: u32, base: Duration, cap: Duration) -> Duration {
    let span = base.saturating_mul(2u32.saturating_pow(attempt.saturating_sub(1).min(20))).min(cap);
    span.mul_f64(fastrand::f64())
}

/// How long to wait for something that is needed and was away `attempt` times in a row.
pub(crate) fn wait(attempt: u32) -> Duration {
    backoff(attempt, BASE, CAP).max(FLOOR)
}

/// Waits that long; `None` if the shutdown comes first.
pub(crate) async fn pause(attempt: u32, shutdown: &CancellationToken) -> Option<()> {
    shutdown.run_until_cancelled(tokio::time::sleep(wait(attempt))).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_to_its_cap_and_never_past_it() {
        let (base, cap) = (Duration::from_millis(100), Duration::from_secs(5));
        for attempt in 1..100 {
            let most = base * 2u32.pow((attempt - 1).min(10));
            for _ in 0..50 {
                assert!(backoff(attempt, base, cap) <= most.min(cap));
                assert!((FLOOR..=CAP).contains(&wait(attempt)));
            }
        }
    }

    #[tokio::test]
    async fn a_shutdown_is_not_kept_waiting() {
        let shutdown = CancellationToken::new();
        assert_eq!(pause(1, &shutdown).await, Some(()));
        shutdown.cancel();
        assert_eq!(pause(u32::MAX, &shutdown).await, None);
    }
}
