//! What an order costs when very many are there already.

use load::Preload;
use serde::{Deserialize, Serialize};
use stack::fleet::SERVICES;
use tokio::task::JoinSet;

use crate::bench::Bench;
use crate::fleet::{Fleet, Setup};
use crate::loads::open;
use crate::measure::Measured;
use crate::postgres::{execute, told};

/// What was measured with so many orders there.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Grown {
    /// Orders that were put into the databases, completed. The topics lack their events.
    pub(crate) orders: u32,
    pub(crate) measured: Measured,
    /// How many times the CPU time per order of a fleet without them.
    pub(crate) times_the_cpu: f64,
}

pub(crate) async fn measure(bench: &Bench) -> anyhow::Result<Vec<Grown>> {
    let fleet = bench.fleet(Setup::plain("growth")).await?;
    let rate = (bench.rate(&fleet).await? * 0.5).round();
    let preload = Preload::now();
    let mut all: Vec<Grown> = Vec::new();
    for &orders in bench.scale.growth {
        let there = all.last().map_or(0, |last| last.orders);
        fill(&fleet, preload, there, orders).await?;
        let load = open(rate, bench.scale.settle, bench.scale.sample);
        let measured = fleet.measure(&format!("{orders} orders there"), &load).await?;
        let cpu_us = measured.cpu_us_fleet;
        let times_the_cpu = cpu_us / all.first().map_or(cpu_us, |it| it.measured.cpu_us_fleet);
        bench.ground.show.say(&format!(
            "  {orders:>8} orders there, {rate}/s: {cpu_us:.0} µs/order ({times_the_cpu:.2} times), \
             p99 {:.0} ms",
            measured.load.end.p99
        ));
        all.push(Grown { orders, measured, times_the_cpu });
    }
    // What the topics do not have would look lost to the audit.
    for service in SERVICES {
        preload.remove(service, &fleet.database_url(service)).await.map_err(told)?;
    }
    fleet.close().await?;
    Ok(all)
}

/// Fills the databases at once, and lets Postgres write it all down before it is measured.
async fn fill(fleet: &Fleet<'_>, preload: Preload, from: u32, to: u32) -> anyhow::Result<()> {
    if from == to {
        return Ok(());
    }
    fleet.ground.show.message(&format!("putting {} orders into the databases", to - from));
    let mut filling = JoinSet::new();
    for service in SERVICES {
        let url = fleet.database_url(service);
        filling.spawn(async move { preload.fill(service, &url, from..to).await });
    }
    while let Some(filled) = filling.join_next().await {
        filled?.map_err(told)?;
    }
    execute(fleet.ground.postgres(), "CHECKPOINT").await
}
