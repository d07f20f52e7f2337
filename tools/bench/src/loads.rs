//! The loads that fleets are measured under.

use std::time::Duration;

use load::{Arrivals, Length, Load, Mix};

/// Orders under way in a closed loop that uses all there is.
const AT_ONCE: usize = 1_500;

/// All that the fleet can do at once.
pub(crate) fn closed(length: Length) -> Load {
    Load {
        arrivals: Arrivals::Closed(AT_ONCE),
        length,
        ..open(1.0, Duration::ZERO, Duration::ZERO)
    }
}

/// So many orders a second.
pub(crate) fn open(rate: f64, warm_up: Duration, duration: Duration) -> Load {
    Load {
        arrivals: Arrivals::Even(rate),
        mix: Mix::default(),
        warm_up,
        length: Length::Time(duration),
        patience: Duration::from_mins(1),
        connections: 256,
    }
}
