//! A deadline counts what was said in time, not what was heard in time.

use std::time::Duration;

use serde_json::json;
use stack::fleet::instance;
use testkit::http::{Api, order};
use testkit::{Sandbox, eventually};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use crate::test_fleet::{PATIENCE, TestFleet, fresh};

const DEADLINE: Duration = Duration::from_secs(15);
const ORDERS: usize = 12;
/// Longer than the deadline, and then the service needs to start and to look for deadlines a few times.
const SESSION_MS: &str = "32000";

/// The order service comes back after the deadline under another name, so that Kafka waits for the
/// old one and gives it nothing to read for a while.
#[tokio::test]
async fn an_order_that_was_paid_for_in_time_is_confirmed_however_late_that_is_heard() {
    let environment = [("ORDER_DEADLINE_S", "15"), ("KAFKA_SESSION_TIMEOUT_MS", SESSION_MS)];
    let fleet = TestFleet::start(Sandbox::new(), &environment).await;
    fleet.sell("plenty", 1_000).await;
    // Nothing is paid for before the order service is gone, and that has told of every order.
    fleet.fleet.service("payment").pause();
    let first = Instant::now();
    let keys: Vec<String> = (0..ORDERS).map(|_| fresh("late")).collect();
    let body = order("plenty", 1);
    let placing = keys.iter().map(|key| fleet.place(key, &body));
    // One of them is not paid for, and times out all the same.
    let mut unpaid = body.clone();
    unpaid["payment_method"] = json!("pm_sim_down");
    let unpaid = fleet.place(&fresh("unpaid"), &unpaid).await;
    let paid: Vec<Uuid> = futures::future::join_all(placing).await;
    let passed = Instant::now() + DEADLINE;
    let database = Sandbox::pool(&fleet.sandbox.database_url("order"));
    eventually("all that was placed is published", PATIENCE, async || {
        let counting = sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(&database);
        let waiting: i64 = counting.await.unwrap();
        (waiting == 0).then_some(())
    })
    .await;
    fleet.fleet.service("order").kill().await;
    fleet.fleet.service("payment").resume();
    for order in &paid {
        fleet.until_status("payment", &format!("/payments/{order}"), "charged").await;
    }
    assert!(
        first.elapsed() < DEADLINE,
        "they are charged in time, not after {:?}",
        first.elapsed()
    );
    sleep_until(passed + Duration::from_secs(1)).await;

    let options = fleet.sandbox.fleet(&environment);
    let successor = instance(&fleet.sandbox.stack, &options, "order", 2, None).unwrap();
    // It says that it is ready when the old one's session is over.
    successor.start().await.unwrap();
    let api = Api::new(format!("http://127.0.0.1:{}", successor.port()));
    let settled = |order: Uuid| {
        let api = &api;
        async move {
            let path = format!("/orders/{order}");
            eventually(&path, PATIENCE, async || {
                let order = api.get(&path).await.expect(200);
                let is_terminal = order["status"] == "completed" || order["status"] == "cancelled";
                is_terminal.then_some(order)
            })
            .await
        }
    };
    for order in paid {
        assert_eq!(settled(order).await["status"], "completed");
    }
    assert_eq!(settled(unpaid).await["cancel_reason"], "timed_out");
    successor.stop().await;
}
