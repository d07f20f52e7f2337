//! One stretch of load on a fleet: what came of it, and what it cost.

use std::collections::BTreeMap;
use std::time::Duration;

use load::{Load, Phase, Stage};
use serde::{Deserialize, Serialize};

use crate::fleet::Fleet;
use crate::meter::{LOAD, Reading};

/// What came of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) load: Phase,
    /// Microseconds of CPU time per order that ended, by process.
    pub(crate) cpu_us: BTreeMap<String, f64>,
    /// The same of all processes together.
    pub(crate) cpu_us_all: f64,
    /// The same without the load generator.
    pub(crate) cpu_us_fleet: f64,
    /// Memory at the end by process, in MiB.
    pub(crate) memory_mib: BTreeMap<String, f64>,
    pub(crate) wal_bytes_per_order: f64,
    pub(crate) kafka_bytes_per_order: f64,
    pub(crate) commits_per_order: f64,
    /// Orders under way, twice a second.
    pub(crate) under_way: Vec<usize>,
}

/// A backlog may differ by as many orders as arrive in this time, in seconds.
const FLAT: f64 = 0.25;
/// This part of the samples, at the beginning and at the end, is compared.
const PART: usize = 5;

impl Measured {
    /// Whether the fleet keeps up: it refused nothing, and as many orders are under way at the end
    /// as at the beginning, give or take what arrives in a quarter of a second.
    pub(crate) fn keeps_up(&self) -> bool {
        let Phase { offered_per_second, refused, broken, .. } = &self.load;
        let part = self.under_way.len().div_ceil(PART);
        let first = median(&self.under_way[..part]);
        let last = median(&self.under_way[self.under_way.len() - part..]);
        refused.is_empty() && *broken == 0 && last <= first + offered_per_second * FLAT
    }
}

#[allow(clippy::cast_precision_loss)] // Far below 2^52 orders.
fn median(samples: &[usize]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).map_or(0.0, |middle| *middle as f64)
}

impl Fleet<'_> {
    /// Puts this load on the fleet.
    pub(crate) async fn measure(&self, what: &str, load: &Load) -> anyhow::Result<Measured> {
        self.measure_with(what, load, &[]).await
    }

    /// The same with processes beside it, which count among the fleet's.
    pub(crate) async fn measure_with(
        &self,
        what: &str,
        load: &Load,
        beside: &[(&'static str, Vec<u32>)],
    ) -> anyhow::Result<Measured> {
        let mut meter = self.meter();
        meter.processes.extend_from_slice(beside);
        let (mut begin, mut end) = (None, None);
        let mut under_way = Vec::new();
        let phase = load::run(&self.target(), load, async |progress| {
            match progress.stage {
                Stage::Begin => begin = Some(meter.read().await),
                Stage::Measuring => under_way.push(progress.under_way),
                Stage::End => end = Some(meter.read().await),
                Stage::Draining => {}
            }
            self.ground.show.progress(what, progress);
        })
        .await?;
        let (Some(begin), Some(end)) = (begin.transpose()?, end.transpose()?) else {
            anyhow::bail!("the load was neither begun nor ended");
        };
        Ok(measured(phase, &begin, &end, under_way))
    }
}

#[allow(clippy::cast_precision_loss)] // Microseconds and bytes, far below 2^52.
fn measured(phase: Phase, begin: &Reading, end: &Reading, under_way: Vec<usize>) -> Measured {
    // Reading takes a moment, in which orders end, too.
    let ended_per_second = phase.ended as f64 / phase.seconds;
    let orders = (ended_per_second * (end.at - begin.at).as_secs_f64()).max(1.0);
    let per_order = |begin: u64, end: u64| end.saturating_sub(begin) as f64 / orders;
    let before = |name: &String| begin.cpu_us.get(name).copied().unwrap_or_default();
    let cpu_us: BTreeMap<String, f64> =
        end.cpu_us.iter().map(|(name, us)| (name.clone(), per_order(before(name), *us))).collect();
    let cpu_us_all: f64 = cpu_us.values().sum();
    let memory = end.memory.iter();
    Measured {
        cpu_us_fleet: cpu_us_all - cpu_us.get(LOAD).copied().unwrap_or_default(),
        cpu_us_all,
        cpu_us,
        memory_mib: memory
            .map(|(name, bytes)| (name.clone(), *bytes as f64 / 1_048_576.0))
            .collect(),
        wal_bytes_per_order: per_order(begin.wal_bytes, end.wal_bytes),
        kafka_bytes_per_order: per_order(begin.kafka_bytes, end.kafka_bytes),
        commits_per_order: per_order(begin.commits, end.commits),
        under_way,
        load: phase,
    }
}

/// Seconds, for settings.
pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
