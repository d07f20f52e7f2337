//! The same fleet with batches, and with one record at a time.

use load::Length;
use serde::{Deserialize, Serialize};

use crate::bench::Bench;
use crate::fleet::Setup;
use crate::loads::closed;
use crate::measure::Measured;

/// For all services: one record in a transaction. Orders that come together are still placed
/// together.
pub(crate) const ONE_AT_A_TIME: [(&str, &str); 1] = [("BATCH_MAX", "1")];
/// Few, for a fleet that does one at a time.
pub(crate) const WARM: u64 = 500;

/// Both, with the same number of orders under way at all times.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Alone {
    pub(crate) batched: Measured,
    pub(crate) one_at_a_time: Measured,
    /// How many times as many orders a second.
    pub(crate) times_the_rate: f64,
    /// How many times as much CPU time per order.
    pub(crate) times_the_cpu: f64,
}

pub(crate) async fn measure(bench: &Bench) -> anyhow::Result<Alone> {
    let load = closed(Length::Time(bench.scale.probe));
    let fleet = bench.fleet(Setup::plain("batched")).await?;
    let batched = fleet.measure("batched", &load).await?;
    fleet.close().await?;
    let setup = Setup { environment: &ONE_AT_A_TIME, ..Setup::plain("alone") };
    let fleet = bench.ground.fleet(setup, WARM).await?;
    let one_at_a_time = fleet.measure("one at a time", &load).await?;
    fleet.close().await?;
    let times_the_rate = batched.load.ended_per_second / one_at_a_time.load.ended_per_second;
    let times_the_cpu = one_at_a_time.cpu_us_fleet / batched.cpu_us_fleet;
    bench.ground.show.say(&format!(
        "  {:.0}/s, {:.0} µs/order; one at a time {:.0}/s, {:.0} µs/order: batches carry {:.1} times \
         as much",
        batched.load.ended_per_second,
        batched.cpu_us_fleet,
        one_at_a_time.load.ended_per_second,
        one_at_a_time.cpu_us_fleet,
        times_the_rate
    ));
    Ok(Alone { batched, one_at_a_time, times_the_rate, times_the_cpu })
}
