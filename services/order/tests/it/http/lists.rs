//! Lists, page by page.

use serde_json::Value;
use testkit::http::Api;
use testkit::{Sandbox, api};

use super::{fresh, order_of, path_of, product, shop, stock_catalogue};

/// Places orders of one customer, one after the other, and returns their ids, newest first.
async fn orders(api: &Api, customer: &str, count: usize) -> Vec<Value> {
    let mut ids = Vec::new();
    for _ in 0..count {
        let order = api.place(&fresh("key"), &order_of(customer)).await.expect(201);
        ids.insert(0, order["order_id"].clone());
    }
    ids
}

fn ids(page: &Value) -> Vec<Value> {
    let orders = page["orders"].as_array().unwrap();
    orders.iter().map(|order| order["order_id"].clone()).collect()
}

#[tokio::test]
async fn pages_hold_each_order_once_also_when_new_ones_come() {
    let api = shop().await.api();
    let customer = fresh("c");
    let expected = orders(&api, &customer, 7).await;
    let list = format!("/orders?customer_id={customer}&limit=3");
    let mut page = api.get(&list).await.expect(200);
    let mut found = ids(&page);
    while let Some(next) = page["next"].as_str() {
        orders(&api, &customer, 1).await;
        page = api.get(&format!("{list}&after={next}")).await.expect(200);
        assert!(ids(&page).len() <= 3);
        found.extend(ids(&page));
    }
    assert_eq!(found, expected);
}

#[tokio::test]
async fn filters_are_kept_to() {
    let api = shop().await.api();
    let customer = fresh("c");
    let all = orders(&api, &customer, 3).await;
    let order = api.get(&format!("/orders/{}", all[1].as_str().unwrap())).await.expect(200);
    api.post(&format!("{}/cancel", path_of(&order))).await.expect(200);
    let list = |status: &str| format!("/orders?customer_id={customer}&status={status}");
    assert_eq!(ids(&api.get(&list("cancelled")).await.expect(200)), [all[1].clone()]);
    let placed = api.get(&list("placed")).await.expect(200);
    assert_eq!(ids(&placed), [all[0].clone(), all[2].clone()]);
    assert_eq!(ids(&api.get(&list("completed")).await.expect(200)), Vec::<Value>::new());
    let nobody = format!("/orders?customer_id={}", fresh("c"));
    assert_eq!(ids(&api.get(&nobody).await.expect(200)), Vec::<Value>::new());
}

#[tokio::test]
async fn parameters_that_do_not_fit_are_refused() {
    let api = shop().await.api();
    for query in [
        "limit=0",
        "limit=201",
        "limit=many",
        "status=lost",
        "after=42",
        "customer=c-42",
        "customer_id=%00",
    ] {
        api.get(&format!("/orders?{query}")).await.problem(400, "bad-request");
    }
    for query in
        ["customer_id=%ff", "customer_id=%zz", "limit=-1", "limit=+1", "limit=1&limit=2", "after="]
    {
        let problem = api.get(&format!("/orders?{query}")).await.problem(400, "bad-request");
        let detail = problem["detail"].as_str().unwrap();
        for inner in ["u16", "u32", "struct", "deserialize", "Uuid"] {
            assert!(!detail.contains(inner), "{detail}");
        }
    }
    for query in ["limit=0", "after=%00", "after=..", "name=tea", "after=%ff"] {
        api.get(&format!("/products?{query}")).await.problem(400, "bad-request");
    }
}

#[tokio::test]
async fn the_catalogue_is_listed_by_sku() {
    let api = shop().await.api();
    let prefix = fresh("list");
    let skus: Vec<String> = (0..5).map(|at| format!("{prefix}-{at}")).collect();
    for sku in skus.iter().rev() {
        api.put(&format!("/products/{sku}"), &product(1, "EUR")).await.expect(201);
    }
    let (mut after, mut found) = (prefix.clone(), Vec::new());
    while found.len() < skus.len() {
        let page = api.get(&format!("/products?limit=2&after={after}")).await.expect(200);
        let products = page["products"].as_array().unwrap();
        let names = products.iter().map(|product| product["sku"].as_str().unwrap().to_owned());
        found.extend(names.filter(|sku| sku.starts_with(&prefix)));
        after = page["next"].as_str().unwrap_or(&prefix).to_owned();
    }
    assert_eq!(found, skus);
}

#[tokio::test]
async fn the_last_page_says_that_it_is() {
    let api = shop().await.api();
    let customer = fresh("c");
    orders(&api, &customer, 4).await;
    let list = format!("/orders?customer_id={customer}&limit=2");
    let first = api.get(&list).await.expect(200);
    let second = format!("{list}&after={}", first["next"].as_str().unwrap());
    let second = api.get(&second).await.expect(200);
    assert_eq!((ids(&second).len(), &second["next"]), (2, &Value::Null));
    let placed = format!("/orders?customer_id={customer}&limit=4&status=placed");
    let placed = api.get(&placed).await.expect(200);
    assert_eq!((ids(&placed).len(), &placed["next"]), (4, &Value::Null));

    let prefix = format!("zzzz-{}", fresh("last"));
    for sku in ["a", "b"] {
        api.put(&format!("/products/{prefix}-{sku}"), &product(1, "EUR")).await.expect(201);
    }
    let page = api.get(&format!("/products?limit=2&after={prefix}")).await.expect(200);
    assert_eq!(page["products"].as_array().unwrap().len(), 2);
    assert_eq!(page["next"], Value::Null);
}

/// However many orders there are, and however rare what is asked for.
#[tokio::test]
async fn a_page_looks_at_a_thousand_orders_at_most() {
    let sandbox = Sandbox::new();
    sandbox.prepare_fleet().await;
    let service = sandbox.service("order", 1, &[]).await;
    service.start().await.unwrap();
    let api = api(&service);
    stock_catalogue(&api).await;
    let rare = api.place("rare", &order_of("many")).await.expect(201)["order_id"].clone();
    // Copies of it, newer and of other orders, that have ended.
    let copies = "INSERT INTO orders (saga, version, emitted, state, customer_id, lines, total,
           currency, idempotency_key, request_hash, placed_at, updated_at, deadline_at,
           placed_event_id, correlation_id)
         SELECT ('ffff0000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 1, 1,
           '{\"status\": \"completed\"}', customer_id, lines, total, currency, 'copy-' || n, request_hash,
           placed_at, updated_at, deadline_at, placed_event_id, correlation_id
         FROM orders, generate_series(1, 5000) AS n WHERE idempotency_key = 'rare'";
    let database = Sandbox::pool(&sandbox.database_url("order"));
    sqlx::query(copies).execute(&database).await.unwrap();

    for list in ["/orders?status=placed&limit=3", "/orders?customer_id=many&status=placed&limit=3"]
    {
        let (mut after, mut found, mut pages) = (String::new(), Vec::new(), 0);
        loop {
            let page = api.get(&format!("{list}{after}")).await.expect(200);
            found.extend(ids(&page));
            pages += 1;
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        assert_eq!(found, std::slice::from_ref(&rare));
        assert_eq!(pages, 6, "a thousand are looked at for a page");
    }
    let full = api.get("/orders?status=completed&limit=200").await.expect(200);
    assert_eq!(ids(&full).len(), 200);
}
