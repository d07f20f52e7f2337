//! What is measured, one section after the other.

pub(crate) mod against;
pub(crate) mod alone;
pub(crate) mod catch_up;
pub(crate) mod console;
pub(crate) mod counts;
pub(crate) mod growth;
pub(crate) mod hot;
pub(crate) mod idle;
pub(crate) mod instances;
pub(crate) mod latency;
pub(crate) mod rate;
pub(crate) mod stall;

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;

use crate::bench::Bench;
use crate::results::Results;

/// More than any section takes, but for the turns of two builds.
const LIMIT: Duration = Duration::from_mins(20);

/// One thing to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Section {
    Rate,
    Latency,
    Counts,
    Alone,
    Growth,
    CatchUp,
    Stall,
    Hot,
    Idle,
    Instances,
    Console,
    Against,
}

impl Section {
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Rate => "the highest rate that is held for a minute with a flat backlog",
            Self::Latency => "latency and cost at 50/s, and at 25, 50 and 75 % of that rate",
            Self::Counts => "records, statements and transactions per order",
            Self::Alone => "the same fleet with batches, and with one record at a time",
            Self::Growth => "cost per order with one and five million orders there already",
            Self::CatchUp => "working off 100,000 orders that were placed while services were away",
            Self::Stall => "how long nothing ends when a service is killed and started again",
            Self::Hot => "all orders for one SKU",
            Self::Idle => "what a fleet uses that has nothing to do",
            Self::Instances => "two and four instances of each service",
            Self::Console => {
                "what the console costs beside a fleet, and its pages with ten million orders"
            }
            Self::Against => "this build and another one in turns; needs --against",
        }
    }

    /// More than it takes.
    pub(crate) fn limit(self, bench: &Bench) -> Duration {
        match self {
            Self::Against => LIMIT + bench.comparison.limit(),
            _ => LIMIT,
        }
    }

    pub(crate) async fn run(self, bench: &mut Bench, results: &mut Results) -> anyhow::Result<()> {
        match self {
            Self::Rate => {
                let rate = rate::measure(bench).await?;
                bench.rate.get_or_insert(rate.held.load.offered_per_second);
                results.rate = Some(rate);
            }
            Self::Latency => results.latency = latency::measure(bench).await?,
            Self::Counts => results.counts = Some(counts::measure(bench).await?),
            Self::Alone => results.alone = Some(alone::measure(bench).await?),
            Self::Growth => results.growth = growth::measure(bench).await?,
            Self::CatchUp => results.catch_up = Some(catch_up::measure(bench).await?),
            Self::Stall => results.stall = stall::measure(bench).await?,
            Self::Hot => results.hot = hot::measure(bench).await?,
            Self::Idle => results.idle = Some(idle::measure(bench).await?),
            Self::Instances => results.instances = instances::measure(bench).await?,
            Self::Console => results.console = Some(console::measure(bench).await?),
            Self::Against => results.against = Some(against::measure(bench).await?),
        }
        Ok(())
    }
}

impl fmt::Display for Section {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        formatter.pad(value.as_ref().map_or("", |value| value.get_name()))
    }
}
