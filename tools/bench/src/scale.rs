use std::time::Duration;

use crate::measure::seconds;

/// How long and how much is measured.
pub(crate) struct Scale {
    /// Orders before anything is measured on a new stack: Java compiles what it has seen often.
    pub(crate) warm_stack: u64,
    /// Orders before anything is measured on a new fleet.
    pub(crate) warm_fleet: u64,
    /// Before each stretch.
    pub(crate) settle: Duration,
    /// How long a rate is tried.
    pub(crate) probe: Duration,
    /// How long a rate must be held.
    pub(crate) hold: Duration,
    /// How long latency and cost are measured at each rate.
    pub(crate) sample: Duration,
    /// How long orders arrive while a service is killed.
    pub(crate) stall: Duration,
    /// How many orders are there already as growth is measured.
    pub(crate) growth: &'static [u32],
    /// Orders placed while the services are away.
    pub(crate) backlog: u64,
    /// Orders over which statements are counted.
    pub(crate) counted: u64,
    /// Orders in the console's database while pages are asked for.
    pub(crate) held: i64,
    /// How often each page is asked for.
    pub(crate) asked: usize,
}

impl Scale {
    /// To be quoted.
    pub(crate) const FULL: Self = Self {
        warm_stack: 50_000,
        warm_fleet: 10_000,
        settle: seconds(3),
        probe: seconds(10),
        hold: seconds(60),
        sample: seconds(30),
        stall: seconds(12),
        growth: &[0, 1_000_000, 5_000_000],
        backlog: 100_000,
        counted: 20_000,
        held: 10_000_000,
        asked: 300,
    };

    /// To see that it works.
    pub(crate) const QUICK: Self = Self {
        warm_stack: 20_000,
        warm_fleet: 2_000,
        settle: seconds(2),
        probe: seconds(5),
        hold: seconds(10),
        sample: seconds(6),
        stall: seconds(8),
        growth: &[0, 200_000],
        backlog: 10_000,
        counted: 5_000,
        held: 100_000,
        asked: 30,
    };
}
