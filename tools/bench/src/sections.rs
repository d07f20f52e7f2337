//! What is measured, one section after the other.

pub(crate) mod latency;
pub(crate) mod rate;

use std::fmt;

use clap::ValueEnum;

use crate::ground::{Fleet, Ground, Setup};
use crate::results::Results;
use crate::scale::Scale;

/// One thing to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Section {
    Rate,
    Latency,
}

impl Section {
    pub(crate) const ALL: &'static [Self] = &[Self::Rate, Self::Latency];

    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Rate => "the highest rate that is held for a minute with a flat backlog",
            Self::Latency => {
                "latency and cost per order at 50/s, and at 25, 50 and 75 % of that rate"
            }
        }
    }

    pub(crate) async fn run(self, bench: &mut Bench, results: &mut Results) -> anyhow::Result<()> {
        match self {
            Self::Rate => {
                let rate = rate::measure(bench).await?;
                bench.rate.get_or_insert(rate.held.load.offered_per_second);
                results.rate = Some(rate);
            }
            Self::Latency => results.latency = Some(latency::measure(bench).await?),
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

/// What the sections share.
pub(crate) struct Bench {
    pub(crate) ground: Ground,
    pub(crate) scale: Scale,
    /// What the fleet can hold, once that is known.
    pub(crate) rate: Option<f64>,
}

impl Bench {
    /// A fleet that is warm.
    pub(crate) async fn fleet(&self, setup: Setup<'_>) -> anyhow::Result<Fleet<'_>> {
        self.ground.fleet(setup, self.scale.warm_fleet).await
    }

    /// What the fleet can hold; when the section that finds out was left out, an estimate.
    pub(crate) async fn rate(&self, fleet: &Fleet<'_>) -> anyhow::Result<f64> {
        match self.rate {
            Some(rate) => Ok(rate),
            None => Ok((rate::ceiling(self, fleet).await? * 0.75).round()),
        }
    }
}
