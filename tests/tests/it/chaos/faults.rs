//! What breaks, and how.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::time::{Duration, Instant};

use fastrand::Rng;
use stack::Part;
use stack::fleet::{SERVICES, instance};
use testkit::Sandbox;
use tokio::time::{sleep, timeout};

use super::load::Load;
use super::proxy::{Proxy, Weather};
use super::{ENVIRONMENT, Stage};

/// How long something stays broken, in milliseconds: some times shorter than what anybody notices,
/// and some times longer than Kafka waits for a member of a group.
const BROKEN_MS: Range<u64> = 200..5_000;
/// How long all is well between two faults of a kind.
const WELL_MS: Range<u64> = 200..2_000;
/// How long a second instance may take to get ready; what it needs may be away.
const JOIN_LIMIT: Duration = Duration::from_secs(10);

/// How many times each thing was done.
pub(crate) type Counts = BTreeMap<String, usize>;

/// Does each of these once, in random order, and then again until the time has come.
pub(crate) async fn deal<K: Copy>(
    mut rng: Rng,
    until: Instant,
    kinds: &[(&str, K)],
    mut strike: impl AsyncFnMut(K, &mut Rng) -> bool,
) -> Counts {
    let mut counts = Counts::new();
    for round in 0.. {
        let mut deck = kinds.to_vec();
        rng.shuffle(&mut deck);
        for (name, kind) in deck {
            a_while(&mut rng, WELL_MS).await;
            if round > 0 && Instant::now() >= until {
                return counts;
            }
            if strike(kind, &mut rng).await {
                *counts.entry(name.to_owned()).or_default() += 1;
            }
        }
    }
    counts
}

/// Mostly nearer to the shorter end.
async fn a_while(rng: &mut Rng, milliseconds: Range<u64>) {
    let longest = rng.u64(milliseconds.clone());
    sleep(Duration::from_millis(rng.u64(milliseconds.start..=longest))).await;
}

#[derive(Debug, Clone, Copy)]
enum OfService {
    Kill,
    Restart,
    Freeze,
    Double,
    FailOutside,
}

const OF_SERVICES: [(&str, OfService); 5] = [
    ("service killed", OfService::Kill),
    ("service restarted", OfService::Restart),
    ("service frozen", OfService::Freeze),
    ("second instance joins and leaves", OfService::Double),
    ("provider slow and failing", OfService::FailOutside),
];

/// Who calls outside, and the settings that make it hard.
const OUTSIDE: [(&str, &str, &str); 3] = [
    ("payment", "SIM_PAYMENT_LATENCY_MS", "SIM_PAYMENT_ERROR_PERCENT"),
    ("shipping", "SIM_CARRIER_LATENCY_MS", "SIM_CARRIER_ERROR_PERCENT"),
    ("notification", "SIM_MAIL_LATENCY_MS", "SIM_MAIL_ERROR_PERCENT"),
];

/// Services break, one at a time.
pub(crate) async fn of_services(stage: &Stage, load: &Load, rng: Rng, until: Instant) -> Counts {
    deal(rng, until, &OF_SERVICES, async |how, rng| {
        stage.services().for_each(assert_runs);
        let service = SERVICES[rng.usize(..SERVICES.len())];
        let part = stage.fleet.fleet.service(service);
        match how {
            OfService::Kill => {
                part.kill().await;
                a_while(rng, BROKEN_MS).await;
                part.start_without_waiting().unwrap();
            }
            OfService::Restart => {
                part.stop().await;
                part.start_without_waiting().unwrap();
            }
            OfService::Freeze => freeze(part, rng).await,
            OfService::Double => double(stage, load, service, rng).await,
            OfService::FailOutside => fail_outside(stage, rng).await,
        }
        true
    })
    .await
}

/// Nothing that happens to a service is a reason to end.
pub(crate) fn assert_runs(part: &Part) {
    let runs = !part.pids().is_empty();
    let log = if runs { String::new() } else { fs::read_to_string(part.log().unwrap()).unwrap() };
    let last = log.lines().next_back().unwrap_or_default();
    assert!(runs, "{} has ended by itself: {last}", part.name());
}

async fn freeze(part: &Part, rng: &mut Rng) {
    part.pause();
    a_while(rng, BROKEN_MS).await;
    part.resume();
}

async fn double(stage: &Stage, load: &Load, service: &'static str, rng: &mut Rng) {
    let sandbox = &stage.fleet.sandbox;
    let second = instance(&sandbox.stack, &sandbox.fleet(&ENVIRONMENT), service, 2, None).unwrap();
    // What it needs may be away for longer; whether it lives is looked at below.
    let _ = timeout(JOIN_LIMIT, second.start()).await;
    if service == "order" {
        load.with_instance(testkit::api(&second));
    }
    a_while(rng, BROKEN_MS).await;
    assert_runs(&second);
    if rng.bool() {
        second.stop().await;
    }
    second.kill().await;
    load.without_instance();
}

async fn fail_outside(stage: &Stage, rng: &mut Rng) {
    let (service, latency, errors) = OUTSIDE[rng.usize(..OUTSIDE.len())];
    let (healthy, sandbox) = (stage.fleet.fleet.service(service), &stage.fleet.sandbox);
    // About as long as a call may take.
    let (milliseconds, percent) = (rng.u64(0..1_200).to_string(), rng.u8(20..=100).to_string());
    let trouble = [(latency, milliseconds.as_str()), (errors, percent.as_str())];
    let options = sandbox.fleet(&[&ENVIRONMENT[..], &trouble].concat());
    healthy.stop().await;
    let port = Some(healthy.port());
    let troubled = instance(&sandbox.stack, &options, service, 1, port).unwrap();
    troubled.start_without_waiting().unwrap();
    a_while(rng, BROKEN_MS).await;
    assert_runs(&troubled);
    troubled.stop().await;
    healthy.start_without_waiting().unwrap();
}

#[derive(Debug, Clone, Copy)]
enum OfPart {
    Kill,
    Restart,
    Freeze,
}

type Find<T> = fn(&Stage) -> &T;

const POSTGRES: Find<Part> = |stage| &stage.stack.postgres;
const KAFKA: Find<Part> = |stage| &stage.stack.kafka;
const REGISTRY: Find<Part> = |stage| &stage.stack.registry;

const OF_STACK: [(&str, (Find<Part>, OfPart)); 7] = [
    ("Postgres killed", (POSTGRES, OfPart::Kill)),
    ("Postgres restarted", (POSTGRES, OfPart::Restart)),
    ("Postgres frozen", (POSTGRES, OfPart::Freeze)),
    ("Kafka killed", (KAFKA, OfPart::Kill)),
    ("Kafka restarted", (KAFKA, OfPart::Restart)),
    ("Kafka frozen", (KAFKA, OfPart::Freeze)),
    ("registry killed", (REGISTRY, OfPart::Kill)),
];

/// What the services need breaks, one part at a time.
pub(crate) async fn of_stack(stage: &Stage, rng: Rng, until: Instant) -> Counts {
    deal(rng, until, &OF_STACK, async |(part, how), rng| {
        let part = part(stage);
        match how {
            OfPart::Kill => {
                part.kill().await;
                a_while(rng, BROKEN_MS).await;
                part.start().await.unwrap();
            }
            OfPart::Restart => {
                part.stop().await;
                part.start().await.unwrap();
            }
            OfPart::Freeze => freeze(part, rng).await,
        }
        true
    })
    .await
}

const TO_POSTGRES: Find<Proxy> = |stage| &stage.to_postgres;
const TO_KAFKA: Find<Proxy> = |stage| &stage.to_kafka;
const TO_REGISTRY: Find<Proxy> = |stage| &stage.to_registry;
const SLOW: Weather = Weather::Slow(Duration::from_millis(50));

const OF_LINES: [(&str, (Find<Proxy>, Weather)); 10] = [
    ("Postgres vanished", (TO_POSTGRES, Weather::Lost)),
    ("Kafka vanished", (TO_KAFKA, Weather::Lost)),
    ("line to Postgres cut", (TO_POSTGRES, Weather::Cut)),
    ("line to Postgres slow", (TO_POSTGRES, SLOW)),
    ("line to Postgres silent", (TO_POSTGRES, Weather::Silent)),
    ("line to Kafka cut", (TO_KAFKA, Weather::Cut)),
    ("line to Kafka slow", (TO_KAFKA, SLOW)),
    ("line to Kafka silent", (TO_KAFKA, Weather::Silent)),
    ("line to registry cut", (TO_REGISTRY, Weather::Cut)),
    ("line to registry silent", (TO_REGISTRY, Weather::Silent)),
];

/// The connections between them break, one line at a time.
pub(crate) async fn of_lines(stage: &Stage, rng: Rng, until: Instant) -> Counts {
    deal(rng, until, &OF_LINES, async |(line, weather), rng| {
        line(stage).set(weather);
        a_while(rng, BROKEN_MS).await;
        line(stage).set(Weather::Calm);
        true
    })
    .await
}

#[derive(Debug, Clone, Copy)]
enum OfData {
    /// A topic of events is set so, and to Kafka's defaults afterwards.
    Set(&'static str, &'static str),
    /// Somebody holds a lock on this table in a service's database.
    Lock(&'static str, &'static str),
}

const OF_DATA: [(&str, OfData); 4] = [
    ("events refused", OfData::Set("max.message.bytes", "300")),
    ("topic compressed by Kafka", OfData::Set("compression.type", "zstd")),
    ("stock locked", OfData::Lock("inventory", "stock")),
    ("payments locked", OfData::Lock("payment", "payments")),
];

/// Operators do what they should not, one at a time.
pub(crate) async fn of_data(stage: &Stage, rng: Rng, until: Instant) -> Counts {
    deal(rng, until, &OF_DATA, async |what, rng| {
        let sandbox = &stage.outside;
        match what {
            OfData::Set(name, value) => {
                let topic = sandbox.topics.events(SERVICES[rng.usize(..SERVICES.len())]);
                sandbox.set_topic(&topic, name, value).await;
                a_while(rng, BROKEN_MS).await;
                sandbox.set_topic(&topic, "cleanup.policy", "delete").await;
                true
            }
            OfData::Lock(service, table) => {
                let pool = Sandbox::pool(&sandbox.database_url(service));
                // Postgres may be away.
                let Ok(mut held) = pool.begin().await else { return false };
                let lock = sqlx::AssertSqlSafe(format!("LOCK TABLE {table}"));
                let locked = sqlx::raw_sql(lock).execute(&mut *held).await.is_ok();
                a_while(rng, BROKEN_MS).await;
                locked
            }
        }
    })
    .await
}
