//! Durations, counted in buckets.

use std::time::Duration;

/// How many buckets there are.
pub(crate) const BUCKETS: usize = 96;
/// Each bucket is a quarter wider than the one before: what is told of a quantile is off by an eighth at
/// most.
const GROWTH: f64 = 1.25;
/// The upper end of the first one, in milliseconds. The last one ends after twenty days.
const FIRST_MS: f64 = 1.0;

/// Which bucket a duration belongs to.
pub(crate) fn bucket(milliseconds: i64) -> usize {
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is cut to the number of buckets"
    )]
    let place = ((milliseconds.max(1) as f64) / FIRST_MS).log(GROWTH).ceil() as usize;
    place.min(BUCKETS - 1)
}

/// How often durations of each length came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durations([i64; BUCKETS]);

impl Default for Durations {
    fn default() -> Self {
        Self([0; BUCKETS])
    }
}

/// Of durations, one by one.
impl FromIterator<Duration> for Durations {
    fn from_iter<I: IntoIterator<Item = Duration>>(durations: I) -> Self {
        let mut all = Self::default();
        for duration in durations {
            all.add(bucket(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)), 1);
        }
        all
    }
}

impl Durations {
    /// Of counts, one for each bucket; what is missing is none.
    pub(crate) fn of(counts: &[i64]) -> Self {
        let mut all = Self::default();
        for (own, count) in all.0.iter_mut().zip(counts) {
            *own = *count;
        }
        all
    }

    /// A count for each bucket.
    pub(crate) fn counts(&self) -> &[i64] {
        &self.0
    }

    /// Counts a duration in this bucket so many times more, or less.
    pub(crate) fn add(&mut self, bucket: usize, times: i64) {
        self.0[bucket] += times;
    }

    /// Adds all of these.
    pub fn join(&mut self, others: &Self) {
        self.0.iter_mut().zip(others.0).for_each(|(own, other)| *own += other);
    }

    /// How many there are.
    pub fn total(&self) -> i64 {
        self.0.iter().sum()
    }

    /// That which this share of them, from 0 to 1, is not longer than; `None` of none.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let total = self.total();
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a share")]
        let wanted = ((total as f64 * share).ceil() as i64).max(1);
        let mut seen = 0;
        let place = self.0.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        place.filter(|_| total > 0).map(|place| {
            let end = FIRST_MS * GROWTH.powi(i32::try_from(place).unwrap_or(i32::MAX));
            Duration::from_secs_f64(end / 1_000.0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_a_bucket_that_is_hardly_wider() {
        for milliseconds in [1, 2, 7, 95, 1_000, 59_000, 3_600_000, 86_400_000] {
            let mut durations = Durations::default();
            durations.add(bucket(milliseconds), 1);
            let told = durations.quantile(0.5).unwrap().as_secs_f64() * 1_000.0;
            let real = f64::from(i32::try_from(milliseconds).unwrap());
            assert!(told >= real - 1e-6 && told <= real * GROWTH, "{milliseconds}: {told}");
        }
        for odd in [i64::MIN, -1, 0, i64::MAX] {
            assert!(bucket(odd) < BUCKETS, "{odd}");
        }
    }

    #[test]
    fn a_quantile_is_what_so_many_are_not_longer_than() {
        let mut durations = Durations::default();
        assert_eq!(durations.quantile(0.5), None);
        durations.add(bucket(10), 98);
        durations.add(bucket(1_000), 2);
        let at = |share| durations.quantile(share).unwrap().as_millis();
        assert!(at(0.0) < 13 && at(0.5) < 13 && at(0.98) < 13);
        assert!(at(0.99) > 990 && at(1.0) > 990);
    }
}
