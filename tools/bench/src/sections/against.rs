//! This build and another one in turns, on one stack: each has a fleet of its own, and of the two
//! only the one whose turn it is runs.

use std::fmt;

use anyhow::{Context as _, ensure};
use load::{Length, Load, Mix};
use serde::{Deserialize, Serialize};

use crate::bench::Bench;
use crate::build::Build;
use crate::charts::number;
use crate::comparison::{Comparison, Pace};
use crate::fleet::{Fleet, Setup};
use crate::loads::{closed, open};
use crate::measure::Measured;

/// What all orders are for where several instances of inventory are at it.
const HOT_SKUS: usize = 2;
/// So many.
const HOT_INVENTORIES: u32 = 3;

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Against {
    /// The other build's, if Git knows it.
    pub(crate) commit: Option<String>,
    /// How long each turn was measured.
    pub(crate) turn_seconds: f64,
    pub(crate) compared: Vec<Compared>,
    /// Orders of both builds that their audits have looked at.
    pub(crate) audited: usize,
}

/// Both under the same load.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Compared {
    pub(crate) scene: Scene,
    pub(crate) turns: Vec<Turn>,
}

/// What is put on what.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Scene {
    /// Orders a second; `None` in a closed loop.
    rate: Option<f64>,
    skus: usize,
    /// Instances of the inventory service. There is one of each other service.
    inventories: u32,
}

/// One after the other.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Turn {
    pub(crate) this: Measured,
    pub(crate) other: Measured,
}

impl fmt::Display for Scene {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.rate.map_or_else(|| "closed loop".to_owned(), number);
        formatter.write_str(&rate)?;
        if self.inventories > 1 {
            write!(formatter, ", {} SKUs, inventory × {}", self.skus, self.inventories)?;
        }
        Ok(())
    }
}

impl Scene {
    pub(crate) fn new(pace: Pace, skus: usize, inventories: u32) -> Self {
        let rate = match pace {
            Pace::PerSecond(rate) => Some(rate),
            Pace::Highest => None,
        };
        Self { rate, skus, inventories }
    }

    fn load(&self, comparison: &Comparison) -> Load {
        let (warm_up, turn) = (Comparison::WARM_UP, comparison.turn());
        let mix = Mix { skus: self.skus, ..Mix::default() };
        match self.rate {
            Some(rate) => Load { mix, ..open(rate, warm_up, turn) },
            None => Load { mix, warm_up, ..closed(Length::Time(turn)) },
        }
    }
}

pub(crate) async fn measure(bench: &Bench) -> anyhow::Result<Against> {
    let comparison = &bench.comparison;
    let build = comparison.against.as_ref().context("--against tells which build it is")?;
    let usual = |pace: &Pace| Scene::new(*pace, Mix::default().skus, 1);
    let usual: Vec<Scene> = comparison.rates.iter().map(usual).collect();
    let hot = |pace: &Pace| Scene::new(*pace, HOT_SKUS, HOT_INVENTORIES);
    let hot: Vec<Scene> = comparison.rates.last().map(hot).into_iter().collect();
    let (mut compared, mut audited) = compare(bench, build, &usual, 1).await?;
    let (more, more_audited) = compare(bench, build, &hot, HOT_INVENTORIES).await?;
    compared.extend(more);
    audited += more_audited;
    let turn_seconds = comparison.turn().as_secs_f64();
    Ok(Against { commit: build.commit(), turn_seconds, compared, audited })
}

/// Compares under one load after the other, on the same two fleets; tells how many orders were
/// audited, too.
async fn compare(
    bench: &Bench,
    build: &Build,
    scenes: &[Scene],
    inventories: u32,
) -> anyhow::Result<(Vec<Compared>, usize)> {
    let this = fleet(bench, "this", None, inventories).await?;
    let other = fleet(bench, "other", Some(build), inventories).await?;
    let mut all = Vec::new();
    for scene in scenes {
        let load = scene.load(&bench.comparison);
        let mut turns = Vec::new();
        for number in 1..=bench.comparison.turns {
            let this = turn(&this, &format!("{scene}, turn {number}"), &load).await?;
            let other = turn(&other, &format!("{scene}, the other's turn {number}"), &load).await?;
            let turn = Turn { this, other };
            bench.ground.show.say(&format!("  {scene:>6}, turn {number}: {turn}"));
            turns.push(turn);
        }
        all.push(Compared { scene: *scene, turns });
    }
    let mut audited = 0;
    for fleet in [this, other] {
        fleet.start().await?;
        audited += fleet.close().await?;
    }
    Ok((all, audited))
}

/// A fleet that is warm, and stopped.
async fn fleet<'b>(
    bench: &'b Bench,
    name: &str,
    build: Option<&Build>,
    inventories: u32,
) -> anyhow::Result<Fleet<'b>> {
    let name = format!("{name}{inventories}");
    let setup = Setup { inventories: Some(inventories), build, ..Setup::plain(&name) };
    let fleet = bench.fleet(setup).await?;
    fleet.stop().await;
    Ok(fleet)
}

/// Starts a fleet, measures it, and stops it.
async fn turn(fleet: &Fleet<'_>, what: &str, load: &Load) -> anyhow::Result<Measured> {
    fleet.start().await?;
    let measured = fleet.measure(what, load).await?;
    let left = measured.load.unfinished;
    ensure!(left == 0, "{what}: {left} orders have not ended, and would burden the next turn");
    fleet.stop().await;
    Ok(measured)
}

impl fmt::Display for Turn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { this, other } = self;
        write!(
            formatter,
            "{:.0} µs/order, p50 {:.0} ms, p99 {:.0} ms; the other {:.0} µs/order, p50 {:.0} ms, \
             p99 {:.0} ms; CPU {:.2} times",
            this.cpu_us_fleet,
            this.load.end.p50,
            this.load.end.p99,
            other.cpu_us_fleet,
            other.load.end.p50,
            other.load.end.p99,
            this.cpu_us_fleet / other.cpu_us_fleet,
        )
    }
}
