//! What all routes have in common, and what the API's description says of them.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::http::{Answer, Api, order, send};

use super::{fresh, path_of, placed, product, shop};

/// A good body of each operation that reads one.
fn body_of(method: &str, path: &str) -> Value {
    match (method, path) {
        ("post", "/orders") => order("tea", 1),
        ("put", "/products/{sku}") => product(450, "EUR"),
        other => panic!("a body for {other:?}, please"),
    }
}

async fn document(api: &Api) -> Value {
    api.get("/openapi.json").await.expect(200)
}

fn operations(document: &Value) -> impl Iterator<Item = (&String, &String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(move |(method, operation)| (method, path, operation))
    })
}

/// Each object of a body as the array of its values, one at a time.
fn with_arrays(body: &Value) -> Vec<Value> {
    let mut pointers = vec![String::new()];
    let mut found = Vec::new();
    while let Some(pointer) = pointers.pop() {
        match body.pointer(&pointer).unwrap() {
            Value::Object(members) => {
                let mut changed = body.clone();
                *changed.pointer_mut(&pointer).unwrap() = members.values().cloned().collect();
                found.push(changed);
                pointers.extend(members.keys().map(|name| format!("{pointer}/{name}")));
            }
            Value::Array(elements) => {
                pointers.extend((0..elements.len()).map(|at| format!("{pointer}/{at}")));
            }
            _ => {}
        }
    }
    found
}

#[tokio::test]
async fn an_array_is_no_object_in_any_body() {
    let api = shop().await.api();
    for (method, path, operation) in operations(&document(&api).await) {
        if operation.get("requestBody").is_none() {
            continue;
        }
        for body in with_arrays(&body_of(method, path)) {
            let path = path.replace("{sku}", "tea");
            let method = method.to_uppercase().parse().unwrap();
            let request = api.request(method, &path).header("idempotency-key", fresh("key"));
            let problem = send(request.json(&body)).await.problem(422, "validation");
            let detail = problem["errors"][0]["detail"].as_str().unwrap();
            assert_eq!(detail, "is an array, but must be an object", "{path} {body}");
        }
    }
}

#[tokio::test]
async fn a_thing_has_one_url() {
    let api = shop().await.api();
    let order = placed(&api).await;
    let id = order["order_id"].as_str().unwrap();
    api.get(&format!("/orders/{id}")).await.expect(200);
    for spelling in
        [id.to_uppercase(), id.replace('-', ""), format!("%7B{id}%7D"), format!("urn:uuid:{id}")]
    {
        api.get(&format!("/orders/{spelling}")).await.problem(400, "bad-request");
        api.post(&format!("/orders/{spelling}/cancel")).await.problem(400, "bad-request");
        api.get(&format!("/orders?after={spelling}")).await.problem(400, "bad-request");
    }
}

#[tokio::test]
async fn every_path_tells_its_methods() {
    let api = shop().await.api();
    let id = "018f0000-0000-7000-8000-000000000000";
    for (path, allowed) in [
        ("/orders", &["GET", "HEAD", "OPTIONS", "POST"][..]),
        (&format!("/orders/{id}"), &["GET", "HEAD", "OPTIONS"]),
        (&format!("/orders/{id}/cancel"), &["OPTIONS", "POST"]),
        ("/products/tea", &["GET", "HEAD", "OPTIONS", "PUT"]),
        ("/health/ready", &["GET", "HEAD", "OPTIONS"]),
    ] {
        let answer = send(api.request(Method::OPTIONS, path)).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{path}");
        let mut methods: Vec<_> = answer.header("allow").unwrap().split(',').collect();
        methods.sort_unstable();
        assert_eq!(methods, allowed, "{path}");
    }
    send(api.request(Method::OPTIONS, "/nothing")).await.problem(404, "not-found");
}

#[tokio::test]
async fn answers_say_what_must_not_be_done_with_them() {
    let api = shop().await.api();
    for path in ["/orders", "/nothing", "/docs/", "/openapi.json", "/health/live", "/metrics"] {
        let answer = api.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
    }
}

#[tokio::test]
async fn another_sites_page_cancels_nothing() {
    let api = shop().await.api();
    let path = path_of(&placed(&api).await);
    let cancel = || api.request(Method::POST, &format!("{path}/cancel"));
    let as_form = cancel().header("content-type", "text/plain").body("x");
    send(as_form).await.problem(415, "unsupported-media-type");
    for (name, value) in [("origin", "http://evil.example"), ("sec-fetch-site", "cross-site")] {
        send(cancel().header(name, value)).await.problem(403, "cross-site-request");
    }
    assert_eq!(api.get(&path).await.expect(200)["status"], "placed");
    send(cancel().json(&json!({}))).await.expect(200);
}

#[tokio::test]
async fn only_what_was_seen_is_changed() {
    let api = shop().await.api();
    let path = format!("/products/{}", fresh("sku"));
    let put = |name: &'static str, value: String, amount: i64| {
        let request = api.request(Method::PUT, &path).header(name, value);
        send(request.json(&product(amount, "EUR")))
    };
    let any = || "*".to_owned();
    put("if-match", any(), 1).await.problem(412, "precondition-failed");
    api.get(&path).await.problem(404, "not-found");
    let created = put("if-none-match", any(), 1).await;
    created.expect(201);
    put("if-none-match", any(), 2).await.problem(412, "precondition-failed");

    let seen = api.get(&path).await;
    let tag = seen.header("etag").unwrap().to_owned();
    assert_eq!(created.header("etag"), Some(tag.as_str()));
    assert_eq!(seen.header("cache-control"), Some("no-cache"));
    put("if-match", "\"nope\"".to_owned(), 2).await.problem(412, "precondition-failed");
    put("if-match", format!("W/{tag}"), 2).await.problem(412, "precondition-failed");
    put("if-match", "nope".to_owned(), 2).await.problem(400, "bad-request");
    put("if-match", format!("\"x\", {tag}"), 2).await.expect(200);
    put("if-match", tag.clone(), 3).await.problem(412, "precondition-failed");

    let ask = |tag: String| send(api.request(Method::GET, &path).header("if-none-match", tag));
    assert_eq!(ask(tag).await.status, 200);
    let now = api.get(&path).await;
    let unchanged = ask(now.header("etag").unwrap().to_owned()).await;
    assert_eq!((unchanged.status, unchanged.body.as_str()), (304, ""));
    assert_eq!(unchanged.header("etag"), now.header("etag"));
    assert_eq!(now.expect(200)["unit_price"]["amount"], 2);

    // Where nothing has a tag, none matches.
    let order = path_of(&placed(&api).await);
    let cancel = api.request(Method::POST, &format!("{order}/cancel")).header("if-match", "\"x\"");
    send(cancel).await.problem(412, "precondition-failed");
}

/// Of many that change what they have seen, one does.
#[tokio::test]
async fn no_update_is_lost() {
    let api = shop().await.api();
    let path = format!("/products/{}", fresh("sku"));
    let tag = api.put(&path, &product(0, "EUR")).await.header("etag").unwrap().to_owned();
    let changes = (1..=20).map(|amount| {
        let request = api.request(Method::PUT, &path).header("if-match", &tag);
        send(request.json(&product(amount, "EUR")))
    });
    let answers = futures::future::join_all(changes).await;
    let done = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(done, 1);
    let refused = answers.iter().filter(|answer| answer.status == 412).count();
    assert_eq!(refused, 19);
}

/// Whatever an operation answers here stands in its description, with its media type and headers.
fn assert_described(document: &Value, method: &str, path: &str, answer: &Answer) {
    let described = &document["paths"][path][method]["responses"][answer.status.to_string()];
    let described = match described["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => described,
    };
    assert!(
        described.is_object(),
        "{method} {path} does not say {}: {}",
        answer.status,
        answer.body
    );
    let media_type = answer.header("content-type").unwrap();
    assert!(described["content"][media_type].is_object(), "{method} {path}: {media_type}");
    for name in
        ["allow", "etag", "location", "preference-applied", "retry-after", "x-correlation-id"]
    {
        let headers = described["headers"].as_object().unwrap();
        let is_described = headers.keys().any(|header| header.eq_ignore_ascii_case(name));
        assert!(
            answer.header(name).is_none() || is_described,
            "{method} {path}: {name} {answer:?}"
        );
    }
}

#[tokio::test]
async fn what_no_tool_tries_is_described_too() {
    let api = shop().await.api();
    let document = document(&api).await;
    let long = "x".repeat(17 * 1024);
    for (method, path, operation) in operations(&document) {
        let at =
            path.replace("{id}", "018f0000-0000-7000-8000-000000000000").replace("{sku}", "tea");
        let send_at = async |at: &str, headers: &[(&str, &str)], body: Option<String>| {
            let request = api.request(method.to_uppercase().parse().unwrap(), at);
            let request =
                headers.iter().fold(request, |it, (name, value)| it.header(*name, *value));
            send(match body {
                Some(body) => request.body(body),
                None => request,
            })
            .await
        };
        let json = ("content-type", "application/json");
        let key = ("idempotency-key", "k");
        let mut answers = vec![
            (431, send_at(&at, &[("x-long", &long)], None).await),
            (414, send_at(&format!("{at}?{long}"), &[], None).await),
            (400, send_at(&at, &[("host", "a b")], None).await),
        ];
        if operation.get("requestBody").is_some() {
            answers.push((413, send_at(&at, &[json, key], Some(" ".repeat(64 * 1024 + 1))).await));
            answers.push((415, send_at(&at, &[key], Some("{}".to_owned())).await));
            answers.push((422, send_at(&at, &[json, key], Some("{}".to_owned())).await));
        }
        if method != "get" {
            answers.push((403, send_at(&at, &[("sec-fetch-site", "cross-site")], None).await));
        }
        for (status, answer) in &answers {
            assert_eq!(answer.status, *status, "{method} {at}: {answer:?}");
            assert_described(&document, method, path, answer);
        }
        let other = send(api.request(Method::DELETE, &at)).await;
        assert_eq!(other.status, 405);
        assert_described(&document, method, path, &other);
        for name in ["summary", "operationId"] {
            assert!(operation[name].is_string(), "{method} {path}: {name}");
        }
        assert_eq!(operation["tags"].as_array().unwrap().len(), 1);
    }
    assert!(!document.to_string().contains("Only here"), "{document}");
}
