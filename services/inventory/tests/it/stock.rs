//! The stock by its API.

use std::time::Duration;

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::http::{Answer, Api, send};
use testkit::{Part, Sandbox, api};
use tokio::sync::OnceCell;
use uuid::Uuid;

/// The service that all tests here share.
async fn service() -> Api {
    static SERVICE: OnceCell<Part> = OnceCell::const_new();
    let service = SERVICE.get_or_init(|| async {
        let sandbox = Sandbox::new();
        sandbox.prepare_fleet().await;
        let service = sandbox.service("inventory", 1, &[]).await;
        service.start().await.unwrap();
        service
    });
    api(service.await)
}

/// A text that no other test has.
fn fresh(what: &str) -> String {
    format!("{what}-{}", Uuid::new_v4().simple())
}

/// A SKU with so many pieces on hand, and its path.
async fn stocked(api: &Api, on_hand: i64) -> String {
    let path = format!("/stock/{}", fresh("sku"));
    api.put(&path, &json!({"on_hand": on_hand})).await.expect(200);
    path
}

async fn adjust(api: &Api, path: &str, key: &str, body: Value) -> Answer {
    let request = api.request(Method::POST, &format!("{path}/adjustments"));
    send(request.header("idempotency-key", key).json(&body)).await
}

#[tokio::test]
async fn an_adjustment_is_made_once() {
    let api = service().await;
    let path = stocked(&api, 100).await;
    let key = fresh("key");
    let first = adjust(&api, &path, &key, json!({"delta": -3})).await;
    assert_eq!(first.expect(200)["available"], 97);
    assert_eq!(first.header("idempotent-replayed"), None);
    adjust(&api, &path, &fresh("key"), json!({"delta": 10})).await.expect(200);

    for same in [key.clone(), format!("\"{key}\"")] {
        let again = adjust(&api, &path, &same, json!({"delta": -3})).await;
        assert_eq!((again.status, &again.body), (200, &first.body), "as it was then");
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
    }
    let other = stocked(&api, 100).await;
    for (path, delta) in [(&path, -4), (&other, -3)] {
        let reused = adjust(&api, path, &key, json!({"delta": delta})).await;
        reused.problem(422, "idempotency-key-reused");
    }
    assert_eq!(api.get(&path).await.expect(200)["available"], 107);
}

#[tokio::test]
async fn of_many_at_once_each_counts_once() {
    let api = service().await;
    let path = stocked(&api, 100).await;
    let keys: Vec<String> = (0..10).map(|_| fresh("key")).collect();
    let requests =
        keys.iter().chain(&keys).map(|key| adjust(&api, &path, key, json!({"delta": -5})));
    for answer in join_all(requests).await {
        answer.expect(200);
    }
    assert_eq!(api.get(&path).await.expect(200)["available"], 50);
}

#[tokio::test]
async fn what_cannot_be_adjusted_stays_as_it_is() {
    let api = service().await;
    let path = stocked(&api, 5).await;
    let key = fresh("key");
    adjust(&api, &path, &key, json!({"delta": -6})).await.problem(409, "stock-short");
    adjust(&api, &path, &key, json!({"delta": 1_000_000_000_000_i64}))
        .await
        .problem(409, "stock-full");
    for bad in [
        json!({}),
        json!([1]),
        json!({"delta": 1.5}),
        json!({"delta": i64::MAX}),
        json!({"delta": 1, "x": 1}),
    ] {
        adjust(&api, &path, &key, bad).await.problem(422, "validation");
    }
    let unknown = format!("/stock/{}", fresh("sku"));
    adjust(&api, &unknown, &key, json!({"delta": 1})).await.problem(404, "not-found");
    let keyless =
        api.request(Method::POST, &format!("{path}/adjustments")).json(&json!({"delta": 1}));
    send(keyless).await.problem(400, "idempotency-key-missing");
    assert_eq!(api.get(&path).await.expect(200)["available"], 5);
    // What was refused leaves the key free.
    adjust(&api, &path, &key, json!({"delta": -5})).await.expect(200);
}

#[tokio::test]
async fn only_the_stock_that_was_seen_is_counted_over() {
    let api = service().await;
    let path = stocked(&api, 100).await;
    let seen = api.get(&path).await;
    let tag = seen.header("etag").unwrap().to_owned();
    let put = |name: &'static str, value: String, on_hand: i64| {
        send(api.request(Method::PUT, &path).header(name, value).json(&json!({"on_hand": on_hand})))
    };
    adjust(&api, &path, &fresh("key"), json!({"delta": -3})).await.expect(200);
    put("if-match", tag.clone(), 100).await.problem(412, "precondition-failed");
    put("if-none-match", "*".to_owned(), 100).await.problem(412, "precondition-failed");
    let now = api.get(&path).await;
    let counted = put("if-match", now.header("etag").unwrap().to_owned(), 95).await;
    assert_eq!(counted.expect(200)["available"], 95);
    let there = api.get(&path).await;
    assert_eq!((counted.header("etag"), &counted.body), (there.header("etag"), &there.body));

    let new = format!("/stock/{}", fresh("sku"));
    let put_new = |name: &'static str| {
        send(api.request(Method::PUT, &new).header(name, "*").json(&json!({"on_hand": 7})))
    };
    put_new("if-match").await.problem(412, "precondition-failed");
    assert_eq!(put_new("if-none-match").await.expect(200)["available"], 7);
    put_new("if-none-match").await.problem(412, "precondition-failed");

    let unchanged = api.request(Method::GET, &new).header("if-none-match", "*");
    let unchanged = tokio::time::timeout(Duration::from_secs(20), send(unchanged)).await.unwrap();
    assert_eq!((unchanged.status, unchanged.body.as_str()), (304, ""));
}

#[tokio::test]
async fn bodies_are_objects_and_skus_are_skus() {
    let api = service().await;
    api.put("/stock/x", &json!([5])).await.problem(422, "validation");
    for path in ["/stock/a%20b", "/stock/%FF", "/reservations/42"] {
        api.get(path).await.problem(400, "bad-request");
    }
}
