//! Everything that can be killed or stopped is, under load; afterwards the books must be sound.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cli::{AuditOptions, audit_at_rest};
use reqwest::Method;
use serde_json::json;
use stack::fleet::SERVICES;
use stack::{Options, Part, Stack};
use testkit::World;
use testkit::http::{Api, order, try_send};
use tokio::sync::{Mutex, MutexGuard, OnceCell};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::audit::{STRICT, targets};
use crate::troupe::Troupe;

const ORDERS_PER_SECOND: u32 = 40;
/// A load that nobody stops ends after this time.
const LOAD_LIMIT: Duration = Duration::from_mins(1);
/// How long a part stays away.
const OUTAGE: Duration = Duration::from_secs(5);
/// Longer than deadline, session timeout and all retries together.
const SETTLING: Duration = Duration::from_secs(90);

/// Short times, so that what follows a fault follows soon.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("ORDER_DEADLINE_S", "8"),
    ("KAFKA_SESSION_TIMEOUT_MS", "3000"),
    ("EFFECT_TIMEOUT_MS", "1000"),
    ("RETRY_BASE_MS", "50"),
    ("RETRY_CAP_MS", "2000"),
];

/// A stack to break, which one test at a time may use.
async fn breakable() -> (&'static Stack, MutexGuard<'static, ()>) {
    static TURN: Mutex<()> = Mutex::const_new(());
    static STACK: OnceCell<Stack> = OnceCell::const_new();
    let turn = TURN.lock().await;
    let start = || Stack::start(Options { quiet: true, ..Options::default() });
    (STACK.get_or_try_init(start).await.unwrap(), turn)
}

#[tokio::test]
async fn each_service_is_killed_and_started_again() {
    let (stack, _turn) = breakable().await;
    let troupe = troupe(stack).await;
    let load = Load::start(&[troupe.api("order")]);
    for service in SERVICES {
        sleep(Duration::from_secs(1)).await;
        troupe.fleet.service(service).kill().await;
        troupe.fleet.service(service).start().await.unwrap();
    }
    load.assert_all_well(&troupe).await;
}

#[tokio::test]
async fn one_of_two_instances_is_killed() {
    let (stack, _turn) = breakable().await;
    let troupe = troupe(stack).await;
    let mut seconds = Vec::new();
    for service in SERVICES {
        let second = troupe.world.service(service, 2, &ENVIRONMENT).await;
        second.start().await.unwrap();
        seconds.push(second);
    }
    let load = Load::start(&[troupe.api("order"), testkit::api(&seconds[0])]);
    for (service, second) in SERVICES.into_iter().zip(&seconds) {
        sleep(Duration::from_secs(1)).await;
        // The first or the second: the group must do without either.
        let victim =
            if service.len().is_multiple_of(2) { second } else { troupe.fleet.service(service) };
        victim.kill().await;
    }
    sleep(OUTAGE).await;
    load.assert_all_well(&troupe).await;
}

#[tokio::test]
async fn postgres_is_away_for_a_while() {
    let (stack, _turn) = breakable().await;
    outage(stack, &stack.postgres).await;
}

#[tokio::test]
async fn kafka_is_away_for_a_while() {
    let (stack, _turn) = breakable().await;
    outage(stack, &stack.kafka).await;
}

async fn outage(stack: &Stack, part: &Part) {
    let troupe = troupe(stack).await;
    let load = Load::start(&[troupe.api("order")]);
    sleep(Duration::from_secs(2)).await;
    part.stop().await;
    sleep(OUTAGE).await;
    part.start().await.unwrap();
    sleep(Duration::from_secs(2)).await;
    load.assert_all_well(&troupe).await;
}

async fn troupe(stack: &Stack) -> Troupe {
    let troupe = Troupe::start(World::on(stack.connections()), &ENVIRONMENT).await;
    troupe.sell("plenty", 1_000_000).await;
    troupe.sell("scarce", 100).await;
    troupe
}

/// Orders of every kind at a steady rate, each sent until it is acknowledged, as a client with an
/// idempotency key may.
struct Load {
    stop: CancellationToken,
    placed: Arc<std::sync::Mutex<Placed>>,
    sending: tokio::task::JoinHandle<()>,
}

#[derive(Debug, Clone, Default)]
struct Placed {
    acknowledged: HashSet<Uuid>,
    /// Those that are paid with a provider that never answers.
    unknowable: HashSet<Uuid>,
    refused: usize,
}

impl Load {
    fn start(apis: &[Api]) -> Self {
        let (stop, placed) = (CancellationToken::new(), Arc::default());
        let sending = tokio::spawn(send_all(apis.to_vec(), stop.clone(), Arc::clone(&placed)));
        Self { stop, placed, sending }
    }

    /// Ends the load, waits until nothing is in flight, and audits the fleet.
    async fn assert_all_well(self, troupe: &Troupe) {
        self.stop.cancel();
        self.sending.await.unwrap();
        let placed = self.placed.lock().unwrap().clone();
        let began = Instant::now();
        let (targets, allowing) = (
            targets(&troupe.world),
            AuditOptions { allow_pending_effects: !placed.unknowable.is_empty(), ..STRICT },
        );
        let report = audit_at_rest(&targets, &allowing, SETTLING, |_| {}).await.unwrap();
        println!(
            "{} acknowledged, {} asked to come again; at rest after {:.1?}: {:?}",
            placed.acknowledged.len(),
            placed.refused,
            began.elapsed(),
            report.orders,
        );
        assert_eq!(report.violations(), [""; 0]);
        assert_eq!(report.not_at_rest(), [""; 0]);
        let known = orders(&troupe.world).await;
        let lost = placed.acknowledged.difference(&known).count();
        assert_eq!(lost, 0, "acknowledged orders are lost");
    }
}

/// All orders that there are.
async fn orders(world: &World) -> HashSet<Uuid> {
    let pool = World::pool(&world.database_url("order"));
    let database = pool.get().await.unwrap();
    let rows = database.query("SELECT order_id FROM orders", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn send_all(apis: Vec<Api>, stop: CancellationToken, placed: Arc<std::sync::Mutex<Placed>>) {
    let mut requests = JoinSet::new();
    let mut ticks = interval(Duration::from_secs(1) / ORDERS_PER_SECOND);
    let most = ORDERS_PER_SECOND * u32::try_from(LOAD_LIMIT.as_secs()).unwrap();
    for number in 0..most {
        if stop.run_until_cancelled(ticks.tick()).await.is_none() {
            break;
        }
        let api = apis[number as usize % apis.len()].clone();
        let other = apis[(number as usize + 1) % apis.len()].clone();
        requests.spawn(send_one(number, [api, other], Arc::clone(&placed)));
    }
    requests.join_all().await;
}

/// Sends one order until it is acknowledged, to one instance or the other.
async fn send_one(number: u32, apis: [Api; 2], placed: Arc<std::sync::Mutex<Placed>>) {
    let mut body = order("plenty", 1 + number % 3);
    match number % 40 {
        0 => body["payment_method"] = json!("pm_sim_down"),
        1..8 => body["payment_method"] = json!("pm_card_visa_chargeDeclined"),
        8..16 => body["payment_method"] = json!("pm_sim_flaky"),
        16..22 => body["recipient"]["country"] = json!("XX"),
        22..30 => body["lines"][0]["sku"] = json!("scarce"),
        _ => {}
    }
    let key = format!("order-{number}");
    let began = Instant::now();
    for api in apis.iter().cycle() {
        assert!(began.elapsed() < SETTLING, "order {number} is never acknowledged");
        let request = api.request(Method::POST, "/orders").header("idempotency-key", &key);
        let answer = try_send(request.timeout(Duration::from_secs(5)).json(&body)).await;
        let Some(answer) = answer.ok().filter(|answer| answer.status == 201) else {
            placed.lock().unwrap().refused += 1;
            sleep(Duration::from_millis(200)).await;
            continue;
        };
        let id = answer.expect(201)["order_id"].as_str().unwrap().parse().unwrap();
        let mut placed = placed.lock().unwrap();
        placed.acknowledged.insert(id);
        if number.is_multiple_of(40) {
            placed.unknowable.insert(id);
        }
        return;
    }
}
