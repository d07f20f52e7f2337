//! Every way an order can go, by HTTP alone: where all services end up, and exactly which
//! facts they told each other.

use std::collections::{BTreeMap, HashMap};

use kafka::ReadEvent;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::Sandbox;
use testkit::http::{order, send};
use uuid::Uuid;

use crate::test_fleet::{TestFleet, fresh, shared};

/// Plays an order for two pieces of a SKU that has `pieces` on hand, and checks how it ends.
async fn play(name: &str, pieces: u32, change: impl FnOnce(&mut Value), expected: Value) -> Uuid {
    let (fleet, sku) = (shared().await, fresh(name));
    fleet.sell(&sku, pieces).await;
    let mut body = order(&sku, 2);
    change(&mut body);
    let id = fleet.place(&sku, &body).await;
    fleet.until_account(id, &sku, &expected).await;
    assert_well_told(&fleet.events_of(id).await, &sku);
    id
}

fn completed() -> Value {
    json!({
        "order": "completed",
        "reservation": "shipped",
        "payment": "charged",
        "shipment": "created",
        "messages": ["confirmed: sent", "completed: sent"],
        "stock": [8, 0, 2],
        "events": {
            "order": ["OrderPlaced", "OrderConfirmed", "OrderCompleted"],
            "inventory": ["StockReserved"],
            "payment": ["PaymentCharged"],
            "shipping": ["ShipmentCreated"],
            "notification": ["CustomerNotified", "CustomerNotified"],
        },
    })
}

/// An order that was cancelled while its payment was pending.
fn cancelled_unpaid(reason: &str, payment: &str) -> Value {
    json!({
        "order": reason,
        "reservation": "released",
        "payment": payment,
        "shipment": "void",
        "messages": ["cancelled: sent"],
        "stock": [10, 0, 0],
        "events": {
            "order": ["OrderPlaced", "OrderCancelled"],
            "inventory": ["StockReserved", "StockReleased"],
            "notification": ["CustomerNotified"],
        },
    })
}

#[tokio::test]
async fn completed_and_then_too_late_to_cancel() {
    let id = play("completed", 10, |_| {}, completed()).await;
    let fleet = shared().await;
    let late = fleet.api("order").post(&format!("/orders/{id}/cancel")).await;
    assert_eq!(late.problem(409, "too-late-to-cancel")["order_status"], "completed");
}

#[tokio::test]
async fn out_of_stock() {
    let mut expected = unreserved();
    expected["stock"] = json!([1, 0, 0]);
    play("short", 1, |_| {}, expected).await;
}

#[tokio::test]
async fn not_known_to_the_stock() {
    play("unknown", 0, |_| {}, unreserved()).await;
}

fn unreserved() -> Value {
    json!({
        "order": "out_of_stock",
        "reservation": "rejected",
        "payment": "void",
        "shipment": "void",
        "messages": ["cancelled: sent"],
        "stock": [null, null, null],
        "events": {
            "order": ["OrderPlaced", "OrderCancelled"],
            "inventory": ["StockReservationFailed"],
            "notification": ["CustomerNotified"],
        },
    })
}

#[tokio::test]
async fn the_card_is_declined() {
    let mut expected = cancelled_unpaid("payment_failed", "failed");
    expected["events"]["payment"] = json!(["PaymentFailed"]);
    let declined = |order: &mut Value| {
        order["payment_method"] = json!("pm_card_visa_chargeDeclined");
    };
    play("declined", 10, declined, expected).await;
}

#[tokio::test]
async fn the_carrier_refuses() {
    let refused = |order: &mut Value| order["recipient"]["country"] = json!("XX");
    let expected = json!({
        "order": "shipment_failed",
        "reservation": "released",
        "payment": "refunded",
        "shipment": "failed",
        "messages": ["confirmed: sent", "cancelled: sent"],
        "stock": [10, 0, 0],
        "events": {
            "order": ["OrderPlaced", "OrderConfirmed", "OrderCancelled"],
            "inventory": ["StockReserved", "StockReleased"],
            "payment": ["PaymentCharged", "PaymentRefunded"],
            "shipping": ["ShipmentFailed"],
            "notification": ["CustomerNotified", "CustomerNotified"],
        },
    });
    play("refused", 10, refused, expected).await;
}

#[tokio::test]
async fn the_deadline_passes() {
    // The provider never answers: the charge is followed for ever, since it might have happened.
    let down = |order: &mut Value| order["payment_method"] = json!("pm_sim_down");
    play("late", 10, down, cancelled_unpaid("timed_out", "charging")).await;
}

#[tokio::test]
async fn the_provider_is_flaky() {
    let flaky = |order: &mut Value| order["payment_method"] = json!("pm_sim_flaky");
    play("flaky", 10, flaky, completed()).await;
}

#[tokio::test]
async fn the_customer_cannot_be_reached() {
    let mut expected = completed();
    expected["messages"] = json!(["confirmed: failed", "completed: failed"]);
    expected["events"]["notification"] = json!(["NotificationFailed", "NotificationFailed"]);
    let unreachable = |order: &mut Value| {
        order["recipient"]["email"] = json!("undeliverable@example.org");
    };
    play("unreachable", 10, unreachable, expected).await;
}

#[tokio::test]
async fn the_customer_cancels_while_the_provider_is_down() {
    let fleet = shared().await;
    let mut order = order("", 2);
    order["payment_method"] = json!("pm_sim_down");
    let expected = cancelled_unpaid("customer_request", "charging");
    cancel_while_charging(fleet, order, &expected).await;
}

#[tokio::test]
async fn the_customer_cancels_and_the_charge_succeeds_all_the_same() {
    let slow = [("SIM_PAYMENT_LATENCY_MS", "3000"), ("ORDER_DEADLINE_S", "60")];
    let fleet = TestFleet::start(Sandbox::new(), &slow).await;
    let mut expected = cancelled_unpaid("customer_request", "refunded");
    expected["events"]["payment"] = json!(["PaymentCharged", "PaymentRefunded"]);
    cancel_while_charging(&fleet, order("", 2), &expected).await;
}

async fn cancel_while_charging(fleet: &TestFleet, mut order: Value, expected: &Value) {
    let sku = fresh("cancelled");
    fleet.sell(&sku, 10).await;
    order["lines"][0]["sku"] = json!(sku);
    let id = fleet.place(&sku, &order).await;
    fleet.until_status("payment", &format!("/payments/{id}"), "charging").await;
    let cancel = fleet.api("order").request(Method::POST, &format!("/orders/{id}/cancel"));
    let cancelled = send(cancel.header("x-correlation-id", &sku)).await.expect(200);
    assert_eq!(cancelled["cancel_reason"], "customer_request");
    fleet.until_account(id, &sku, expected).await;
    assert_well_told(&fleet.events_of(id).await, &sku);
}

/// The envelopes of an order's events fit together: numbered without gaps, all of one request,
/// each caused by another one or by what a customer asked for.
fn assert_well_told(events: &[ReadEvent], correlation: &str) {
    let mut sequences = BTreeMap::<&str, Vec<u32>>::new();
    let by_id: HashMap<String, &ReadEvent> =
        events.iter().map(|event| (event.envelope.id.to_string(), event)).collect();
    assert_eq!(by_id.len(), events.len(), "an event was published twice");
    for event in events {
        let envelope = &event.envelope;
        sequences.entry(&envelope.source).or_default().push(envelope.sequence);
        assert_eq!(envelope.correlation_id, correlation, "{}", envelope.event_type);
        assert!(envelope.traceparent.is_some(), "{}", envelope.event_type);
        assert_eq!(event.payload["order_id"], envelope.saga.to_string());
        let root = root_of(event, &by_id);
        let by_request = root.payload["reason"] == "customer_request";
        assert!(root.envelope.event_type == "OrderPlaced" || by_request, "{root:?}");
    }
    for (source, numbers) in sequences {
        assert!(numbers.iter().copied().eq(1..=u32::try_from(numbers.len()).unwrap()), "{source}");
    }
}

/// The first event in the chain of causes that led to this one.
fn root_of<'e>(event: &'e ReadEvent, by_id: &HashMap<String, &'e ReadEvent>) -> &'e ReadEvent {
    let mut root = event;
    for _ in 0..=by_id.len() {
        match by_id.get(&root.envelope.causation_id) {
            Some(cause) => root = cause,
            None => return root,
        }
    }
    panic!("the causes of {event:?} go round in circles");
}
