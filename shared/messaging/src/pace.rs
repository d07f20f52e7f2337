use std::time::Duration;

use tokio::time::Instant;

/// How long to wait before a batch, so that batches are neither tiny (each costs wake-ups, system
/// calls and a commit) nor late.
///
/// A wait is right when it buys something: when so much comes while a batch is under way that,
/// without waiting, one batch would follow on the heels of another. So it grows with what comes
/// during a batch, which is the rate times how long a batch takes, from nothing while that is half
/// an item to a maximum at two. It is counted from the beginning of the last batch. Where batches
/// are quick, or few items come, there is none; where the machine is busy, and so everything takes
/// longer, there is more. Under load that lowers the latency, too: what is not spent on tiny batches
/// is there for the work.
#[derive(Debug)]
pub struct Pace {
    min: Duration,
    max: Duration,
    last_begin: Instant,
    window_begin: Instant,
    window_count: u32,
    /// Items a second.
    rate: f64,
    /// How long a batch takes, in seconds.
    work: f64,
}

/// The rate is averaged over this long.
const WINDOW: Duration = Duration::from_millis(200);
/// As long as no more items than this come during a batch, there is no wait.
const COMPANY: f64 = 0.5;
/// When so many do, the wait is the longest.
const CROWD: f64 = 2.0;
/// How much the last batch counts in how long a batch takes.
const NEWEST: f64 = 0.1;

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
            work: 0.0,
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

    /// Takes note of the items of a batch, which is over.
    pub fn done(&mut self, items: usize) {
        let work = self.last_begin.elapsed().as_secs_f64();
        self.work += NEWEST * (work - self.work);
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
        let company = self.rate * self.work;
        let share = ((company - COMPANY) / (CROWD - COMPANY)).clamp(0.0, 1.0);
        self.max.mul_f64(share).max(self.min).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Batches of what came meanwhile, each of which takes so long.
    async fn run(pace: &mut Pace, per_second: u32, work: Duration) {
        for _ in 0..100 {
            tokio::time::advance(Duration::from_millis(10).saturating_sub(work)).await;
            pace.last_begin = Instant::now();
            tokio::time::advance(work).await;
            pace.done((per_second / 100) as usize);
        }
    }

    const MAX: Duration = Duration::from_millis(10);
    const QUICK: Duration = Duration::from_micros(100);
    const SLOW: Duration = Duration::from_millis(2);

    #[tokio::test(start_paused = true)]
    async fn waits_nothing_at_low_rates_and_at_most_the_maximum_at_high_ones() {
        let mut pace = Pace::new(MAX);
        run(&mut pace, 200, SLOW).await;
        assert_eq!(pace.interval(), Duration::ZERO);
        run(&mut pace, 500, SLOW).await;
        let between = pace.interval();
        assert!(between > Duration::ZERO && between < MAX, "{between:?}");
        run(&mut pace, 5000, SLOW).await;
        assert_eq!(pace.interval(), MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn waits_for_nobody_where_batches_are_quick() {
        let mut pace = Pace::new(MAX);
        run(&mut pace, 4000, QUICK).await;
        assert_eq!(pace.interval(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn waits_at_least_the_minimum() {
        let mut pace = Pace::new(Duration::from_millis(20)).at_least(Duration::from_millis(20));
        run(&mut pace, 100, SLOW).await;
        assert_eq!(pace.interval(), Duration::from_millis(20));
        let mut pace = Pace::new(Duration::from_millis(5)).at_least(Duration::from_millis(20));
        run(&mut pace, 100, SLOW).await;
        assert_eq!(pace.interval(), Duration::from_millis(5), "the maximum is the maximum");
    }

    #[tokio::test(start_paused = true)]
    async fn forgets_a_burst_after_a_silence() {
        let mut pace = Pace::new(MAX);
        run(&mut pace, 5000, SLOW).await;
        tokio::time::advance(Duration::from_secs(2)).await;
        pace.done(1);
        assert!(pace.rate < 1.0, "one item in two seconds");
    }
}
