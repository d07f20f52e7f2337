//! Wherever a service's process dies, the next one goes on, also if that one dies there, too:
//! every point, in every service that gets there, at the first and at the second try.

use std::collections::HashSet;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use cli::audit;
use contracts::Declared;
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use stack::fleet::instance;
use testkit::Sandbox;
use testkit::http::{order, try_send};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::audit::{STRICT, targets};
use crate::books::Books;
use crate::test_fleet::{PATIENCE, TestFleet, fresh};

type Holds = fn(&Declared) -> bool;

/// Where a process can die, and of which services it holds that they get there.
const POINTS: [(&str, Holds); 7] = [
    ("before-transaction", |_| true),
    ("after-commit", |_| true),
    ("before-offsets", |_| true),
    ("after-publish", |_| true),
    ("after-intent", calls_outside),
    ("after-answer", calls_outside),
    ("placing-before-answer", |service| service.begins.is_some()),
];
/// What was being done is begun again at the next start, and dies there again.
const DEATHS: usize = 2;

/// Fleets that die at the same time, each at another point; most of it is waiting.
const LANES: usize = 3;

const ENVIRONMENT: [(&str, &str); 4] = [
    ("ORDER_DEADLINE_S", "120"),
    ("KAFKA_SESSION_TIMEOUT_MS", "6000"),
    ("RETRY_BASE_MS", "50"),
    ("GAP_GRACE_MS", "1000"),
];

#[tokio::test]
async fn a_service_may_die_at_any_point_twice() {
    let lanes = (0..LANES).map(|lane| async move {
        let fleet = TestFleet::start(Sandbox::new(), &ENVIRONMENT).await;
        fleet.sell("plenty", 1_000).await;
        fleet.sell("none", 0).await;
        for (point, gets_there) in POINTS.iter().skip(lane).step_by(LANES) {
            let there = declarations::fleet().services().iter().filter(|it| gets_there(it));
            let services: Vec<&str> = there.map(|it| it.service.as_str()).collect();
            die_everywhere(&fleet, point, &services).await;
        }
        let report = audit(&targets(&fleet.sandbox), &STRICT).await.unwrap();
        assert_eq!((report.violations(), report.not_at_rest()), (vec![], vec![]));
    });
    join_all(lanes).await;
}

fn calls_outside(service: &Declared) -> bool {
    service.statuses.iter().any(|status| !status.calls.is_empty())
}

/// All the services die at the point when their turn comes, while customers order and insist.
async fn die_everywhere(fleet: &TestFleet, point: &str, services: &[&'static str]) {
    assert!(!services.is_empty(), "nobody gets to {point}");
    let before = Books::open(&fleet.sandbox).await.orders();
    for service in services {
        fleet.fleet.service(service).kill().await;
    }
    let dying = services.iter().map(|service| die_and_live(fleet, service, point));
    let wishes = wishes();
    let customers = wishes.iter().map(|wish| insist(fleet, wish));
    let (_, placed) = tokio::join!(join_all(dying), join_all(customers));
    let placed = HashSet::from_iter(placed);
    let books = until_at_rest(fleet, &placed, point).await;
    assert_eq!(books.violations(), [""; 0], "{point}");
    assert_eq!(placed.len(), wishes.len(), "{point}: each wish has an order");
    assert_eq!(books.orders(), before + wishes.len(), "{point}: and only one");
}

/// Starts a service again and again, to die at the point; then for good.
async fn die_and_live(fleet: &TestFleet, service: &'static str, point: &str) {
    let healthy = fleet.fleet.service(service);
    let environment = [&ENVIRONMENT[..], &[("CRASH_AT", point)]].concat();
    let doomed = fleet.sandbox.fleet(&environment);
    for death in 1..=DEATHS {
        let part =
            instance(&fleet.sandbox.stack, &doomed, service, 1, Some(healthy.port())).unwrap();
        part.start_without_waiting().unwrap();
        let ended = timeout(PATIENCE, part.until_ended()).await.unwrap_or_else(|_| {
            panic!(
                "{service} does not die at {point} (death {death}); if it knows no such points, \
                 `cargo build --workspace --all-targets` makes it"
            )
        });
        assert_eq!(ended.unwrap().signal(), Some(ABORTED), "{service} at {point}: {ended:?}");
        let log = fs::read_to_string(part.log().unwrap()).unwrap();
        let said = log.matches(&format!("crashing at {point}, ")).count();
        assert_eq!(said, death, "{service} tells where it dies");
    }
    healthy.start().await.unwrap();
}

/// SIGABRT.
const ABORTED: i32 = 6;

/// Orders of all outcomes.
fn wishes() -> [Value; 6] {
    let wish = |change: fn(&mut Value)| {
        let mut body = order("plenty", 2);
        change(&mut body);
        body
    };
    [
        wish(|_| {}),
        wish(|order| order["payment_method"] = json!("pm_sim_flaky")),
        wish(|order| order["payment_method"] = json!("pm_card_visa_chargeDeclined")),
        wish(|order| order["recipient"]["country"] = json!("XX")),
        wish(|order| order["recipient"]["email"] = json!("undeliverable@example.org")),
        wish(|order| order["lines"][0]["sku"] = json!("none")),
    ]
}

/// Sends an order until it is acknowledged, as a customer with an idempotency key may.
async fn insist(fleet: &TestFleet, wish: &Value) -> Uuid {
    let (api, key, began) = (fleet.api("order"), fresh("wish"), Instant::now());
    loop {
        let request = api.request(Method::POST, "/orders").header("idempotency-key", &key);
        let answer = try_send(request.timeout(Duration::from_secs(5)).json(wish)).await;
        if let Some(answer) = answer.ok().filter(|answer| answer.status == 201) {
            return answer.expect(201)["order_id"].as_str().unwrap().parse().unwrap();
        }
        assert!(began.elapsed() < PATIENCE, "{key} is never acknowledged");
        sleep(Duration::from_millis(50)).await;
    }
}

/// The books once nothing is in flight.
async fn until_at_rest(fleet: &TestFleet, placed: &HashSet<Uuid>, point: &str) -> Books {
    let began = Instant::now();
    loop {
        let books = Books::open(&fleet.sandbox).await;
        if books.at_rest(&HashSet::new()) && placed.iter().all(|order| books.knows(*order)) {
            return books;
        }
        let in_flight = books.in_flight(&HashSet::new());
        assert!(began.elapsed() < PATIENCE, "{point}: in flight: {in_flight:#?}");
        sleep(Duration::from_millis(100)).await;
    }
}
