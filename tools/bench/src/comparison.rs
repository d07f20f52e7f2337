use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use crate::build::Build;
use crate::measure::seconds;

/// What is not measured of each turn: starting, the last orders, stopping, at most.
const AROUND: Duration = seconds(120);

/// With which other build this one is compared, and how long.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Two builds")]
pub(crate) struct Comparison {
    /// Compare this build with the one in DIR, such as another checkout's target/release, in turns
    /// on one stack; without --only, measure nothing else
    #[arg(long, value_name = "DIR", value_parser = Build::parse)]
    pub(crate) against: Option<Build>,
    /// Orders a second at which they are compared; `max` is a closed loop of 1,500
    #[arg(
        long,
        value_name = "ORDERS,…",
        value_delimiter = ',',
        requires = "against",
        default_value = "50,120,920,1800,max"
    )]
    pub(crate) rates: Vec<Pace>,
    /// How often each of the two is measured at each rate
    #[arg(long, value_name = "NUMBER", requires = "against", default_value_t = 3,
          value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) turns: u32,
    /// How long one is measured, after five seconds of warming up
    #[arg(long, value_name = "SECONDS", requires = "against", default_value_t = 15,
          value_parser = clap::value_parser!(u64).range(1..=600))]
    turn_seconds: u64,
}

/// How fast orders come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// So many a second.
    PerSecond(f64),
    /// As soon as others have ended: as fast as it goes.
    Highest,
}

impl FromStr for Pace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Highest);
        }
        let rate = text.parse().ok().filter(|rate| *rate > 0.0 && *rate <= 1e6);
        rate.map(Self::PerSecond).ok_or_else(|| "expected 0 < n ≤ 10⁶, or max".to_owned())
    }
}

impl Comparison {
    /// Before each turn is measured: processes that were just started warm up.
    pub(crate) const WARM_UP: Duration = seconds(5);

    /// How long a turn is measured.
    pub(crate) fn turn(&self) -> Duration {
        seconds(self.turn_seconds)
    }

    /// More than all turns take.
    pub(crate) fn limit(&self) -> Duration {
        // One of the rates is tried in two ways.
        let loads = 1 + u32::try_from(self.rates.len()).unwrap_or(u32::MAX - 1);
        (Self::WARM_UP + self.turn() + AROUND).saturating_mul(2 * self.turns).saturating_mul(loads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_a_rate_or_the_highest() {
        assert_eq!("920".parse(), Ok(Pace::PerSecond(920.0)));
        assert_eq!("max".parse(), Ok(Pace::Highest));
        for bad in ["", "0", "-1", "fast", "NaN"] {
            assert!(bad.parse::<Pace>().is_err(), "{bad}");
        }
    }
}
