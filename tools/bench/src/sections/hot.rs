//! All orders for one SKU, and the same orders spread over a thousand.

use load::{Length, Load, Mix};
use serde::{Deserialize, Serialize};

use crate::bench::Bench;
use crate::fleet::Setup;
use crate::loads::{closed, open};
use crate::measure::Measured;

/// One way.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) skus: usize,
    /// Orders a second with 1,500 under way at all times.
    pub(crate) closed_per_second: f64,
    /// At half of what the fleet can hold.
    pub(crate) measured: Measured,
}

pub(crate) async fn measure(bench: &Bench) -> anyhow::Result<Vec<Spread>> {
    let fleet = bench.fleet(Setup::plain("hot")).await?;
    let rate = (bench.rate(&fleet).await? * 0.5).round();
    let mut all = Vec::new();
    for skus in [Mix::default().skus, 1] {
        let mix = Mix { skus, ..Mix::default() };
        let load = Load { mix, ..closed(Length::Time(bench.scale.probe)) };
        let closed = fleet.measure(&format!("{skus} SKUs"), &load).await?;
        let load = Load { mix, ..open(rate, bench.scale.settle, bench.scale.sample) };
        let measured = fleet.measure(&format!("{skus} SKUs"), &load).await?;
        bench.ground.show.say(&format!(
            "  {skus:>5} SKUs: {:.0}/s; at {rate}/s {:.0} µs/order, p50 {:.0} ms, p99 {:.0} ms",
            closed.load.ended_per_second,
            measured.cpu_us_fleet,
            measured.load.end.p50,
            measured.load.end.p99
        ));
        all.push(Spread { skus, closed_per_second: closed.load.ended_per_second, measured });
    }
    fleet.close().await?;
    Ok(all)
}
