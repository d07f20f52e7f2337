use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use crate::arrivals::Arrivals;
use crate::client::{Connection, Placed};
use crate::follow::Follower;
use crate::ledger::{Ledger, Phase};
use crate::mix::{Dice, Mix};
use crate::target::Target;

/// Arrivals that may wait for a free connection. More means that the fleet, or this generator, is
/// far beyond what it can do; those that come then count as broken.
const WAITING_MAX: usize = 100_000;
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(500);
/// How often it is looked whether something has come to its end.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What to put on a fleet.
#[derive(Debug, Clone)]
pub struct Load {
    /// When orders arrive.
    pub arrivals: Arrivals,
    /// What they are for.
    pub mix: Mix,
    /// Before measuring begins.
    pub warm_up: Duration,
    /// For how long orders arrive.
    pub length: Length,
    /// How long to wait at the end for orders under way.
    pub patience: Duration,
    /// Connections to the order service.
    pub connections: usize,
}

/// For how long orders arrive.
#[derive(Debug, Clone, Copy)]
pub enum Length {
    /// So long after the warm-up.
    Time(Duration),
    /// Until so many have arrived, those of the warm-up included.
    Orders(u64),
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The stretch that is measured begins. Told once.
    Begin,
    /// It lasts. Told twice a second.
    Measuring,
    /// It has ended. Told once.
    End,
    /// Orders of it are under way, and no more arrive. Told twice a second.
    Draining,
}

/// How a run goes.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Where it is.
    pub stage: Stage,
    /// Orders of the stretch that were meant to arrive so far.
    pub offered: u64,
    /// Orders of the stretch that the fleet took.
    pub placed: u64,
    /// Orders that ended in the stretch.
    pub ended: u64,
    /// Orders that are under way now.
    pub under_way: usize,
}

/// Puts the load on the fleet and tells what came of it. `watch` hears how it goes; orders go on
/// arriving while it works.
pub async fn run(
    target: &Target,
    load: &Load,
    mut watch: impl AsyncFnMut(Progress),
) -> anyhow::Result<Phase> {
    ensure!(!target.order_urls.is_empty(), "there is no order service to go to");
    let ledger = Arc::new(Ledger::default());
    let topic = target.topics.events("order");
    let _follower = Follower::start(target.kafka_brokers.clone(), topic, ledger.clone())
        .await
        .context("cannot follow orders to their ends")?;
    let (sender, arrivals) = mpsc::channel(WAITING_MAX);
    // What it holds ends with it, however this function ends.
    let mut tasks = JoinSet::new();
    let arrivals = Arc::new(Mutex::new(arrivals));
    let dice = Arc::new(Dice::new(&load.mix)?);
    for url in target.order_urls.iter().cycle().take(load.connections) {
        let connection = Connection::new(url)?;
        tasks.spawn(serve(connection, arrivals.clone(), dice.clone(), ledger.clone()));
    }
    ledger.begin();
    let schedule = tasks.spawn(schedule(load.arrivals, load.length, sender, ledger.clone()));
    if !load.warm_up.is_zero() {
        sleep(load.warm_up).await;
        ledger.begin();
    }
    watch(progress(&ledger, Stage::Begin)).await;
    let end = match load.length {
        Length::Time(duration) => Some(Instant::now() + duration),
        Length::Orders(_) => None,
    };
    let over = || match end {
        Some(end) => Instant::now() >= end,
        None => schedule.is_finished() && ledger.unanswered() == 0,
    };
    wait_until(over, &ledger, Stage::Measuring, &mut watch).await;
    ledger.end();
    schedule.abort();
    watch(progress(&ledger, Stage::End)).await;
    let give_up = Instant::now() + load.patience;
    let drained = || ledger.unfinished() == 0 || Instant::now() >= give_up;
    wait_until(drained, &ledger, Stage::Draining, &mut watch).await;
    let offered_per_second = match load.arrivals {
        Arrivals::Even(rate) | Arrivals::Random(rate) => rate,
        Arrivals::Closed(_) => 0.0,
    };
    Ok(ledger.phase(offered_per_second))
}

async fn wait_until(
    over: impl Fn() -> bool,
    ledger: &Ledger,
    stage: Stage,
    watch: &mut impl AsyncFnMut(Progress),
) {
    let mut tell_at = Instant::now() + TELL_EVERY;
    while !over() {
        sleep(LOOK_EVERY).await;
        if Instant::now() >= tell_at {
            watch(progress(ledger, stage)).await;
            tell_at += TELL_EVERY;
        }
    }
}

fn progress(ledger: &Ledger, stage: Stage) -> Progress {
    let (offered, placed, ended) = ledger.so_far();
    Progress { stage, offered, placed, ended, under_way: ledger.under_way() }
}

/// Lets orders arrive. They arrive at their time, whatever has become of the others; when this
/// task is late, latency still counts from when they should have arrived.
async fn schedule(
    arrivals: Arrivals,
    length: Length,
    sender: mpsc::Sender<Instant>,
    ledger: Arc<Ledger>,
) {
    let mut left = match length {
        Length::Time(_) => u64::MAX,
        Length::Orders(orders) => orders,
    };
    if let Arrivals::Closed(at_once) = arrivals {
        return keep_open(at_once, left, sender, ledger).await;
    }
    let mut next = Instant::now();
    while left > 0 {
        while next <= Instant::now() && left > 0 {
            ledger.offered(next);
            if sender.try_send(next).is_err() {
                ledger.broken(next);
            }
            next += arrivals.interval().unwrap_or_default();
            left -= 1;
        }
        sleep_until(next.into()).await;
    }
}

/// Keeps so many orders open.
async fn keep_open(
    at_once: usize,
    orders: u64,
    sender: mpsc::Sender<Instant>,
    ledger: Arc<Ledger>,
) {
    for _ in 0..orders {
        ledger.room(at_once).await;
        let now = Instant::now();
        ledger.offered(now);
        if sender.send(now).await.is_err() {
            return;
        }
    }
}

/// Places what arrives, one after the other, over one connection.
async fn serve(
    mut connection: Connection,
    arrivals: Arc<Mutex<mpsc::Receiver<Instant>>>,
    dice: Arc<Dice>,
    ledger: Arc<Ledger>,
) {
    loop {
        let arrived = arrivals.lock().await.recv().await;
        let Some(intended) = arrived else { return };
        match connection.place(dice.draw()).await {
            Placed::Order(order) => ledger.placed(order, intended, Instant::now()),
            Placed::Refused(status) => ledger.refused(intended, status.as_u16()),
            Placed::Broken => ledger.broken(intended),
        }
    }
}
