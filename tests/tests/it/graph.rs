//! What a fleet says to each other is what it declares, and what others read is told.

use std::time::Duration;

use serde_json::{Value, json};
use stack::fleet::SERVICES;
use testkit::http::order;
use testkit::{Sandbox, eventually};

use crate::test_fleet::{PATIENCE, TestFleet, fresh};

/// What is seen of the fleet and is not as declared: rules and what they are about.
async fn differences(fleet: &TestFleet) -> Vec<Value> {
    let urls = SERVICES.map(|it| [format!("--{it}-url"), fleet.fleet.url(it)]);
    let words = ["graph", "--json", "--observed", "--running"].into_iter();
    let words: Vec<&str> = words.chain(urls.iter().flatten().map(String::as_str)).collect();
    let (text, code) = fleet.tool(&words).await;
    assert_eq!(code, 0, "{text}");
    // What the tool remarks beside it comes after it.
    let mut whole = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    let whole = whole.next().unwrap().unwrap();
    assert_eq!(whole["findings"], json!([]));
    assert!(whole["nodes"][0]["version"].is_string(), "running services say their versions");
    let all = whole["observed"]["differences"].as_array().unwrap();
    all.iter().filter(|it| it["verdict"] == "wrong").cloned().collect()
}

#[tokio::test]
async fn a_fleet_dances_as_it_declares_however_orders_end() {
    let environment = [("ORDER_DEADLINE_S", "3"), ("RETRY_BASE_MS", "50")];
    let fleet = TestFleet::start(Sandbox::new(), &environment).await;
    let sku = fresh("sku");
    fleet.sell(&sku, 10).await;
    let mut declined = order(&sku, 1);
    declined["payment_method"] = json!("pm_card_visa_chargeDeclined");
    let mut not_served = order(&sku, 1);
    not_served["recipient"]["country"] = json!("XX");
    let mut too_late = order(&sku, 1);
    too_late["payment_method"] = json!("pm_sim_down");
    for (wanted, reason) in [
        (order(&sku, 1), None),
        (order(&sku, 11), Some("out_of_stock")),
        (declined, Some("payment_failed")),
        (not_served, Some("shipment_failed")),
        (too_late, Some("timed_out")),
    ] {
        let id = fleet.place(&fresh("order"), &wanted).await;
        assert_eq!(fleet.settled(id).await["cancel_reason"].as_str(), reason);
    }
    eventually("nothing differs", PATIENCE, async || {
        let found = differences(&fleet).await;
        if !found.is_empty() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        found.is_empty().then_some(())
    })
    .await;
}
