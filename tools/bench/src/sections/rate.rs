//! The highest rate that the fleet holds: tried upwards, then held for a minute.

use anyhow::ensure;
use load::Length;
use serde::{Deserialize, Serialize};

use super::Bench;
use crate::ground::{Fleet, Setup, closed, open};
use crate::measure::Measured;

/// Where the search begins, and how far it goes up each time, as parts of what the fleet does with
/// as many orders at once as it can take.
const FROM: f64 = 0.60;
const STEP: f64 = 0.05;
/// How often at most a lower rate is tried after one could not be held.
const RETREATS: u32 = 4;

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
    let fleet = bench.ground.fleet(Setup::plain("rate"), bench.scale.warm_stack).await?;
    let closed_per_second = ceiling(bench, &fleet).await?;
    let (held, steps) = search(bench, &fleet, closed_per_second).await?;
    Ok(Rate { closed_per_second, steps, held, audited: fleet.close().await? })
}

/// Orders a second when as many are under way as the fleet can take.
pub(crate) async fn ceiling(bench: &Bench, fleet: &Fleet<'_>) -> anyhow::Result<f64> {
    let load = closed(Length::Time(bench.scale.probe));
    let measured = fleet.measure("as fast as it goes", &load).await?;
    bench.ground.show.say(&format!("  closed loop: {:.0}/s", measured.load.ended_per_second));
    Ok(measured.load.ended_per_second)
}

/// Goes up until the fleet does not keep up, then holds the last rate at which it did, or a lower
/// one.
pub(crate) async fn search(
    bench: &Bench,
    fleet: &Fleet<'_>,
    ceiling: f64,
) -> anyhow::Result<(Measured, Vec<Step>)> {
    let step = (ceiling * STEP).max(1.0);
    let mut rate = (ceiling * FROM).round();
    let mut steps = Vec::new();
    let attempt = async |rate: f64, duration| {
        let what = format!("{rate:.0}/s");
        let measured = fleet.measure(&what, &open(rate, bench.scale.settle, duration)).await?;
        let it = Step::of(&measured);
        bench.ground.show.say(&format!(
            "  {rate:>6.0}/s for {:>2.0} s: {}, p50 {:.0} ms, p99 {:.0} ms, {:.0} µs/order",
            it.seconds,
            if it.kept_up { "kept up" } else { "fell behind" },
            it.end_p50_ms,
            it.end_p99_ms,
            measured.cpu_us_fleet,
        ));
        Ok::<_, anyhow::Error>((measured, it))
    };
    loop {
        let (_, it) = attempt(rate, bench.scale.probe).await?;
        let kept_up = it.kept_up;
        steps.push(it);
        if !kept_up || rate > 2.0 * ceiling {
            break;
        }
        rate = (rate + step).round();
    }
    for _ in 0..RETREATS {
        rate = (rate - step).round();
        ensure!(rate > 0.0, "the fleet keeps up with no rate");
        let (measured, it) = attempt(rate, bench.scale.hold).await?;
        let kept_up = it.kept_up;
        steps.push(it);
        if kept_up {
            return Ok((measured, steps));
        }
    }
    anyhow::bail!("the fleet does not hold {rate:.0}/s either")
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
