//! A service that starts before what it depends on.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use testkit::http::{Api, order, send, try_send};
use testkit::{Options, Sandbox, Stack, api, eventually};

use super::stock_catalogue;

const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn it_says_what_it_waits_for_and_becomes_ready_by_itself() {
    let stack = Stack::start(Options { quiet: true, ..Options::default() }).await.unwrap();
    let sandbox = Sandbox::on(stack.connections());
    sandbox.prepare_fleet().await;
    let service = sandbox.service("order", 1, &[]).await;
    let parts = [
        (&stack.postgres, "postgres"),
        (&stack.registry, "schema registry"),
        (&stack.kafka, "kafka"),
    ];
    tokio::join!(stack.postgres.stop(), stack.registry.stop(), stack.kafka.stop());
    service.start_without_waiting().unwrap();
    let api = api(&service);
    eventually("it listens", PATIENCE, async || {
        try_send(api.request(Method::GET, "/health/live")).await.ok()
    })
    .await
    .expect(200);

    for (part, name) in parts {
        eventually(&format!("it waits for {name}"), PATIENCE, async || {
            waits_for(&api.get("/health/ready").await.expect(503), name).then_some(())
        })
        .await;
        assert_closed(&api, name).await;
        assert_eq!(api.get("/health/live").await.expect(200)["status"], "live");
        for path in ["/metrics", "/openapi.json"] {
            assert_eq!(api.get(path).await.status, 200);
        }
        part.start().await.unwrap();
    }

    eventually("it is ready", PATIENCE, async || {
        (api.get("/health/ready").await.status == 200).then_some(())
    })
    .await;
    stock_catalogue(&api).await;
    api.place("key", &order("tea", 1)).await.expect(201);
}

/// Whether the service has said more of this part than that it starts.
fn waits_for(health: &Value, part: &str) -> bool {
    let reason = health["components"][part]["reason"].as_str();
    reason.is_some_and(|reason| reason != "starting")
}

/// Every route of the API says why it is closed, and when to come again.
async fn assert_closed(api: &Api, part: &str) {
    let id = "018f0000-0000-7000-8000-000000000000";
    let requests = [
        api.request(Method::POST, "/orders").header("idempotency-key", "k").json(&order("tea", 1)),
        api.request(Method::GET, "/orders"),
        api.request(Method::GET, &format!("/orders/{id}")),
        api.request(Method::POST, &format!("/orders/{id}/cancel")),
        api.request(Method::GET, "/products"),
        api.request(Method::PUT, "/products/tea"),
    ];
    for request in requests {
        let answer = send(request).await;
        let problem = answer.problem(503, "unavailable");
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert!(problem["detail"].as_str().unwrap().contains(part), "{part}: {problem}");
    }
}
