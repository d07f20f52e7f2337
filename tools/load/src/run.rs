use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use contracts::Topics;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use crate::arrivals::Arrivals;
use crate::client::{Connection, Placed};
use crate::follow::Follower;
use crate::ledger::{Ledger, Phase};
use crate::mix::{Dice, Mix};

/// Arrivals that may wait for a free connection. More means that the fleet, or this generator, is
/// far beyond what it can do; those that come then count as broken.
const WAITING_MAX: usize = 100_000;
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// A running fleet.
#[derive(Debug, Clone)]
pub struct Target {
    /// The order service.
    pub order_url: String,
    /// The inventory service, to put something in stock.
    pub inventory_url: String,
    /// Kafka's brokers, to see orders end.
    pub kafka_brokers: String,
    /// The fleet's topics.
    pub topics: Topics,
}

/// What to put on a fleet.
#[derive(Debug, Clone)]
pub struct Load {
    /// When orders arrive.
    pub arrivals: Arrivals,
    /// What they are for.
    pub mix: Mix,
    /// Before measuring begins.
    pub warm_up: Duration,
    /// While measuring.
    pub duration: Duration,
    /// How long to wait at the end for orders under way.
    pub patience: Duration,
    /// Connections to the order service.
    pub connections: usize,
}

/// Puts the load on the fleet and tells what came of it. `progress` hears from time to time how
/// many orders of the stretch that is measured were offered, placed and ended, and how many are
/// under way.
pub async fn run(
    target: &Target,
    load: &Load,
    mut progress: impl FnMut(u64, u64, u64, usize),
) -> anyhow::Result<Phase> {
    let ledger = Arc::new(Ledger::default());
    let topic = target.topics.events("order");
    let follower = Follower::start(target.kafka_brokers.clone(), topic, ledger.clone())
        .await
        .context("cannot follow orders to their ends")?;
    let (sender, arrivals) = mpsc::channel(WAITING_MAX);
    let mut tasks = JoinSet::new();
    let arrivals = Arc::new(Mutex::new(arrivals));
    let dice = Arc::new(Dice::new(&load.mix)?);
    for _ in 0..load.connections {
        let connection = Connection::new(&target.order_url)?;
        tasks.spawn(serve(connection, arrivals.clone(), dice.clone(), ledger.clone()));
    }
    let schedule = tokio::spawn(schedule(load.arrivals, sender, ledger.clone()));

    sleep(load.warm_up).await;
    ledger.begin();
    let end = Instant::now() + load.duration;
    let mut tell = || {
        let (offered, placed, ended) = ledger.so_far();
        progress(offered, placed, ended, ledger.under_way());
    };
    while Instant::now() < end {
        sleep_until((Instant::now() + TELL_EVERY).min(end).into()).await;
        tell();
    }
    ledger.end();
    schedule.abort();
    let give_up = Instant::now() + load.patience;
    while ledger.unfinished() > 0 && Instant::now() < give_up {
        sleep(Duration::from_millis(20)).await;
    }
    tell();
    drop(follower);
    let offered_per_second = match load.arrivals {
        Arrivals::Even(rate) | Arrivals::Random(rate) => rate,
        Arrivals::Closed(_) => 0.0,
    };
    Ok(ledger.phase(offered_per_second))
}

/// Lets orders arrive, for ever. They arrive at their time, whatever has become of the others; when
/// this task is late, latency still counts from when they should have arrived.
async fn schedule(arrivals: Arrivals, sender: mpsc::Sender<Instant>, ledger: Arc<Ledger>) {
    if let Arrivals::Closed(at_once) = arrivals {
        return keep_open(at_once, sender, ledger).await;
    }
    let mut next = Instant::now();
    loop {
        while next <= Instant::now() {
            ledger.offered(next);
            if sender.try_send(next).is_err() {
                ledger.broken(next);
            }
            next += arrivals.interval().unwrap_or_default();
        }
        sleep_until(next.into()).await;
    }
}

/// Keeps so many orders open.
async fn keep_open(at_once: usize, sender: mpsc::Sender<Instant>, ledger: Arc<Ledger>) {
    loop {
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
