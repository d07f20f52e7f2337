//! Latency and cost per order, at a low rate and at parts of what the fleet can hold.

use serde::{Deserialize, Serialize};

use crate::bench::Bench;
use crate::fleet::Setup;
use crate::loads::open;
use crate::measure::Measured;

/// What a fleet with little to do is measured at.
const LOW: f64 = 50.0;

/// What was measured at one rate.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AtRate {
    /// Of what the fleet can hold.
    pub(crate) percent: Option<u32>,
    pub(crate) measured: Measured,
}

pub(crate) async fn measure(bench: &Bench) -> anyhow::Result<Vec<AtRate>> {
    let fleet = bench.fleet(Setup::plain("latency")).await?;
    let full = bench.rate(&fleet).await?;
    let shares = [25, 50, 75].map(|percent| (Some(percent), full * f64::from(percent) / 100.0));
    let mut all = Vec::new();
    for (percent, rate) in [(None, LOW)].into_iter().chain(shares) {
        let rate = rate.round();
        let load = open(rate, bench.scale.settle, bench.scale.sample);
        let measured = fleet.measure(&format!("{rate}/s"), &load).await?;
        let (post, end) = (measured.load.post, measured.load.end);
        bench.ground.show.say(&format!(
            "  {rate:>6.0}/s: POST→201 p50 {:.1} ms, p99 {:.1} ms; POST→completed p50 {:.1} ms, \
             p99 {:.1} ms, p999 {:.1} ms; {:.0} µs/order",
            post.p50, post.p99, end.p50, end.p99, end.p999, measured.cpu_us_fleet
        ));
        all.push(AtRate { percent, measured });
    }
    fleet.close().await?;
    Ok(all)
}
