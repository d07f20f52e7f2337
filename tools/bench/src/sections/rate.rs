//! The highest rate that the fleet holds: tried upwards, then held for a minute.

use std::time::Duration;

use anyhow::bail;
use serde::{Deserialize, Serialize};

use crate::bench::Bench;
use crate::fleet::{Fleet, Setup};
use crate::loads::open;
use crate::measure::Measured;

/// How often at most a lower rate is tried after one could not be held.
const RETREATS: u32 = 4;

/// How the highest rate is looked for.
pub(crate) struct Search {
    /// Where it begins, as a part of what the fleet does in a closed loop.
    pub(crate) from: f64,
    /// How far it goes up each time, as a part of the same.
    pub(crate) step: f64,
    /// How long the rate must be held in the end.
    pub(crate) hold: Duration,
}

/// How it was found.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Rate {
    /// Orders a second with 1,500 under way at all times.
    pub(crate) closed_per_second: f64,
    pub(crate) steps: Vec<Step>,
    /// The rate that was held.
    pub(crate) held: Measured,
    /// Orders that the audit has looked at.
    pub(crate) audited: usize,
}

/// A rate that was tried.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) offered_per_second: f64,
    pub(crate) seconds: f64,
    pub(crate) kept_up: bool,
    pub(crate) end_p50_ms: f64,
    pub(crate) end_p99_ms: f64,
}

pub(crate) async fn measure(bench: &Bench) -> anyhow::Result<Rate> {
    let fleet = bench.fleet(Setup::plain("rate")).await?;
    let closed_per_second = bench.ceiling(&fleet).await?;
    let search = Search { from: 0.60, step: 0.05, hold: bench.scale.hold };
    let (held, steps) = search.run(bench, &fleet, closed_per_second).await?;
    Ok(Rate { closed_per_second, steps, held, audited: fleet.close().await? })
}

impl Search {
    /// Goes up until the fleet does not keep up, then holds the last rate at which it did, or a
    /// lower one.
    pub(crate) async fn run(
        &self,
        bench: &Bench,
        fleet: &Fleet<'_>,
        ceiling: f64,
    ) -> anyhow::Result<(Measured, Vec<Step>)> {
        let step = (ceiling * self.step).max(1.0);
        let mut rate = (ceiling * self.from).round();
        let mut steps = Vec::new();
        loop {
            let measured = attempt(bench, fleet, rate, bench.scale.probe).await?;
            steps.push(Step::of(&measured));
            // The closed loop may come at a bad moment, but not at one that is so much worse.
            if !measured.keeps_up() || rate > 4.0 * ceiling {
                break;
            }
            rate = (rate + step).round();
        }
        for _ in 0..RETREATS {
            rate = (rate - step).round().max(1.0);
            let measured = attempt(bench, fleet, rate, self.hold).await?;
            steps.push(Step::of(&measured));
            if measured.keeps_up() {
                return Ok((measured, steps));
            }
        }
        bail!("the fleet does not hold {rate:.0}/s either")
    }
}

async fn attempt(
    bench: &Bench,
    fleet: &Fleet<'_>,
    rate: f64,
    duration: Duration,
) -> anyhow::Result<Measured> {
    let what = format!("{rate:.0}/s");
    let measured = fleet.measure(&what, &open(rate, bench.scale.settle, duration)).await?;
    bench.ground.show.say(&format!(
        "  {rate:>6.0}/s for {:>2.0} s: {}, p50 {:.0} ms, p99 {:.0} ms, {:.0} µs/order",
        measured.load.seconds,
        if measured.keeps_up() { "kept up" } else { "fell behind" },
        measured.load.end.p50,
        measured.load.end.p99,
        measured.cpu_us_fleet,
    ));
    Ok(measured)
}

impl Step {
    fn of(measured: &Measured) -> Self {
        Self {
            offered_per_second: measured.load.offered_per_second,
            seconds: measured.load.seconds,
            kept_up: measured.keeps_up(),
            end_p50_ms: measured.load.end.p50,
            end_p99_ms: measured.load.end.p99,
        }
    }
}
