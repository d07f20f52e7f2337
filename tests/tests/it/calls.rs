//! What becomes of calls to the outside that go wrong for long, and what an operator can do about
//! it, on a fleet as it is.

use std::collections::BTreeMap;

use cli::audit_at_rest;
use contracts::{Encoder, Envelope};
use futures::future::join_all;
use kafka::{Publisher, Registry};
use order::events::OrderId;
use serde_json::{Value, json};
use stack::Part;
use testkit::http::order;
use testkit::schemas::order_placed;
use testkit::{Sandbox, api, eventually};
use uuid::Uuid;

use crate::audit::{STRICT, targets};
use crate::test_fleet::{PATIENCE, TestFleet, fresh};

/// Tries that follow quickly, so that a test sees many.
const HASTE: [(&str, &str); 3] =
    [("RETRY_BASE_MS", "20"), ("RETRY_CAP_MS", "200"), ("ORDER_DEADLINE_S", "60")];

async fn fleet(environment: &[(&str, &str)]) -> TestFleet {
    TestFleet::start(Sandbox::new(), &[&HASTE[..], environment].concat()).await
}

/// An order to France, which is completed, or one that the carrier refuses.
fn to(sku: &str, country: &str) -> Value {
    let mut order = order(sku, 1);
    order["recipient"]["country"] = json!(country);
    order
}

/// The notification service starts anew, with a mail server that answers.
async fn mend_mail_server(fleet: &TestFleet) -> Part {
    fleet.fleet.service("notification").stop().await;
    let environment = [&HASTE[..], &[("SIM_MAIL_ERROR_PERCENT", "0")]].concat();
    let notification = fleet.sandbox.service("notification", 1, &environment).await;
    notification.start().await.unwrap();
    notification
}

/// What the customer of each order was told, in the order in which it was.
async fn told(fleet: &TestFleet) -> BTreeMap<Uuid, Vec<String>> {
    let mut told: BTreeMap<Uuid, Vec<(u32, String)>> = BTreeMap::new();
    for event in fleet.sandbox.events().await {
        if event.envelope.event_type == "CustomerNotified" {
            let outcome = event.payload["outcome"].as_str().unwrap().to_owned();
            let (order, sequence) = (event.envelope.saga.0, event.envelope.sequence);
            told.entry(order).or_default().push((sequence, outcome));
        }
    }
    let in_order = |mut told: Vec<(u32, String)>| {
        told.sort_unstable();
        told.into_iter().map(|(_, outcome)| outcome).collect()
    };
    told.into_iter().map(|(order, told)| (order, in_order(told))).collect()
}

async fn until_told(fleet: &TestFleet, orders: &[Uuid], last: &str) -> Vec<Vec<String>> {
    eventually(&format!("all hear of {last}"), PATIENCE, async || {
        let told = told(fleet).await;
        let heard = orders.iter().map(|order| told.get(order).cloned().unwrap_or_default());
        let heard: Vec<Vec<String>> = heard.collect();
        heard.iter().all(|told| told.last().is_some_and(|it| it == last)).then_some(heard)
    })
    .await
}

async fn assert_all_adds_up(fleet: &TestFleet) {
    let report = audit_at_rest(&targets(&fleet.sandbox), &STRICT, PATIENCE, |_| {}).await.unwrap();
    assert!(report.violations().is_empty() && report.not_at_rest().is_empty(), "{report}");
}

async fn place(fleet: &TestFleet, body: &Value) -> Uuid {
    fleet.place(&fresh("call"), body).await
}

#[tokio::test]
async fn customers_hear_in_order_however_often_mails_fail() {
    let fleet = fleet(&[("SIM_MAIL_ERROR_PERCENT", "50")]).await;
    let sku = fresh("ordered");
    fleet.sell(&sku, 1_000).await;
    let bodies = [to(&sku, "FR"), to(&sku, "XX")];
    let placed = async |body: &Value| join_all((0..50).map(|_| place(&fleet, body))).await;
    let (completed, cancelled) = tokio::join!(placed(&bodies[0]), placed(&bodies[1]));
    for (orders, end) in [(completed, "completed"), (cancelled, "cancelled")] {
        for heard in until_told(&fleet, &orders, end).await {
            assert!(heard == ["confirmed", end] || heard == [end], "{heard:?}");
        }
    }
    assert_all_adds_up(&fleet).await;
}

#[tokio::test]
async fn customers_hear_when_the_mail_server_was_away_for_long() {
    let fleet = fleet(&[("SIM_MAIL_ERROR_PERCENT", "100")]).await;
    let sku = fresh("away");
    fleet.sell(&sku, 100).await;
    let orders = join_all((0..5).map(|_| async { place(&fleet, &to(&sku, "FR")).await })).await;
    for order in &orders {
        assert_eq!(fleet.settled(*order).await["status"], "completed");
    }
    let pool = Sandbox::pool(&fleet.sandbox.database_url("notification"));
    eventually("each mail was tried many times", PATIENCE, async || {
        let tried = "SELECT count(*) FROM effects WHERE attempts > 20";
        let tried: i64 = sqlx::query_scalar(tried).fetch_one(&pool).await.unwrap();
        (tried >= 5).then_some(())
    })
    .await;
    let (listed, code) = fleet.tool(&["calls", "list", "--step", "mail"]).await;
    assert_eq!(code, 1);
    assert!(listed.contains("mail-confirmed") && listed.contains("did not answer"), "{listed}");
    let _notification = mend_mail_server(&fleet).await;
    for heard in until_told(&fleet, &orders, "completed").await {
        assert_eq!(heard, ["confirmed", "completed"], "what was begun is finished first");
    }
    assert_all_adds_up(&fleet).await;
}

#[tokio::test]
async fn what_was_given_up_is_listed_and_sent_again() {
    let fleet = fleet(&[("SIM_MAIL_ERROR_PERCENT", "100"), ("MAIL_GIVE_UP_AFTER_S", "1")]).await;
    let sku = fresh("given-up");
    fleet.sell(&sku, 100).await;
    let order = place(&fleet, &to(&sku, "XX")).await;
    let path = format!("/notifications/{order}");
    let messages = async |api: &testkit::http::Api| {
        let messages = api.get(&path).await;
        if messages.status == 404 { Value::Null } else { messages.expect(200)["messages"].clone() }
    };
    let notification = fleet.api("notification");
    eventually("the cancellation is given up", PATIENCE, async || {
        let messages = messages(&notification).await;
        let cancelled = messages.as_array()?.iter().find(|it| it["outcome"] == "cancelled")?;
        (cancelled["status"] == "failed" && cancelled["reason"] == "mail_server_unavailable")
            .then_some(())
    })
    .await;
    let key = format!("{order}/mail-cancelled");
    let (listed, code) = fleet.tool(&["calls", "list", "--given-up"]).await;
    assert!(code == 1 && listed.contains(&key) && listed.contains("given up"), "{listed}");
    let shown = fleet.tool_does(&["calls", "show", &key]).await;
    assert!(shown.contains("the mail server did not answer"), "{shown}");
    assert!(!shown.contains("ada@") && !shown.contains("Ada"), "{shown}");
    let held = r#"farandole_effects_held{step="mail-cancelled",held="given_up"} 1"#;
    fleet.until_metric("notification", held).await;

    let mended = mend_mail_server(&fleet).await;
    let would =
        fleet.tool_does(&["calls", "retry", "--given-up", "--reason", "r", "--dry-run"]).await;
    assert!(would.contains("Would retry"), "{would}");
    let (nameless, code) = fleet.tool(&["calls", "retry", "--given-up", "--reason", " "]).await;
    assert!(code == 2 && nameless.contains("it must not be empty"), "{nameless}");
    let retry = ["calls", "retry", "--given-up", "--reason", "the mail server is back", "--yes"];
    let done = fleet.tool_does(&retry).await;
    assert!(done.contains("done."), "{done}");
    assert_eq!(until_told(&fleet, &[order], "cancelled").await, [["cancelled"]]);
    let after = messages(&api(&mended)).await;
    assert_eq!(after[0]["status"], "overtaken", "the confirmation is no news: {after}");
    fleet.tool_does(&["calls", "list"]).await;
    let shown = fleet.tool(&["calls", "show", &key]).await.0;
    assert!(shown.contains("retry by") && shown.contains("the mail server is back"), "{shown}");
    let log = fleet.tool_does(&["dlq", "log"]).await;
    assert!(log.contains("retry") && log.contains("the mail server is back"), "{log}");
    assert_all_adds_up(&fleet).await;
}

#[tokio::test]
async fn a_charge_that_is_never_answered_is_parked_and_settled() {
    let fleet = fleet(&[]).await;
    let sku = fresh("settled");
    fleet.sell(&sku, 100).await;
    let down = |mut body: Value| {
        body["payment_method"] = json!("pm_sim_down");
        body
    };
    let (paid, declined) =
        (place(&fleet, &down(to(&sku, "FR"))).await, place(&fleet, &down(to(&sku, "FR"))).await);
    for order in [paid, declined] {
        fleet.until_status("payment", &format!("/payments/{order}"), "charging").await;
    }
    let (paid_call, declined_call) = (format!("{paid}/charge"), format!("{declined}/charge"));
    let reason = ["--reason", "their line is dead, INC-7", "--by", "ada", "--yes"];
    fleet.tool_does(&[&["calls", "park", "--step", "charge"][..], &reason].concat()).await;
    let parked = r#"farandole_effects_held{step="charge",held="parked"} 2"#;
    fleet.until_metric("payment", parked).await;
    let metrics = fleet.api("payment").get("/metrics").await.body;
    let mut pending = metrics.lines().filter(|it| it.starts_with("farandole_effects_pending"));
    assert!(pending.all(|line| line.ends_with(" 0")), "{metrics}");
    let (listed, _) = fleet.tool(&["calls", "list", "--parked"]).await;
    assert!(listed.contains(&paid_call) && listed.contains("2 parked"), "{listed}");
    fleet.tool_does(&[&["calls", "unpark", &paid_call][..], &reason].concat()).await;

    let unfit = [&["calls", "settle", &paid_call, "--outcome", "shipped"][..], &reason].concat();
    let (refused, code) = fleet.tool(&unfit).await;
    assert!(code == 1 && refused.contains("charged --id CHARGE"), "{refused}");
    let settle = ["calls", "settle", &paid_call, "--outcome", "charged", "--id", "ch_by_phone"];
    fleet.tool_does(&[&settle[..], &reason].concat()).await;
    assert_eq!(fleet.settled(paid).await["status"], "completed");
    let payment = fleet.api("payment").get(&format!("/payments/{paid}")).await.expect(200);
    assert_eq!(payment["charge_id"], "ch_by_phone");
    let settle =
        ["calls", "settle", &declined_call, "--outcome", "declined", "--because", "never_made"];
    fleet.tool_does(&[&settle[..], &reason].concat()).await;
    assert_eq!(fleet.settled(declined).await["cancel_reason"], "payment_failed");
    let (late, code) = fleet.tool(&[&settle[..], &reason].concat()).await;
    assert!(code == 1 && late.contains("is not open"), "{late}");
    let shown = fleet.tool(&["calls", "show", &declined_call]).await.0;
    assert!(shown.contains("park by ada") && shown.contains("settle by ada"), "{shown}");
    assert_all_adds_up(&fleet).await;
}

#[tokio::test]
async fn a_decision_for_a_service_that_does_not_run_is_carried_out_when_it_starts() {
    let fleet = fleet(&[]).await;
    let sku = fresh("stopped");
    fleet.sell(&sku, 100).await;
    let mut body = to(&sku, "FR");
    body["payment_method"] = json!("pm_sim_down");
    let order = place(&fleet, &body).await;
    fleet.until_status("payment", &format!("/payments/{order}"), "charging").await;
    fleet.fleet.service("payment").stop().await;
    let call = format!("{order}/charge");
    let settle = ["calls", "settle", &call, "--outcome", "charged", "--id", "ch_1"];
    let (said, code) = fleet.tool(&[&settle[..], &["--reason", "r", "--yes"]].concat()).await;
    assert!(code == 1 && said.contains("no payment service runs"), "{said}");
    fleet.fleet.service("payment").start().await.unwrap();
    assert_eq!(fleet.settled(order).await["status"], "completed");
}

#[tokio::test]
async fn an_event_that_stays_missing_counts_as_lost_no_more() {
    let fleet = fleet(&[]).await;
    let order = Uuid::now_v7();
    let pool = Sandbox::pool(&fleet.sandbox.database_url("shipping"));
    let gap = "INSERT INTO gaps (saga, source, sequence, partition, verdict)
               VALUES ($1, '/order', 2, 0, 'lost')";
    sqlx::query(gap).bind(order).execute(&pool).await.unwrap();
    fleet.until_metric("shipping", r#"farandole_gaps{verdict="lost"} 1"#).await;
    let number = [&order.to_string(), "/order", "2"];
    let acknowledge = ["gaps", "acknowledge", number[0], number[1], number[2], "--reason", "r"];
    fleet.tool_does(&acknowledge).await;
    fleet.until_metric("shipping", r#"farandole_gaps{verdict="acknowledged"} 1"#).await;
    fleet.until_metric("shipping", r#"farandole_gaps{verdict="lost"} 0"#).await;
    fleet.tool_does(&["gaps"]).await;
}

/// Stock is reserved and a card charged for an order that the order service does not know.
#[tokio::test]
async fn an_order_that_was_never_placed_is_undone() {
    // What others say of it is tried for long, and absorbed in the end.
    let fleet = fleet(&[("RETRY_MAX_ATTEMPTS", "100")]).await;
    let sku = fresh("orphan");
    fleet.sell(&sku, 10).await;
    let orphan = OrderId(Uuid::now_v7());
    announce(&fleet.sandbox, orphan, &sku).await;
    fleet.until_status("payment", &format!("/payments/{orphan}"), "charged").await;
    let id = orphan.to_string();
    let (hint, code) = fleet.tool(&["orders", "stuck", "--order", &id]).await;
    assert!(code == 1 && hint.contains("farandole orders undo"), "{hint}");

    let undo = ["orders", "undo", &id, "--reason", "nobody placed it", "--yes"];
    fleet.tool_does(&undo).await;
    fleet.until_status("payment", &format!("/payments/{orphan}"), "refunded").await;
    fleet.until_status("inventory", &format!("/reservations/{orphan}"), "released").await;
    fleet.until_status("shipping", &format!("/shipments/{orphan}"), "void").await;
    assert_eq!(until_told(&fleet, &[orphan.0], "cancelled").await, [["cancelled"]]);
    assert_eq!(fleet.api("order").get(&format!("/orders/{orphan}")).await.status, 404);
    let (again, code) = fleet.tool(&undo).await;
    assert!(code == 1 && again.contains("it is cancelled"), "{again}");

    let placed = place(&fleet, &to(&sku, "FR")).await;
    let (known, code) = fleet.tool(&["orders", "undo", &placed.to_string(), "--reason", "r"]).await;
    assert!(code == 1 && known.contains("knows order"), "{known}");
    assert_eq!(fleet.settled(placed).await["status"], "completed");
    assert_all_adds_up(&fleet).await;
}

/// Somebody says that an order was placed.
async fn announce(sandbox: &Sandbox, order: OrderId, sku: &str) {
    let registry = Registry::new(&sandbox.stack.schema_registry_url.parse().unwrap()).unwrap();
    let subject = sandbox.topics.subject("order", "OrderPlaced");
    let latest = registry.latest(&subject).await.unwrap();
    let encoder = Encoder::new(latest.id, &latest.schema).unwrap();
    let placed = order_placed(&order, sku);
    let envelope = Envelope {
        id: Uuid::now_v7(),
        event_type: "OrderPlaced".to_owned(),
        source: "/order".to_owned(),
        saga: order,
        time: "2026-01-02T03:04:05Z".parse().unwrap(),
        sequence: 1,
        correlation_id: "c".to_owned(),
        causation_id: "r".to_owned(),
        traceparent: None,
    };
    let publisher = Publisher::new(&sandbox.stack.kafka_brokers).unwrap();
    let (key, payload) = (order.to_string(), encoder.encode(&placed).unwrap());
    let topic = sandbox.topics.events("order");
    publisher.publish(&topic, key.as_bytes(), &payload, &envelope.headers()).await.unwrap();
}
