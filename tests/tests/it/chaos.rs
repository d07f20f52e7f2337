//! Everything that can break does, at random and under load, while somebody writes into the topics
//! who should not; afterwards the books must be sound.
//!
//! `CHAOS_SECONDS` says for how long, `CHAOS_SEED` repeats the faults of another run.

mod faults;
mod load;
mod outsider;
mod proxy;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, Instant};

use cli::{AuditOptions, audit};
use fastrand::Rng;
use stack::{Connections, Options, Part, Serve, Stack};
use testkit::Sandbox;
use tokio::time::{sleep, timeout};

use self::faults::Counts;
use self::load::{Load, Placed};
use self::outsider::Outsider;
use self::proxy::Proxy;
use crate::audit::{STRICT, targets};
use crate::books::Books;
use crate::test_fleet::TestFleet;

/// How long things break at least, unless it is said otherwise; each kind does once in any case.
const SECONDS: u64 = 45;
/// How long all may take beside the faults, at most.
const BESIDE: Duration = Duration::from_mins(8);
/// Longer than deadline, session timeout and all retries together.
const SETTLING: Duration = Duration::from_mins(3);

/// Short times, so that what follows a fault follows soon.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("ORDER_DEADLINE_S", "20"),
    ("KAFKA_SESSION_TIMEOUT_MS", "3000"),
    ("EFFECT_TIMEOUT_MS", "1000"),
    ("RETRY_BASE_MS", "50"),
    ("RETRY_CAP_MS", "2000"),
    ("GAP_GRACE_MS", "1000"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_in_chaos_keeps_its_books() {
    let seed = setting("CHAOS_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    let length = Duration::from_secs(setting("CHAOS_SECONDS").unwrap_or(SECONDS));
    println!("chaos for {length:?}; CHAOS_SEED={seed} has the same faults");
    let remains = Remains::of(seed);
    let stage = Box::pin(Stage::set(&remains)).await;
    timeout(length + BESIDE, play(&stage, seed, length)).await.expect("it comes to an end");
}

fn setting<T: FromStr<Err: std::fmt::Debug>>(name: &str) -> Option<T> {
    env::var(name).ok().map(|text| text.parse().expect(name))
}

async fn play(stage: &Stage, seed: u64, length: Duration) {
    let mut rng = Rng::with_seed(seed);
    let load = Load::start(stage.fleet.api("order"));
    let began = Instant::now();
    let until = began + length;
    let outsider = Outsider::new(stage.outside.clone(), stage.stack.kafka_brokers());
    let (of_services, of_stack, of_lines, of_data, outsider) = tokio::join!(
        faults::of_services(stage, &load, rng.fork(), until),
        faults::of_stack(stage, rng.fork(), until),
        faults::of_lines(stage, rng.fork(), until),
        faults::of_data(stage, rng.fork(), until),
        outsider.go_about(rng.fork(), until),
    );
    let faults = [of_services, of_stack, of_lines, of_data, outsider.counts.clone()];
    stage.services().for_each(faults::assert_runs);
    let placed = load.stop().await;
    let took = began.elapsed();
    let books = stage.until_at_rest(&placed, &outsider).await;
    let settled = began.elapsed().checked_sub(took).unwrap_or_default();
    report(&faults, &placed, &books);
    println!("{took:>8.1?} of faults, {settled:.1?} until all was at rest, CHAOS_SEED={seed}");

    let options = AuditOptions { allow_dead_letters: true, allow_pending_effects: true, ..STRICT };
    let audit = audit(&targets(&stage.outside), &options).await.unwrap();
    // What the outsider says of orders that never were is rightly found wrong.
    let of_strangers =
        |line: &String| outsider.strangers.iter().any(|order| line.contains(&order.to_string()));
    let mut found = [audit.violations(), audit.not_at_rest()].concat();
    found.retain(|line| !of_strangers(line));
    assert_eq!(found, [""; 0], "the operator's audit");

    let lost = placed.acknowledged.iter().filter(|order| !books.knows(**order)).count();
    assert_eq!(lost, 0, "acknowledged orders are lost");
    let dead = outsider::dead_letters(&stage.outside).await;
    let again: usize = dead.values().map(|copies| copies - 1).sum();
    let (expected, found) = (outsider.expected().await, dead.into_keys().collect());
    println!("{:>8} dead letters; {again} came again after a fault", expected.len());
    let difference: Vec<_> = BTreeSet::symmetric_difference(&expected, &found).collect();
    assert!(
        difference.is_empty(),
        "dead letters that are only expected or only found: {difference:#?}"
    );
}

/// What was done, and what became of the orders.
fn report(faults: &[Counts], placed: &Placed, books: &Books) {
    for (what, count) in faults.iter().flatten() {
        println!("{count:>8} × {what}");
    }
    for (outcome, count) in books.summary() {
        println!("{count:>8} orders {outcome}");
    }
    let Placed { acknowledged, repeated, cancelled, unanswered, .. } = placed;
    println!("{:>8} orders acknowledged", acknowledged.len());
    println!("{repeated:>8} requests repeated, {unanswered} not answered, {cancelled} cancels");
}

/// A fleet, and all that can be done to it.
struct Stage {
    fleet: TestFleet,
    /// The same corner, but without the lines that break.
    outside: Sandbox,
    to_postgres: Proxy,
    to_kafka: Proxy,
    to_registry: Proxy,
    stack: Stack,
}

impl Stage {
    async fn set(remains: &Remains) -> Self {
        let [mut to_postgres, mut to_kafka, mut to_registry] =
            [Proxy::open().await, Proxy::open().await, Proxy::open().await];
        let stack = Stack::start(Options {
            quiet: true,
            data: Some(remains.directory.clone()),
            kafka: Serve::Behind(to_kafka.port()),
            rebalance_delay: true,
            ..Options::default()
        });
        let stack = stack.await.unwrap();
        to_postgres.lead_to(stack.postgres.port());
        to_kafka.lead_to(stack.kafka.port());
        to_registry.lead_to(stack.registry.port());
        let direct = stack.connections();
        let lines = Connections {
            kafka_brokers: through(&direct.kafka_brokers, &stack.kafka, &to_kafka),
            schema_registry_url: through(
                &direct.schema_registry_url,
                &stack.registry,
                &to_registry,
            ),
            postgres_server: through(&direct.postgres_server, &stack.postgres, &to_postgres),
            directory: direct.directory.clone(),
        };
        let sandbox = Sandbox::on(lines);
        let outside = Sandbox { stack: direct, ..sandbox.clone() };
        let fleet = TestFleet::start(sandbox, &ENVIRONMENT).await;
        fleet.sell("plenty", 1_000_000).await;
        fleet.sell("scarce", 100).await;
        Self { fleet, outside, to_postgres, to_kafka, to_registry, stack }
    }

    fn services(&self) -> impl Iterator<Item = &Part> {
        self.fleet.fleet.services().map(|(_, part)| part)
    }

    /// The books once nothing is in flight, and sound.
    async fn until_at_rest(&self, placed: &Placed, outsider: &Outsider) -> Books {
        let began = Instant::now();
        loop {
            self.services().for_each(faults::assert_runs);
            let books = Books::open(&self.outside).await.without(&outsider.strangers);
            let violations = books.violations();
            if books.at_rest(&placed.unknowable) && violations.is_empty() {
                return books;
            }
            let in_flight = books.in_flight(&placed.unknowable);
            assert!(began.elapsed() < SETTLING, "in flight: {in_flight:#?}; {violations:#?}");
            sleep(Duration::from_secs(1)).await;
        }
    }
}

/// An address, by way of the proxy.
fn through(address: &str, part: &Part, proxy: &Proxy) -> String {
    address.replace(&format!(":{}", part.port()), &format!(":{}", proxy.port()))
}

/// Where data and logs lie. They stay when the test fails.
struct Remains {
    directory: PathBuf,
}

impl Remains {
    fn of(seed: u64) -> Self {
        Self { directory: env::temp_dir().join(format!("chaos-{seed}-{}", std::process::id())) }
    }
}

impl Drop for Remains {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("data and logs are in {}", self.directory.display());
        } else {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}
