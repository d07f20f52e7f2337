//! How long nothing ends when a service is killed under load, and is started again at once.

use load::Stage;
use serde::{Deserialize, Serialize};
use stack::fleet::SERVICES;

use crate::bench::Bench;
use crate::fleet::Setup;
use crate::loads::open;

/// When it is killed, in halves of a second after measuring began.
const KILL_AT: u32 = 6;

/// What came of one death.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Stall {
    /// Who was killed; nobody, for comparison.
    pub(crate) killed: Option<String>,
    pub(crate) offered_per_second: f64,
    /// The longest time in which no order ended.
    pub(crate) longest_pause_ms: f64,
    /// The slowest order, from its intended arrival to its end.
    pub(crate) slowest_ms: f64,
    /// Requests without an answer: those that the order service had when it died.
    pub(crate) broken: u64,
}

pub(crate) async fn measure(bench: &Bench) -> anyhow::Result<Vec<Stall>> {
    let fleet = bench.fleet(Setup::plain("stall")).await?;
    let rate = (bench.rate(&fleet).await? * 0.5).round();
    let load = open(rate, bench.scale.settle, bench.scale.stall);
    let mut all = Vec::new();
    for killed in [None].into_iter().chain(SERVICES.map(Some)) {
        let (mut ticks, mut failure) = (0, None);
        let what = format!("killing {}", killed.unwrap_or("nobody"));
        let phase = load::run(&fleet.target(), &load, async |progress| {
            ticks += u32::from(progress.stage == Stage::Measuring);
            if ticks == KILL_AT && progress.stage == Stage::Measuring {
                for part in killed.into_iter().flat_map(|service| fleet.parts(service)) {
                    part.kill().await;
                    failure = part.start_without_waiting().err();
                }
            }
            fleet.ground.show.progress(&what, progress);
        })
        .await?;
        failure.map_or(Ok(()), Err)?;
        bench.ground.show.say(&format!(
            "  {what:<20}: nothing ended for {:.0} ms, the slowest took {:.0} ms, {} requests broken",
            phase.longest_pause_ms, phase.end.max, phase.broken
        ));
        all.push(Stall {
            killed: killed.map(str::to_owned),
            offered_per_second: rate,
            longest_pause_ms: phase.longest_pause_ms,
            slowest_ms: phase.end.max,
            broken: phase.broken,
        });
    }
    fleet.close().await?;
    Ok(all)
}
