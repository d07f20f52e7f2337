//! Several instances of each service share the work, and lose nothing.

use serde::{Deserialize, Serialize};

use super::rate::{Search, Step};
use crate::bench::Bench;
use crate::fleet::Setup;
use crate::measure::Measured;

/// How many of each. With four, the topics have four partitions instead of three.
const INSTANCES: [u32; 2] = [2, 4];

/// With so many.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Shared {
    pub(crate) instances: u32,
    pub(crate) closed_per_second: f64,
    pub(crate) steps: Vec<Step>,
    pub(crate) held: Measured,
    /// Orders that were placed, all of which have ended, as the audit has seen.
    pub(crate) audited: usize,
}

pub(crate) async fn measure(bench: &Bench) -> anyhow::Result<Vec<Shared>> {
    let mut all = Vec::new();
    for instances in INSTANCES {
        let name = format!("by-{instances}");
        let fleet = bench.fleet(Setup { instances, ..Setup::plain(&name) }).await?;
        let closed_per_second = bench.ceiling(&fleet).await?;
        let search = Search { from: 0.70, step: 0.10, hold: bench.scale.sample };
        let (held, steps) = search.run(bench, &fleet, closed_per_second).await?;
        let audited = fleet.close().await?;
        all.push(Shared { instances, closed_per_second, steps, held, audited });
    }
    Ok(all)
}
