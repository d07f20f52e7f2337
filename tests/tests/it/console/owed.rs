//! What is missing, what is done again, and whether everything adds up: shown, and seen to by who may.

use reqwest::Method;
use serde_json::json;
use testkit::Sandbox;
use testkit::http::{Answer, order, send};
use uuid::Uuid;

use super::{Console, attributes, form};
use crate::test_fleet::{TestFleet, fresh};

async fn post(console: &Console, path: &str, fields: &[(&str, &str)]) -> Answer {
    send(console.request(Method::POST, path).body(form(fields))).await
}

#[tokio::test]
async fn a_lost_event_goes_off_the_list_by_who_may_and_says_why() {
    let fleet = TestFleet::start(Sandbox::new(), &[]).await;
    let console = Console::with(&fleet, &["--user-header", "x-user", "--operators", "ada"]).await;
    let (ada, bob) = (console.seen_by("ada"), console.seen_by("bob"));
    bob.until_says("/gaps", "No event is missing.").await;
    let order = Uuid::now_v7();
    let payment = Sandbox::pool(&fleet.sandbox.database_url("payment"));
    let insert = "INSERT INTO gaps (saga, source, sequence, partition, verdict)
                VALUES ($1, '/inventory', 2, 0, 'lost')";
    sqlx::query(insert).bind(order).execute(&payment).await.unwrap();
    let page = bob.until_says("/gaps", &order.to_string()).await;
    assert!(page.body.contains("1 event is missing, and lost."), "{}", page.body);
    let mut links = attributes(&page.body, " href=\"").map(|href| href.replace("&#38;", "&"));
    let link = links.find(|href| href.starts_with("/gaps/acknowledge?")).unwrap();
    let asked = bob.page(&link).await;
    assert!(asked.body.contains("disabled") && asked.body.contains("role operator"));
    assert!(!ada.page(&link).await.body.contains("disabled"));

    let (order, operation) = (order.to_string(), Uuid::now_v7().to_string());
    let fields = |sequence: &'static str, operation: &'static str, reason: &'static str| {
        [
            ("source", "/inventory"),
            ("sequence", sequence),
            ("operation", operation),
            ("reason", reason),
        ]
    };
    let send_by = async |console: &Console, of: [(&str, &str); 4]| {
        post(console, "/gaps/acknowledge", &[&[("order", &*order)], &of[..]].concat()).await
    };
    let operation: &'static str = operation.leak();
    let good = fields("2", operation, "refunded by hand");
    assert_eq!(send_by(&bob, good).await.status, 403);
    let silent = send_by(&ada, fields("2", operation, " ")).await;
    assert!(silent.status == 422 && silent.body.contains("Say what was done"), "{}", silent.body);
    assert_eq!(send_by(&ada, fields("0", operation, "odd")).await.status, 400);
    let (log, _) = fleet.tool(&["dlq", "log", "--json"]).await;
    assert!(!log.contains("acknowledge"), "what is refused is not noted: {log}");

    // One and the same form is taken once.
    for _ in 0..2 {
        assert!(send_by(&ada, good).await.status < 400);
    }
    let path = format!("/operations/{operation}");
    ada.until_says(&path, "it is off the list").await;
    ada.until_says("/gaps", "No event is missing.").await;
    let log: serde_json::Value =
        serde_json::from_str(&fleet.tool(&["dlq", "log", "--json"]).await.0).unwrap();
    let log = log.to_string();
    assert_eq!(log.matches("\"acknowledge\"").count(), 1, "{log}");
    assert!(log.contains("\"ada\"") && log.contains("refunded by hand"), "{log}");
    assert!(fleet.tool(&["gaps"]).await.0.contains("No event is missing."));

    // What nobody misses is not noted.
    let other: &'static str = Uuid::now_v7().to_string().leak();
    assert!(send_by(&ada, fields("7", other, "odd")).await.status < 400);
    ada.until_says(&format!("/operations/{other}"), "nothing is done").await;
}

#[tokio::test]
async fn open_calls_are_told_one_by_one_and_the_books_when_somebody_asks() {
    let fleet = TestFleet::start(Sandbox::new(), &[]).await;
    let console = Console::with(&fleet, &["--user-header", "x-user", "--operators", "ada"]).await;
    let (ada, bob) = (console.seen_by("ada"), console.seen_by("bob"));
    let sku = fresh("sku");
    fleet.sell(&sku, 10).await;
    let good = fleet.place(&fresh("good"), &order(&sku, 1)).await;
    assert_eq!(fleet.settled(good).await["status"], "completed");
    let mut hanging = order(&sku, 1);
    hanging["payment_method"] = json!("pm_sim_down");
    let hanging = fleet.place(&fresh("hanging"), &hanging).await;
    let calls = bob.until_says("/calls", &hanging.to_string()).await;
    assert!(calls.body.contains("charge") && !calls.body.contains(&good.to_string()));
    let open = bob.request(Method::GET, "/calls.json");
    let open = send(open).await.expect(200);
    assert_eq!(open["open"]["calls"][0]["order_id"], json!(hanging), "{open}");

    assert!(bob.page("/audit").await.body.contains("Nobody has audited"));
    assert!(bob.page("/audit/now").await.body.contains("role operator"));
    assert_eq!(post(&bob, "/audit/now", &[]).await.status, 403);
    assert!(bob.page("/audit").await.body.contains("Nobody has audited"));
    assert!(post(&ada, "/audit/now", &[]).await.status < 400);
    bob.until_says("/audit", "What always must hold does").await;
    let report = send(bob.request(Method::GET, "/audit.json")).await.expect(200);
    assert_eq!(report["report"]["orders"]["completed"], json!(2), "{report}");

    // Somebody edits a row.
    let database = Sandbox::pool(&fleet.sandbox.database_url("order"));
    let edit = "UPDATE orders SET emitted = emitted - 1 WHERE saga = $1";
    sqlx::query(edit).bind(good).execute(&database).await.unwrap();
    assert!(post(&ada, "/audit/now", &[]).await.status < 400);
    let wrong = bob.until_says("/audit", "not what always must").await;
    assert!(wrong.body.contains(&good.to_string()), "{}", wrong.body);
}
