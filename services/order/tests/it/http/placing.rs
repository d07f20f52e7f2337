//! What is an order and what is not, and what becomes of one.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::http::{Answer, Api, order, send};

use super::{count, fresh, order_of, path_of, placed, product, shop};

#[tokio::test]
async fn an_order_is_priced_from_the_catalogue_and_found_at_its_location() {
    let shop = shop().await;
    let api = shop.api();
    let mut body = order("tea", 2);
    body["lines"] = json!([
        {"sku": "tea", "quantity": 2}, {"sku": "cup", "quantity": 1}, {"sku": "tea", "quantity": 1}
    ]);
    let answer = api.place(&fresh("key"), &body).await;
    let order = answer.expect(201);
    assert_eq!(answer.header("location"), Some(path_of(&order).as_str()));
    assert_eq!(order["total"], json!({"amount": 3 * 450 + 1200, "currency": "EUR"}));
    assert_eq!(order["lines"][1]["unit_price"], json!({"amount": 1200, "currency": "EUR"}));
    assert_eq!(order["status"], "placed");
    assert_eq!(order["customer_id"], "c-42");
    assert!(order.get("cancel_reason").is_none());
    assert!(order.get("recipient").is_none(), "personal data is in the event alone");
    assert_eq!(api.get(&path_of(&order)).await.expect(200), order);

    let mut dictated = body.clone();
    dictated["lines"][0]["unit_price"] = json!({"amount": 1, "currency": "EUR"});
    assert_pointers(&api.place(&fresh("key"), &dictated).await, &["/lines/0/unit_price"]);
}

#[tokio::test]
async fn a_new_price_counts_for_new_orders_only() {
    let api = shop().await.api();
    let sku = fresh("sku");
    let path = format!("/products/{sku}");
    api.put(&path, &product(100, "EUR")).await.expect(201);
    let before = api.place(&fresh("key"), &order(&sku, 1)).await.expect(201);
    api.put(&path, &product(200, "EUR")).await.expect(200);
    let after = api.place(&fresh("key"), &order(&sku, 1)).await.expect(201);
    assert_eq!(api.get(&path_of(&before)).await.expect(200)["total"]["amount"], 100);
    assert_eq!(after["total"]["amount"], 200);
}

#[tokio::test]
async fn where_an_order_comes_from_is_kept_and_is_the_web_by_default() {
    let api = shop().await.api();
    let placed = api.place(&fresh("key"), &order("tea", 1)).await.expect(201);
    assert_eq!(placed["channel"], "web");
    for channel in ["web", "app", "phone", "shop"] {
        let mut body = order("tea", 1);
        body["channel"] = json!(channel);
        let key = fresh("key");
        let placed = api.place(&key, &body).await.expect(201);
        assert_eq!(placed["channel"], channel);
        assert_eq!(api.get(&path_of(&placed)).await.expect(200)["channel"], channel);
        assert_eq!(api.place(&key, &body).await.expect(201)["channel"], channel);
        body["channel"] = json!(if channel == "web" { "app" } else { "web" });
        api.place(&key, &body).await.problem(422, "idempotency-key-reused");
    }
}

#[tokio::test]
async fn each_value_that_does_not_fit_is_pointed_at() {
    let api = shop().await.api();
    let long = |length: usize| json!("x".repeat(length));
    let line = json!({"sku": "tea", "quantity": 1});
    for (pointer, value) in [
        ("/customer_id", json!("")),
        ("/customer_id", json!("  ")),
        ("/customer_id", long(65)),
        ("/customer_id", json!(42)),
        ("/customer_id", Value::Null),
        ("/payment_method", json!("")),
        ("/payment_method", long(101)),
        ("/payment_method", json!("pm\u{0}card")),
        ("/channel", json!("fax")),
        ("/channel", Value::Null),
        ("/channel", json!(1)),
        ("/channel", json!({"web": null})),
        ("/recipient", json!("Ada")),
        ("/recipient/name", json!("")),
        ("/recipient/name", json!("Ada\u{0}Lovelace")),
        ("/recipient/name", long(201)),
        ("/recipient/email", json!("ada")),
        ("/recipient/email", json!("@example.org")),
        ("/recipient/email", json!(format!("a@{}", "x".repeat(253)))),
        ("/recipient/street", json!("12 St James's\nSquare")),
        ("/recipient/street", json!("\u{7f}")),
        ("/recipient/city", long(101)),
        ("/recipient/email", json!("a@x.org,b@x.org")),
        ("/recipient/email", json!("a@x.org;b@x.org")),
        ("/recipient/email", json!("N <a@x.org>")),
        ("/recipient/email", json!("a b@x.org")),
        ("/recipient/email", json!("a@b@c")),
        ("/recipient/email", json!(" @ ")),
        ("/recipient/email", json!("<script>@x")),
        ("/recipient/postal_code", long(21)),
        ("/recipient/postal_code", json!(" ")),
        ("/recipient/postal_code", Value::Null),
        ("/recipient/country", json!("gb")),
        ("/recipient/country", json!("GBR")),
        ("/recipient/country", json!("QQ")),
        ("/recipient/country", json!("\u{c9}")),
        ("/lines", json!([])),
        ("/lines", json!({})),
        ("/lines", Value::Array(vec![line; 101])),
        ("/lines/0/sku", json!("")),
        ("/lines/0/sku", json!("te a")),
        ("/lines/0/sku", json!(".")),
        ("/lines/0/sku", json!("..")),
        ("/lines/0/sku", json!("te\u{0}a")),
        ("/lines/0/sku", long(65)),
        ("/lines/0/sku", json!(fresh("unknown"))),
        ("/lines/0/quantity", json!(0)),
        ("/lines/0/quantity", json!(-1)),
        ("/lines/0/quantity", json!(1.5)),
        ("/lines/0/quantity", json!("two")),
        ("/lines/0/quantity", json!(1_000_001)),
        ("/lines/0/quantity", json!(5_000_000_000_u64)),
    ] {
        let mut body = order("tea", 1);
        body["channel"] = json!("web");
        *body.pointer_mut(pointer).unwrap() = value;
        assert_pointers(&api.place(&fresh("key"), &body).await, &[pointer]);
    }
}

#[tokio::test]
async fn a_client_hears_of_all_its_mistakes_at_once() {
    let api = shop().await.api();
    let mut body = order("tea", 1);
    body["customer_id"] = json!("");
    body["recipient"]["country"] = json!("Britain");
    body["lines"] = json!([{"sku": "tea", "quantity": 1}, {"sku": "!", "quantity": 0}]);
    let expected = ["/customer_id", "/recipient/country", "/lines/1/sku", "/lines/1/quantity"];
    assert_pointers(&api.place(&fresh("key"), &body).await, &expected);

    let unknown = [fresh("unknown"), fresh("unknown")];
    body = order("tea", 1);
    body["lines"] = json!([
        {"sku": unknown[0], "quantity": 1}, {"sku": "tea", "quantity": 1},
        {"sku": unknown[1], "quantity": 1}
    ]);
    assert_pointers(&api.place(&fresh("key"), &body).await, &["/lines/0/sku", "/lines/2/sku"]);
}

#[tokio::test]
async fn fields_too_many_or_too_few_are_refused() {
    let api = shop().await.api();
    for (pointer, field) in
        [("", "colour"), ("/recipient", "telephone"), ("/lines/0", "unit_price")]
    {
        let mut body = order("tea", 1);
        body.pointer_mut(pointer).unwrap()[field] = json!(1);
        assert_pointers(&api.place(&fresh("key"), &body).await, &[&format!("{pointer}/{field}")]);
    }
    for (pointer, field) in [("", "customer_id"), ("/recipient", "email"), ("/lines/0", "sku")] {
        let mut body = order("tea", 1);
        body.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(field);
        let problem = assert_pointers(&api.place(&fresh("key"), &body).await, &[pointer]);
        assert!(problem["errors"][0]["detail"].as_str().unwrap().contains(field), "{problem}");
    }
}

#[tokio::test]
async fn prices_that_do_not_add_up_are_refused() {
    let shop = shop().await;
    let api = shop.api();
    let mut mixed = order("tea", 1);
    mixed["lines"] = json!([{"sku": "tea", "quantity": 1}, {"sku": "pen", "quantity": 1}]);
    assert_pointers(&api.place(&fresh("key"), &mixed).await, &["/lines"]);

    let dear = fresh("dear");
    let path = format!("/products/{dear}");
    for amount in [-1, 10_000_000_001] {
        let refused = api.put(&path, &product(amount, "EUR")).await;
        assert_pointers(&refused, &["/unit_price/amount"]);
    }
    // The largest total that every reader of JSON takes for the same number is 2^53 - 1.
    api.put(&path, &product(10_000_000_000, "EUR")).await.expect(201);
    let largest = api.place(&fresh("key"), &order(&dear, 900_719)).await.expect(201);
    assert_eq!(largest["total"]["amount"], 9_007_190_000_000_000_i64);
    assert_pointers(&api.place(&fresh("key"), &order(&dear, 900_720)).await, &["/lines"]);
    let mut many = order(&dear, 1_000_000);
    many["lines"] = Value::Array(vec![many["lines"][0].clone(); 100]);
    assert_pointers(&api.place(&fresh("key"), &many).await, &["/lines"]);
    // Past what an amount can hold.
    let raise = sqlx::query("UPDATE products SET amount = 9223372036854775807 WHERE sku = $1");
    raise.bind(&dear).execute(&shop.database()).await.unwrap();
    assert_pointers(&api.place(&fresh("key"), &order(&dear, 2)).await, &["/lines"]);
}

#[tokio::test]
async fn an_order_that_costs_nothing_is_refused_and_a_gift_is_not() {
    let api = shop().await.api();
    let gift = fresh("gift");
    api.put(&format!("/products/{gift}"), &product(0, "EUR")).await.expect(201);
    assert_pointers(&api.place(&fresh("key"), &order(&gift, 1)).await, &["/lines"]);
    let mut with_tea = order(&gift, 1);
    with_tea["lines"] = json!([{"sku": gift, "quantity": 1}, {"sku": "tea", "quantity": 1}]);
    assert_eq!(api.place(&fresh("key"), &with_tea).await.expect(201)["total"]["amount"], 450);
}

#[tokio::test]
async fn countries_have_postal_codes_or_not() {
    let api = shop().await.api();
    for country in ["QA", "HK", "AE", "PA", "GB", "XK", "XX"] {
        let mut body = order("tea", 1);
        body["recipient"]["country"] = json!(country);
        body["recipient"]["postal_code"] = json!("");
        api.place(&fresh("key"), &body).await.expect(201);
        body["recipient"].as_object_mut().unwrap().remove("postal_code");
        api.place(&fresh("key"), &body).await.expect(201);
    }
}

#[tokio::test]
async fn names_in_all_scripts_pass_and_what_cannot_be_seen_does_not() {
    let api = shop().await.api();
    for name in
        ["Zoë O’Connor-Łukasiewicz", "علی\u{200c}رضا", "ශ්\u{200d}රී", "葛\u{e0100}飾北斎", "김 소월"]
    {
        let mut body = order("tea", 1);
        body["recipient"]["name"] = json!(name);
        api.place(&fresh("key"), &body).await.expect(201);
    }
    for hidden in
        ["\u{200b}", "A\u{202e}b", "A\u{2028}b", "A\u{feff}", "A\u{200c}b", "\u{3164}", "A\u{ad}b"]
    {
        for pointer in [
            "/customer_id",
            "/payment_method",
            "/recipient/name",
            "/recipient/street",
            "/recipient/city",
            "/recipient/postal_code",
            "/recipient/email",
        ] {
            let mut body = order("tea", 1);
            *body.pointer_mut(pointer).unwrap() = json!(hidden);
            assert_pointers(&api.place(&fresh("key"), &body).await, &[pointer]);
        }
        let named = json!({"name": hidden, "unit_price": {"amount": 1, "currency": "EUR"}});
        assert_pointers(&api.put("/products/hidden", &named).await, &["/name"]);
        let listed = api.request(Method::GET, "/orders").query(&[("customer_id", hidden)]);
        send(listed).await.problem(400, "bad-request");
    }
}

#[tokio::test]
async fn products_are_checked_too() {
    let api = shop().await.api();
    let path = format!("/products/{}", fresh("sku"));
    for (pointer, value) in [
        ("/name", json!("")),
        ("/name", json!("a\u{0}b")),
        ("/name", json!("x".repeat(201))),
        ("/unit_price/currency", json!("euro")),
        ("/unit_price/currency", json!("AAA")),
        ("/unit_price/currency", json!("XXX")),
        ("/unit_price/amount", json!(1.5)),
    ] {
        let mut body = product(1, "EUR");
        *body.pointer_mut(pointer).unwrap() = value;
        assert_pointers(&api.put(&path, &body).await, &[pointer]);
    }
    api.put("/products/a%20b", &product(1, "EUR")).await.problem(400, "bad-request");
    api.put("/products/a%00b", &product(1, "EUR")).await.problem(400, "bad-request");
    api.put("/products/a%FFb", &product(1, "EUR")).await.problem(400, "bad-request");
}

#[tokio::test]
async fn what_is_no_json_or_too_much_of_it_is_refused() {
    let api = shop().await.api();
    let good = order("tea", 1).to_string();
    let sent = |content_type: &'static str, body: String| {
        let request = api.request(Method::POST, "/orders").header("idempotency-key", fresh("key"));
        send(request.header("content-type", content_type).body(body))
    };
    for body in ["", "{", "not json", &good[..good.len() - 1], &format!("{good} {good}")] {
        sent("application/json", body.to_owned()).await.problem(400, "malformed-body");
    }
    for content_type in ["text/plain", "application/x-www-form-urlencoded"] {
        sent(content_type, good.clone()).await.problem(415, "unsupported-media-type");
    }
    let no_type = api.request(Method::POST, "/orders").header("idempotency-key", "k").body(good);
    send(no_type).await.problem(415, "unsupported-media-type");
    let large = " ".repeat(64 * 1024 + 1);
    sent("application/json", large).await.problem(413, "payload-too-large");
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let api = shop().await.api();
    api.get("/nothing").await.problem(404, "not-found");
    let unknown = "/orders/018f0000-0000-7000-8000-000000000000";
    api.get(unknown).await.problem(404, "not-found");
    api.post(&format!("{unknown}/cancel")).await.problem(404, "not-found");
    api.get("/orders/42").await.problem(400, "bad-request");
    for (method, path, allowed) in [
        (Method::DELETE, "/orders", "POST"),
        (Method::PUT, unknown, "GET"),
        (Method::DELETE, "/products/tea", "PUT"),
        (Method::POST, "/health/live", "GET"),
    ] {
        let answer = send(api.request(method, path)).await;
        answer.problem(405, "method-not-allowed");
        assert!(answer.header("allow").unwrap().contains(allowed), "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn every_answer_names_its_request() {
    let api = shop().await.api();
    for path in ["/orders", "/nothing", "/health/ready", "/metrics", "/openapi.json", "/docs/"] {
        let given = fresh("correlation");
        let request = api.request(Method::GET, path).header("x-correlation-id", &given);
        assert_eq!(send(request).await.header("x-correlation-id"), Some(given.as_str()), "{path}");
        let generated = api.get(path).await;
        let id = generated.header("x-correlation-id").unwrap();
        assert!(id.parse::<uuid::Uuid>().is_ok(), "{path}: {id}");
    }
}

#[tokio::test]
async fn orders_that_come_at_once_share_transactions() {
    let shop = shop().await;
    let api = shop.api();
    let customer = fresh("c");
    let order = order_of(&customer);
    let keys: Vec<String> = (0..200).map(|_| fresh("key")).collect();
    let answers = join_all(keys.iter().map(|key| api.place(key, &order))).await;
    let mut orders: Vec<String> =
        answers.iter().map(|answer| path_of(&answer.expect(201))).collect();
    orders.sort();
    orders.dedup();
    assert_eq!(orders.len(), 200);

    let database = shop.database();
    assert_eq!(count(&database, &customer).await, 200);
    let transactions = "SELECT count(DISTINCT xmin::text) FROM orders WHERE customer_id = $1";
    let transactions = sqlx::query_scalar(transactions).bind(&customer).fetch_one(&database);
    let transactions: i64 = transactions.await.unwrap();
    assert!(transactions <= 50, "{transactions} transactions for 200 orders");
}

#[tokio::test]
async fn an_order_is_cancelled_once_and_not_after_it_is_confirmed() {
    let shop = shop().await;
    let api = shop.api();
    let order = placed(&api).await;
    let cancel = format!("{}/cancel", path_of(&order));
    let cancelled = api.post(&cancel).await.expect(200);
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(cancelled["cancel_reason"], "customer_request");
    assert_eq!(api.post(&cancel).await.expect(200), cancelled);
    assert_eq!(api.get(&path_of(&order)).await.expect(200), cancelled);

    for status in ["confirmed", "completed"] {
        let order = placed(&api).await;
        set_status(shop, &order, status).await;
        let cancel = format!("{}/cancel", path_of(&order));
        let problem = api.post(&cancel).await.problem(409, "too-late-to-cancel");
        assert_eq!(problem["status"], 409);
        assert_eq!(problem["order_status"], status);
        assert_eq!(api.get(&path_of(&order)).await.expect(200)["status"], status);
    }
}

/// As if the other services had moved the order on.
async fn set_status(shop: &super::Shop, order: &Value, status: &str) {
    let id: uuid::Uuid = order["order_id"].as_str().unwrap().parse().unwrap();
    let update = "UPDATE orders SET state = json_build_object('status', $2::text),
        version = version + 1 WHERE saga = $1";
    let update = sqlx::query(update).bind(id).bind(status).execute(&shop.database()).await;
    assert_eq!(update.unwrap().rows_affected(), 1);
}

/// The answer says which values are wrong: exactly those.
fn assert_pointers(answer: &Answer, expected: &[&str]) -> Value {
    let problem = answer.problem(422, "validation");
    let errors = problem["errors"].as_array().unwrap();
    let mut pointers: Vec<_> = errors.iter().map(|it| it["pointer"].as_str().unwrap()).collect();
    pointers.dedup();
    assert_eq!(pointers, expected, "{problem}");
    problem
}

#[tokio::test]
async fn the_api_describes_itself() {
    let api: Api = shop().await.api();
    let document = api.get("/openapi.json").await.expect(200);
    let operations: Vec<(&str, &str)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| (path.as_str(), method.as_str()))
        })
        .collect();
    for operation in [
        ("/orders", "post"),
        ("/orders", "get"),
        ("/orders/{id}", "get"),
        ("/orders/{id}/cancel", "post"),
        ("/products", "get"),
        ("/products/{sku}", "get"),
        ("/products/{sku}", "put"),
    ] {
        assert!(operations.contains(&operation), "{operation:?} is not in {operations:?}");
    }
    assert_eq!(operations.len(), 7);
    let page = api.get("/docs/").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    assert!(page.body.contains("swagger"), "{}", page.body);
    assert_eq!(api.get("/docs").await.status, 200);
}
