//! The same request again, in every way it may come.

use futures::future::join_all;
use reqwest::Method;
use serde_json::json;
use testkit::http::{Answer, order, send};
use testkit::{Sandbox, api};

use super::{count, fresh, order_of, path_of, product, shop, stock_catalogue};

#[tokio::test]
async fn a_request_without_a_usable_key_is_refused() {
    let api = shop().await.api();
    let order = order("tea", 1);
    let keyless = send(api.request(Method::POST, "/orders").json(&order)).await;
    keyless.problem(400, "idempotency-key-missing");
    for key in ["", "two words", "cl\u{e9}", &"k".repeat(256)] {
        api.place(key, &order).await.problem(400, "bad-request");
    }
    let longest = format!("{:k<255}", fresh("key"));
    api.place(&longest, &order).await.expect(201);
}

#[tokio::test]
async fn a_key_in_quotes_is_the_same_key() {
    let api = shop().await.api();
    let (key, order) = (fresh("key"), order("tea", 1));
    let first = api.place(&format!("\"{key}\""), &order).await;
    first.expect(201);
    assert_same(&first, &api.place(&key, &order).await);
    for unquoted in ["\"", "\"\"", "\"a", "\"a\"b", "\"two words\""] {
        api.place(unquoted, &order).await.problem(400, "bad-request");
    }
}

#[tokio::test]
async fn the_same_request_gets_the_first_answer_byte_for_byte_also_when_the_order_moved_on() {
    let api = shop().await.api();
    let (key, order) = (fresh("key"), order("tea", 2));
    let first = api.place(&key, &order).await;
    let placed = first.expect(201);
    assert_eq!(first.header("idempotent-replayed"), None);
    let again = api.place(&key, &order).await;
    assert_same(&first, &again);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));

    api.put("/products/tea", &product(450, "EUR")).await.expect(200);
    api.post(&format!("{}/cancel", path_of(&placed))).await.expect(200);
    assert_same(&first, &api.place(&key, &order).await);
}

#[tokio::test]
async fn white_space_and_the_order_of_fields_make_no_other_request() {
    let api = shop().await.api();
    let (key, order) = (fresh("key"), order("tea", 2));
    let first = api.place(&key, &order).await;
    first.expect(201);
    let pretty = serde_json::to_string_pretty(&order).unwrap();
    let recipient = &order["recipient"];
    let turned = format!(
        r#"{{"recipient": {recipient}, "payment_method":"pm_card_visa",
             "lines" : [{{"quantity":2, "sku":"t\u0065a"}}], "customer_id":"c-42"}}"#
    );
    for body in [pretty, turned] {
        let request = api.request(Method::POST, "/orders").header("idempotency-key", &key);
        let again = request.header("content-type", "application/json; charset=utf-8").body(body);
        assert_same(&first, &send(again).await);
    }
}

#[tokio::test]
async fn the_same_key_with_any_other_body_is_refused() {
    let shop = shop().await;
    let api = shop.api();
    let (key, customer) = (fresh("key"), fresh("c"));
    let order = order_of(&customer);
    api.place(&key, &order).await.expect(201);
    for (pointer, value) in [
        ("/customer_id", json!("c-43")),
        ("/lines/0/quantity", json!(3)),
        ("/lines/0/sku", json!("cup")),
        ("/lines", json!([{"sku": "tea", "quantity": 1}, {"sku": "tea", "quantity": 1}])),
        ("/payment_method", json!("pm_sim_flaky")),
        ("/recipient/name", json!("Ada King")),
        ("/recipient/country", json!("FR")),
    ] {
        let mut other = order.clone();
        *other.pointer_mut(pointer).unwrap() = value;
        api.place(&key, &other).await.problem(422, "idempotency-key-reused");
    }
    assert_eq!(count(&shop.database(), &customer).await, 1);
}

#[tokio::test]
async fn a_refused_request_leaves_its_key_free() {
    let api = shop().await.api();
    let (key, sku) = (fresh("key"), fresh("sku"));
    api.place(&key, &order(&sku, 1)).await.problem(422, "validation");
    api.put(&format!("/products/{sku}"), &product(1, "EUR")).await.expect(201);
    api.place(&key, &order(&sku, 1)).await.expect(201);
}

#[tokio::test]
async fn of_fifty_at_once_one_places_the_order() {
    let shop = shop().await;
    let api = shop.api();
    let (key, customer) = (fresh("key"), fresh("c"));
    let order = order_of(&customer);
    let answers = join_all((0..50).map(|_| api.place(&key, &order))).await;
    assert_one_order(&answers);
    assert_eq!(count(&shop.database(), &customer).await, 1);
    api.place(&key, &order).await.expect(201);
}

#[tokio::test]
async fn two_instances_and_a_restart_give_one_order_and_one_answer() {
    let sandbox = Sandbox::new();
    sandbox.prepare_fleet().await;
    let [one, two] =
        [sandbox.service("order", 1, &[]).await, sandbox.service("order", 2, &[]).await];
    tokio::try_join!(one.start(), two.start()).unwrap();
    let apis = [api(&one), api(&two)];
    stock_catalogue(&apis[0]).await;
    let database = Sandbox::pool(&sandbox.database_url("order"));

    // Several rounds, since each is a race for one row.
    let mut first = None;
    for round in 0..10 {
        let (key, customer) = (format!("key-{round}"), format!("c-{round}"));
        let order = order_of(&customer);
        let requests = (0..50).map(|at| apis[at % 2].place(&key, &order));
        let answers = join_all(requests).await;
        assert_one_order(&answers);
        assert_eq!(count(&database, &customer).await, 1);
        first = answers.into_iter().find(|answer| answer.status == 201).map(|it| (key, order, it));
    }

    let (key, order, first) = first.unwrap();
    tokio::join!(one.stop(), two.kill());
    one.start().await.unwrap();
    assert_same(&first, &apis[0].place(&key, &order).await);
}

/// All answers are the same order, or say that it is being placed.
fn assert_one_order(answers: &[Answer]) {
    let (placed, running): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 201);
    for answer in running {
        answer.problem(409, "request-running");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    for answer in &placed {
        assert_same(placed[0], answer);
    }
    assert!(!placed.is_empty());
}

fn assert_same(first: &Answer, again: &Answer) {
    assert_eq!((first.status, &first.body), (again.status, &again.body));
    for name in ["location", "content-type"] {
        assert_eq!(first.header(name), again.header(name));
        assert!(first.header(name).is_some());
    }
}
