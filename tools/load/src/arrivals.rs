use std::time::Duration;

/// When orders arrive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Arrivals {
    /// So many a second, evenly.
    Even(f64),
    /// So many a second on average, independent of each other (a Poisson process).
    Random(f64),
    /// As soon as one has ended the next one arrives: a closed loop of so many at once.
    Closed(usize),
}

impl Arrivals {
    /// The time from one arrival to the next, in an open loop.
    pub(crate) fn interval(self) -> Option<Duration> {
        match self {
            Self::Even(rate) => Some(Duration::from_secs_f64(1.0 / rate)),
            // Inverse of the exponential distribution; 1 - f64() is never zero.
            Self::Random(rate) => {
                Some(Duration::from_secs_f64(-(1.0 - fastrand::f64()).ln() / rate))
            }
            Self::Closed(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_arrivals_keep_the_rate_on_average() {
        let sum: Duration = (0..20_000).filter_map(|_| Arrivals::Random(1_000.0).interval()).sum();
        assert!((19.0..21.0).contains(&sum.as_secs_f64()), "{sum:?}");
        assert_eq!(Arrivals::Even(50.0).interval(), Some(Duration::from_millis(20)));
    }
}
