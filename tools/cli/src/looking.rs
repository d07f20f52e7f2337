//! Looking at a fleet again and again, without being a burden to it.

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

/// How often it is looked, and what that may cost.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// From the beginning of a look to that of the next.
    pub every: Duration,
    /// No look may take longer, whatever hangs.
    pub limit: Duration,
    /// After a look it rests for so many times what that took: one that gives databases or brokers work
    /// then takes no more than this share of their time.
    pub rest: u32,
    /// The longest such rest.
    pub rest_max: Duration,
}

/// Looks, and tells what was seen, or why nothing was, and how long that took.
pub async fn keep_looking<T>(
    pace: Pace,
    look: impl AsyncFn() -> anyhow::Result<T>,
    mut tell: impl FnMut(Result<T, String>, Duration),
) {
    let Pace { every, limit, rest, rest_max } = pace;
    loop {
        let began = Instant::now();
        let seen = match timeout(limit, look()).await {
            Ok(Ok(seen)) => Ok(seen),
            Ok(Err(error)) => Err(format!("{error:#}")),
            Err(_) => Err(format!("it took longer than {} s", limit.as_secs())),
        };
        let took = began.elapsed();
        tell(seen, took);
        let rest = (took * rest).min(rest_max);
        sleep(every.saturating_sub(took).max(rest)).await;
    }
}
