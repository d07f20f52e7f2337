use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

/// Holds a stream of work to a rate: an even one, without bursts.
#[derive(Debug)]
pub struct Throttle {
    per_second: Option<NonZeroU32>,
    next: Instant,
}

impl Throttle {
    /// At most so many items a second; `None` holds up nothing.
    pub fn new(per_second: Option<NonZeroU32>) -> Self {
        Self { per_second, next: Instant::now() }
    }

    /// The most items to take at once: a tenth of a second's worth, so that the rate is even.
    pub fn batch(&self, max: usize) -> usize {
        self.per_second.map_or(max, |rate| {
            usize::try_from(rate.get() / 10).unwrap_or(usize::MAX).clamp(1, max.max(1))
        })
    }

    /// Waits until so many more items may be done.
    pub async fn wait(&mut self, items: usize) {
        let Some(rate) = self.per_second else { return };
        tokio::time::sleep_until(self.next).await;
        let items = u32::try_from(items).unwrap_or(u32::MAX);
        let spent = Duration::from_secs_f64(f64::from(items) / f64::from(rate.get()));
        self.next = self.next.max(Instant::now()) + spent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn keeps_to_the_rate() {
        let mut throttle = Throttle::new(NonZeroU32::new(100));
        let begin = Instant::now();
        for _ in 0..51 {
            throttle.wait(10).await;
        }
        assert_eq!(begin.elapsed().as_secs(), 5);
        assert_eq!(throttle.batch(1_000), 10);
        assert_eq!(Throttle::new(None).batch(1_000), 1_000);
    }
}
