//! How fast the services work off orders that were placed while they were away.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use load::{Length, Load, Stage};
use serde::{Deserialize, Serialize};

use crate::bench::Bench;
use crate::fleet::{Fleet, Setup};
use crate::loads::open;

/// How long all orders may take to end.
const PATIENCE: Duration = Duration::from_mins(10);

/// How it went.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CatchUp {
    /// Orders that were placed while all services but order were stopped.
    pub(crate) orders: u64,
    /// From the start of the services to the end of the last order.
    pub(crate) seconds: f64,
    pub(crate) per_second: f64,
    /// Seconds since the start, and orders under way.
    pub(crate) course: Vec<(f64, usize)>,
}

pub(crate) async fn measure(bench: &Bench) -> anyhow::Result<CatchUp> {
    let fleet = bench.fleet(Setup::plain("catch-up")).await?;
    let rate = (bench.rate(&fleet).await? * 0.75).round();
    let orders = bench.scale.backlog;
    for part in others(&fleet) {
        part.stop().await;
    }
    let load = Load {
        length: Length::Orders(orders),
        patience: PATIENCE,
        ..open(rate, Duration::ZERO, Duration::ZERO)
    };
    let (mut started, mut failure) = (None, None);
    let mut course = Vec::new();
    let phase = load::run(&fleet.target(), &load, async |progress| {
        if progress.stage == Stage::End {
            started = Some(Instant::now());
            failure = others(&fleet).find_map(|part| part.start_without_waiting().err());
        }
        if let Some(started) = started {
            course.push((started.elapsed().as_secs_f64(), progress.under_way));
        }
        fleet.ground.show.progress("catching up", progress);
    })
    .await?;
    failure.map_or(Ok(()), Err)?;
    let seconds = started.context("no order was placed")?.elapsed().as_secs_f64();
    ensure!(phase.unfinished == 0, "{} orders have not ended in {PATIENCE:?}", phase.unfinished);
    course.push((seconds, 0));
    fleet.close().await?;
    #[allow(clippy::cast_precision_loss)] // Far below 2^52 orders.
    let per_second = orders as f64 / seconds;
    bench.ground.show.say(&format!("  {orders} orders in {seconds:.1} s: {per_second:.0}/s"));
    Ok(CatchUp { orders, seconds, per_second, course })
}

fn others<'f>(fleet: &'f Fleet<'_>) -> impl Iterator<Item = &'f stack::Part> {
    stack::fleet::SERVICES[1..].iter().flat_map(|service| fleet.parts(service))
}
