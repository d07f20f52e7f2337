//! What a fleet uses that has nothing to do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stack::fleet::SERVICES;
use tokio::time::sleep;

use crate::bench::Bench;
use crate::fleet::Setup;

/// How much of one core.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Idle {
    pub(crate) seconds: f64,
    /// In percent of one core, by process.
    pub(crate) percent: BTreeMap<String, f64>,
    /// The services together.
    pub(crate) services_percent: f64,
}

pub(crate) async fn measure(bench: &Bench) -> anyhow::Result<Idle> {
    let fleet = bench.fleet(Setup::plain("idle")).await?;
    fleet.audit().await?;
    let meter = fleet.meter();
    sleep(bench.scale.settle).await;
    fleet.ground.show.message("watching it idle");
    let begin = meter.read().await?;
    sleep(bench.scale.sample).await;
    let end = meter.read().await?;
    let seconds = (end.at - begin.at).as_secs_f64();
    let percent: BTreeMap<String, f64> = end
        .cpu_us
        .iter()
        .map(|(name, us)| {
            let used = us.saturating_sub(begin.cpu_us.get(name).copied().unwrap_or_default());
            #[allow(clippy::cast_precision_loss)] // Microseconds, far below 2^52.
            let percent = used as f64 / (seconds * 10_000.0);
            (name.clone(), percent)
        })
        .collect();
    let services_percent = SERVICES.iter().filter_map(|service| percent.get(*service)).sum();
    bench.ground.show.say(&format!("  the services: {services_percent:.2} % of one core"));
    fleet.close().await?;
    Ok(Idle { seconds, percent, services_percent })
}
