use std::time::Duration;

use tokio::time::Instant;

/// How long to wait before a batch, so that batches are neither tiny (each costs wake-ups, system
/// calls and a commit) nor late.
///
/// Nothing at low rates; at high rates the wait grows with the rate up to a maximum, counted from
/// the beginning of the last batch. Under load this lowers the latency, too: what is not spent on
/// tiny batches is there for the work.
#[derive(Debug)]
pub struct Pace {
    min: Duration,
    max: Duration,
    last_begin: Instant,
    window_begin: Instant,
    window_count: u32,
    rate: f64,
}

/// The rate is averaged over this long.
const WINDOW: Duration = Duration::from_millis(200);
/// Below this many items a second there is no wait.
const FREE_RATE: f64 = 150.0;
/// How much each item a second above that adds to the wait.
const WAIT_PER_RATE: f64 = 20e-6;

impl Pace {
    /// Waits at most `max`.
    pub fn new(max: Duration) -> Self {
        let now = Instant::now();
        Self {
            min: Duration::ZERO,
            max,
            last_begin: now,
            window_begin: now,
            window_count: 0,
            rate: 0.0,
        }
    }

    /// Waits at least `min`, however low the rate; but never more than the maximum.
    #[must_use]
    pub fn at_least(self, min: Duration) -> Self {
        Self { min, ..self }
    }

    /// Waits until the next batch should begin. Call it when the first item is there.
    pub async fn wait(&mut self) {
        let until = self.last_begin + self.interval();
        if Instant::now() < until {
            tokio::time::sleep_until(until).await;
        }
        self.last_begin = Instant::now();
    }

    /// Counts the items of a batch.
    pub fn count(&mut self, items: usize) {
        self.window_count =
            self.window_count.saturating_add(u32::try_from(items).unwrap_or(u32::MAX));
        let elapsed = self.window_begin.elapsed();
        if elapsed >= WINDOW {
            let rate = f64::from(self.window_count) / elapsed.as_secs_f64();
            // After a silence the average must not lag behind for several windows.
            self.rate = if elapsed > 2 * WINDOW { rate } else { f64::midpoint(self.rate, rate) };
            self.window_begin = Instant::now();
            self.window_count = 0;
        }
    }

    fn interval(&self) -> Duration {
        let wait = (self.rate - FREE_RATE).max(0.0) * WAIT_PER_RATE;
        Duration::from_secs_f64(wait).max(self.min).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(pace: &mut Pace, per_second: u32) {
        for _ in 0..100 {
            tokio::time::advance(Duration::from_millis(10)).await;
            pace.count((per_second / 100) as usize);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn waits_nothing_at_low_rates_and_at_most_the_maximum_at_high_ones() {
        let mut pace = Pace::new(Duration::from_millis(10));
        run(&mut pace, 100).await;
        assert_eq!(pace.interval(), Duration::ZERO);
        run(&mut pace, 400).await;
        let between = pace.interval();
        assert!(between > Duration::ZERO && between < Duration::from_millis(10), "{between:?}");
        run(&mut pace, 5000).await;
        assert_eq!(pace.interval(), Duration::from_millis(10));
    }

    #[tokio::test(start_paused = true)]
    async fn waits_at_least_the_minimum() {
        let mut pace = Pace::new(Duration::from_millis(20)).at_least(Duration::from_millis(20));
        run(&mut pace, 10).await;
        assert_eq!(pace.interval(), Duration::from_millis(20));
        let mut pace = Pace::new(Duration::from_millis(5)).at_least(Duration::from_millis(20));
        run(&mut pace, 10).await;
        assert_eq!(pace.interval(), Duration::from_millis(5), "the maximum is the maximum");
    }

    #[tokio::test(start_paused = true)]
    async fn forgets_a_burst_after_a_silence() {
        let mut pace = Pace::new(Duration::from_millis(10));
        run(&mut pace, 5000).await;
        tokio::time::advance(Duration::from_secs(2)).await;
        pace.count(1);
        assert_eq!(pace.interval(), Duration::ZERO);
    }
}
