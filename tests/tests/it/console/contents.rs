//! What events and letters say, and to whom: nothing personal on any page, unless somebody who may has asked
//! for it, which is noted.

use std::ops::ControlFlow;

use cli::record::hex;
use kafka::{Bounds, scan, windows};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::http::{Answer, order, send};
use testkit::raw::{RawRecord, publish};
use testkit::{Sandbox, eventually};
use uuid::Uuid;

use super::{Console, UNTIL_LOOKED, attributes, every_page, form};
use crate::test_fleet::{TestFleet, fresh, shared};

/// Parts of the recipient: a name, an e-mail and a street; in lower case.
const CANARIES: [&str; 2] = ["quetzal", "wrenhouse"];

fn has_canary(text: &str) -> bool {
    let text = text.to_lowercase();
    // Bytes may be shown as they are.
    let mut words =
        CANARIES.iter().flat_map(|word| [(*word).to_owned(), hex(&word.as_bytes()[1..])]);
    words.any(|word| text.contains(&word))
}

#[track_caller]
fn is_silent(path: &str, page: &Answer) {
    assert!(!has_canary(&page.body), "{path} says {}", page.body);
}

/// An order whose recipient would be known again.
async fn placed(fleet: &TestFleet) -> Uuid {
    let sku = fresh("sku");
    fleet.sell(&sku, 10).await;
    let mut placed = order(&sku, 1);
    placed["recipient"]["name"] = json!("Quetzal Wrenhouse");
    placed["recipient"]["email"] = json!("quetzal@wrenhouse.example");
    placed["recipient"]["street"] = json!("7 Quetzal Row");
    let id = fleet.place(&fresh("canary"), &placed).await;
    assert_eq!(fleet.settled(id).await["status"], "completed");
    id
}

/// What the topics have of an order's first event.
fn first_event(fleet: &TestFleet, id: Uuid) -> RawRecord {
    let (brokers, topic) =
        (&fleet.sandbox.stack.kafka_brokers, fleet.sandbox.topics.events("order"));
    let mut found = None;
    let windows = windows(brokers, &[topic], Bounds::Everything).unwrap();
    scan(brokers, &windows, |record| {
        let key = record.key.map(<[u8]>::to_vec);
        if key.as_deref() != Some(id.to_string().as_bytes()) {
            return ControlFlow::Continue(());
        }
        let headers = record.headers.iter().flatten();
        found = Some(RawRecord {
            topic: record.topic.to_owned(),
            partition: record.partition,
            key,
            payload: record.payload.map(<[u8]>::to_vec),
            headers: headers
                .map(|(name, value)| (name.as_bytes().to_vec(), value.map(<[u8]>::to_vec)))
                .collect(),
        });
        ControlFlow::Break(())
    })
    .unwrap();
    found.expect("the order's first event is in the topic")
}

/// Letters that hold the recipient wherever they can: as bytes that nothing reads, in headers, in errors with
/// quotation marks and without, and in an event as it was written.
async fn letters(fleet: &TestFleet, id: Uuid) {
    let brokers = &fleet.sandbox.stack.kafka_brokers;
    let poison = RawRecord {
        topic: fleet.sandbox.topics.events("shipping"),
        partition: 0,
        key: Some(Uuid::now_v7().to_string().into_bytes()),
        payload: Some(b"Quetzal Wrenhouse, 7 Quetzal Row".to_vec()),
        headers: [
            ("ce_type", "ShipmentCreated"),
            ("ce_id", "Quetzal Row"),
            ("Quetzal !", "wrenhouse"),
        ]
        .map(|(name, value)| (name.as_bytes().to_vec(), Some(value.as_bytes().to_vec())))
        .to_vec(),
    };
    publish(brokers, &poison).await.unwrap();
    let mut letter = first_event(fleet, id);
    letter.topic = fleet.sandbox.topics.dead_letters("payment");
    let errors = json!([
        "invalid type: string \"Quetzal Wrenhouse\", expected u32",
        "it panicked: no street for Quetzal",
        "the carrier does not know 7 Quetzal Row of quetzal@wrenhouse.example",
    ]);
    let history = json!([{"dead_letter": "payment/0/0", "errors": ["not for Wrenhouse"],
        "attempts": 5, "redriven_by": "ada", "redriven_at": "2026-01-02T03:04:05Z", "reason": null}]);
    let group = fleet.sandbox.topics.group("payment");
    for (name, value) in [
        ("farandole_dead_errors", errors.to_string()),
        ("farandole_dead_history", history.to_string()),
        ("farandole_dead_attempts", "3".to_owned()),
        ("farandole_dead_source_topic", fleet.sandbox.topics.events("order")),
        ("farandole_dead_source_partition", letter.partition.to_string()),
        ("farandole_dead_source_offset", "0".to_owned()),
        ("farandole_dead_group", group),
        ("farandole_dead_first_failed_at", "2026-01-02T03:04:05Z".to_owned()),
        ("farandole_dead_last_failed_at", "2026-01-02T03:04:05Z".to_owned()),
    ] {
        letter.set_header(name, Some(&value));
    }
    publish(brokers, &letter).await.unwrap();
}

/// The ids of letters, once there are some of these services.
async fn letters_of(console: &Console, services: &[&str]) -> Vec<String> {
    eventually("the letters are told of", UNTIL_LOOKED, async || {
        let letters = console.page("/dead-letters.json").await.expect(200);
        let ids = letters["letters"].as_array()?.iter();
        let ids: Vec<String> = ids.map(|it| it["letter"].as_str().unwrap().to_owned()).collect();
        let of = |service: &&str| ids.iter().find(|id| id.starts_with(&format!("{service}/")));
        services.iter().map(|service| of(service).cloned()).collect()
    })
    .await
}

/// The page of the order's first event.
async fn event_of(console: &Console, id: Uuid) -> String {
    let page = console.page(&format!("/orders/{id}")).await;
    let before = format!("/orders/{id}/events/order/");
    let links: Vec<&str> = attributes(&page.body, " href=\"").collect();
    let found = links.iter().find(|link| link.starts_with(&before));
    (*found.unwrap_or_else(|| panic!("{}", page.body))).to_owned()
}

/// Asks for what is personal, as a browser does.
async fn ask(console: &Console, path: &str, reason: &str, more: &[(&str, &str)]) -> Answer {
    let request = console.request(Method::POST, path).body(form(&[("reason", reason)]));
    send(more.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

/// What the log has of what was revealed.
async fn revealed(fleet: &TestFleet) -> Vec<Value> {
    let log = fleet.tool_does(&["dlq", "log", "--json"]).await;
    let Value::Array(all) = serde_json::from_str(&log).unwrap() else { panic!("{log}") };
    all.into_iter().filter(|it| it["kind"] == "reveal").collect()
}

const BY_PROXY: [&str; 6] = ["--user-header", "x-user", "--operators", "ada", "--privacy", "eve"];

#[tokio::test]
async fn nothing_personal_is_on_any_page() {
    let fleet = TestFleet::start(Sandbox::new(), &[("RETRY_BASE_MS", "50")]).await;
    let id = placed(&fleet).await;
    letters(&fleet, id).await;
    let masked = Console::with(&fleet, &BY_PROXY).await.seen_by("bob");
    let open = letters_of(&masked, &["inventory", "payment"]).await;
    masked.until_says("/orders", &id.to_string()).await;
    let event = event_of(&masked, id).await;
    let page = masked.page(&event).await;
    for expected in ["recipient", "(redacted)", "customer_id", "c-42", "order.events-farandole"] {
        assert!(page.body.contains(expected), "{expected}: {}", page.body);
    }
    for user in ["bob", "ada"] {
        let console = masked.seen_by(user);
        let pages = every_page(&console, &is_silent).await;
        for path in [&event, &format!("/dead-letters/{}", open[0]), &format!("{event}.json")] {
            assert!(pages.contains(path), "{path} of {pages:?}");
        }
    }
    let poison = masked.page(&format!("/dead-letters/{}", open[0])).await;
    assert!(poison.body.contains("32 bytes, and cannot be read"), "{}", poison.body);
    let letter = masked.page(&format!("/dead-letters/{}", open[1])).await;
    for expected in ["the carrier does not know", "Rounds before", "2026-01-02 03:04:05"] {
        assert!(letter.body.contains(expected), "{expected}: {}", letter.body);
    }

    let none = Console::with(&fleet, &["--payloads", "none"]).await;
    letters_of(&none, &["inventory", "payment"]).await;
    none.until_says("/orders", &id.to_string()).await;
    every_page(&none, &is_silent).await;
    let page = none.page(&event).await;
    assert!(page.body.contains("CONSOLE_PAYLOADS") && !page.body.contains("c-42"), "{}", page.body);
    assert_eq!(ask(&none, &event, "to see", &[]).await.status, 403);

    let full = Console::with(&fleet, &["--payloads", "full"]).await;
    letters_of(&full, &["inventory", "payment"]).await;
    for path in
        [&event, &format!("/dead-letters/{}", open[0]), &format!("/dead-letters/{}", open[1])]
    {
        for path in [path.clone(), format!("{path}.json")] {
            assert!(has_canary(&full.page(&path).await.body), "{path}");
        }
    }
    assert_eq!(revealed(&fleet).await, [Value::Null; 0]);
}

#[tokio::test]
async fn what_is_personal_is_shown_once_to_who_may_see_it_and_says_why() {
    let fleet = TestFleet::start(Sandbox::new(), &[("RETRY_BASE_MS", "50")]).await;
    let id = placed(&fleet).await;
    letters(&fleet, id).await;
    let console = Console::with(&fleet, &BY_PROXY).await.seen_by("eve");
    let letters = letters_of(&console, &["inventory", "payment"]).await;
    let event = event_of(&console, id).await;
    let letters = letters.iter().map(|id| format!("/dead-letters/{id}"));
    let all: Vec<String> = std::iter::once(event).chain(letters).collect();

    for path in &all {
        for user in ["bob", "ada"] {
            let refused = ask(&console.seen_by(user), path, "to see", &[]).await;
            assert_eq!(refused.status, 403, "{user}");
            is_silent(path, &refused);
            let page = console.seen_by(user).page(path).await;
            assert!(page.body.contains("role privacy"), "{}", page.body);
        }
        let foreign = ask(&console, path, "to see", &[("sec-fetch-site", "cross-site")]).await;
        assert_eq!(foreign.status, 403);
        let no_reason = ask(&console, path, "  ", &[]).await;
        assert!(
            no_reason.status == 422 && no_reason.body.contains("Say why"),
            "{}",
            no_reason.body
        );
        is_silent(path, &no_reason);
    }
    assert_eq!(revealed(&fleet).await, [Value::Null; 0], "what is refused is not noted as done");

    for (count, path) in all.iter().enumerate() {
        let own = [("sec-fetch-site", "same-origin")];
        let shown = ask(&console, path, "the parcel came back", &own).await;
        assert!(shown.status == 200 && has_canary(&shown.body), "{}", shown.body);
        assert_eq!(shown.headers["cache-control"], "no-store");
        is_silent(path, &console.page(path).await);
        let noted = revealed(&fleet).await;
        assert_eq!(noted.len(), count + 1, "{noted:?}");
        let last = noted.last().unwrap();
        assert_eq!([&last["by"], &last["reason"]], ["eve", "the parcel came back"]);
        let what = last["asked_for"].as_str().unwrap();
        assert!(path.ends_with(what) || what.contains(&id.to_string()), "{what} of {path}");
        assert!(!has_canary(&last.to_string()), "{last}");
    }
    let page = console.until_says("/operations", "the parcel came back").await;
    assert!(page.body.contains("reveal") && page.body.contains("eve"), "{}", page.body);
}

#[tokio::test]
async fn what_cannot_be_noted_is_not_shown() {
    let fleet = shared().await;
    let id = placed(fleet).await;
    // Here there is no log of operations.
    let bare = Sandbox::new();
    bare.create_topics(&["order"], 1).await;
    let mut event = first_event(fleet, id);
    (event.topic, event.partition) = (bare.topics.events("order"), 0);
    let offset = publish(&bare.stack.kafka_brokers, &event).await.unwrap();
    let settings = [&BY_PROXY[..], &["--topic-prefix", &bare.prefix]].concat();
    let console = Console::with(fleet, &settings).await.seen_by("eve");
    let path = format!("/orders/{id}/events/order/0/{offset}");
    let masked = console.page(&path).await;
    assert!(masked.status == 200 && masked.body.contains("(redacted)"), "{}", masked.body);
    let refused = ask(&console, &path, "to see", &[]).await;
    assert!(refused.status == 503 && refused.body.contains("not be noted"), "{}", refused.body);
    is_silent(&path, &refused);
    let other = format!("/orders/{}/events/order/0/{offset}", Uuid::now_v7());
    assert_eq!(console.page(&other).await.status, 404, "it is about another order");
}
