//! What a well-behaved client sees.

use std::time::Duration;

use farandole_runtime::http::HttpLimits;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use crate::support::{PATIENCE, Service, problem, read_to_close};

#[tokio::test]
async fn the_api_is_closed_until_it_is_installed() {
    let service = Service::start(HttpLimits::default()).await;
    service.health.set_ready("kafka");
    service.health.set_not_ready("postgres", "connection refused");

    let response = service.get("/orders/1").await;
    assert_eq!(response.headers()["retry-after"], "1");
    let document = problem(response, 503, "unavailable").await;
    let detail = document["detail"].as_str().unwrap();
    assert!(detail.contains("postgres: connection refused"), "{detail}");

    service.api.install(crate::support::api(service.hold.clone()));
    assert_eq!(service.get("/orders/1").await.json::<u32>().await.unwrap(), 1);
}

#[tokio::test]
async fn health_says_what_is_missing() {
    let service = Service::start(HttpLimits::default()).await;
    assert_eq!(service.get("/health/live").await.status(), 200);

    service.health.set_ready("kafka");
    service.health.set_detail("carrier", "open");
    let response = service.get("/health/ready").await;
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("x-correlation-id"));
    let body: Value = response.json().await.unwrap();
    assert_eq!(
        body["components"]["postgres"],
        json!({"status": "not_ready", "reason": "starting"})
    );
    assert_eq!(body["details"]["carrier"], "open");

    service.health.set_ready("postgres");
    assert_eq!(service.get("/health/ready").await.status(), 200);
}

#[tokio::test]
async fn a_body_that_is_not_as_wanted_is_refused_with_the_reason() {
    let service = Service::open(HttpLimits::default()).await;
    let post = async |content_type: &'static str, body: String| {
        let request = reqwest::Client::new().post(service.url("/orders"));
        request.header("content-type", content_type).body(body).send().await.unwrap()
    };
    let order = json!({"lines": [{"sku": "tea", "quantity": 2}]});
    let response = post("application/json; charset=utf-8", order.to_string()).await;
    assert_eq!(response.status(), 201);
    assert_eq!(response.json::<Value>().await.unwrap(), order);

    problem(post("text/plain", order.to_string()).await, 415, "unsupported-media-type").await;
    let document =
        problem(post("application/json", "{\n!".into()).await, 400, "malformed-body").await;
    assert!(document["detail"].as_str().unwrap().contains("line 2 column 1"), "{document}");

    let negative = json!({"lines": [{"sku": "tea", "quantity": -2}]}).to_string();
    let document = problem(post("application/json", negative).await, 422, "validation").await;
    assert_eq!(document["errors"][0]["pointer"], "/lines/0/quantity");

    let large = " ".repeat(65 * 1024);
    problem(post("application/json", large).await, 413, "payload-too-large").await;
}

#[tokio::test]
async fn a_body_is_limited_however_it_is_sent() {
    let service = Service::open(HttpLimits::default()).await;
    let head = "POST /orders HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let chunks = format!("10000\r\n{}\r\n", " ".repeat(0x10000)).repeat(8);
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
    let sized = format!("{head}content-length: 524288\r\n\r\n{}", " ".repeat(0x80000));
    for request in [chunked, sized] {
        let answer = read_to_close(service.connect(&request).await).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains("x-correlation-id: "), "{answer}");
    }
}

#[tokio::test]
async fn what_does_not_exist_is_a_problem() {
    let service = Service::open(HttpLimits::default()).await;
    problem(service.get("/nothing").await, 404, "not-found").await;
    problem(service.get("/orders/one").await, 400, "bad-request").await;
    problem(service.get("/pages?after=x").await, 400, "bad-request").await;
    for (path, allow) in [
        ("/orders", "POST,OPTIONS"),
        ("/orders/1", "GET,HEAD,OPTIONS"),
        ("/metrics", "GET,HEAD,OPTIONS"),
    ] {
        let response = reqwest::Client::new().delete(service.url(path)).send().await.unwrap();
        assert_eq!(response.headers()["allow"], allow);
        problem(response, 405, "method-not-allowed").await;
    }
}

#[tokio::test]
async fn a_path_tells_its_methods() {
    let service = Service::open(HttpLimits::default()).await;
    for (target, allow) in [
        ("/orders", "allow: POST,OPTIONS\r\n"),
        ("/health/live", "allow: GET,HEAD,OPTIONS\r\n"),
        ("*", "allow: GET,HEAD,POST,PUT,OPTIONS\r\n"),
    ] {
        let request = format!("OPTIONS {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answer = read_to_close(service.connect(&request).await).await;
        assert!(answer.starts_with("HTTP/1.1 204 ") && answer.contains(allow), "{answer}");
    }
}

#[tokio::test]
async fn a_head_that_is_in_doubt_is_refused() {
    let service = Service::open(HttpLimits::default()).await;
    let (host, json) = ("host: x\r\n", "content-type: application/json\r\n");
    let body = "d\r\n{\"lines\": []}\r\n0\r\n\r\n";
    let post = |codings: &str| format!("POST /orders HTTP/1.1\r\n{host}{json}{codings}\r\n{body}");
    for (request, status) in [
        ("GET /orders/1 HTTP/1.1\r\n\r\n".to_owned(), "400"),
        (format!("GET /orders/1 HTTP/1.1\r\n{host}{host}\r\n"), "400"),
        ("GET /orders/1 HTTP/1.1\r\nhost: a b@c/..\\\r\n\r\n".to_owned(), "400"),
        ("GET /orders/1 HTTP/1.0\r\n\r\n".to_owned(), "200"),
        (
            "GET http://a/orders/1 HTTP/1.1\r\nhost: b\r\nconnection: close\r\n\r\n".to_owned(),
            "200",
        ),
        (post("connection: close\r\ntransfer-encoding: chunked\r\n"), "201"),
        (post("transfer-encoding: gzip, chunked\r\n"), "501"),
        (post("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n"), "400"),
    ] {
        let mut stream = service.connect(&request).await;
        let mut answer = [0; 12];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.ends_with(status), "{request} got {answer}");
    }
}

#[tokio::test]
async fn a_service_that_has_names_is_found_under_no_other() {
    let hosts = "shop.example".parse().unwrap();
    let service = Service::start_as(HttpLimits::default(), hosts).await;
    let ask = async |path: &str, host: &str| {
        let request = reqwest::Client::new().get(service.url(path));
        request.header("host", host).send().await.unwrap()
    };
    problem(ask("/orders/1", "evil.example").await, 421, "misdirected-request").await;
    problem(ask("/orders/1", "shop.example:8081").await, 503, "unavailable").await;
    assert_eq!(ask("/health/live", "10.0.0.7:8081").await.status(), 200);
}

#[tokio::test]
async fn probes_may_have_a_listener_of_their_own() {
    let service = Service::start_with_probes_apart(HttpLimits::default()).await;
    service.api.install(crate::support::api(service.hold.clone()));
    for path in ["/health/live", "/metrics"] {
        let response = reqwest::get(format!("http://{}{path}", service.admin)).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        problem(service.get(path).await, 404, "not-found").await;
    }
    for path in ["/openapi.json", "/orders/1"] {
        let response = reqwest::get(format!("http://{}{path}", service.admin)).await.unwrap();
        problem(response, 404, "not-found").await;
    }
    assert_eq!(service.get("/openapi.json").await.status(), 200);
}

#[tokio::test]
async fn a_query_is_utf_8() {
    let service = Service::open(HttpLimits::default()).await;
    assert_eq!(service.get("/pages?after=%31").await.status(), 200);
    for query in ["after=%ff", "after=%", "after=%1", "after=%zz", "%ff=1"] {
        problem(service.get(&format!("/pages?{query}")).await, 400, "bad-request").await;
    }
    let missing = problem(service.get("/pages").await, 400, "bad-request").await;
    assert_eq!(missing["detail"], "missing parameter `after`");
}

#[tokio::test]
async fn a_panic_and_a_request_without_end_are_answered() {
    let limits =
        HttpLimits { request_timeout: Duration::from_millis(200), ..HttpLimits::default() };
    let service = Service::open(limits).await;
    let document = problem(service.get("/panic").await, 500, "internal").await;
    assert!(!document.to_string().contains("on purpose"), "{document}");
    problem(service.get("/held").await, 503, "unavailable").await;
}

#[tokio::test]
async fn every_answer_has_the_correlation_id_of_its_request() {
    let service = Service::open(HttpLimits::default()).await;
    for path in ["/health/live", "/metrics", "/orders/1", "/nothing", "/panic", "/docs/"] {
        let request = reqwest::Client::new().get(service.url(path));
        let response = request.header("x-correlation-id", "checkout:42").send().await.unwrap();
        assert_eq!(response.headers()["x-correlation-id"], "checkout:42", "{path}");
    }
    let (one, two) = (service.get("/orders/1").await, service.get("/orders/1").await);
    assert_ne!(one.headers()["x-correlation-id"], two.headers()["x-correlation-id"]);
}

#[tokio::test]
async fn a_trace_is_handed_on_though_nothing_is_recorded() {
    let service = Service::open(HttpLimits::default()).await;
    let trace = async |parent: &str| {
        let request = reqwest::Client::new().get(service.url("/trace"));
        request.header("traceparent", parent).send().await.unwrap().text().await.unwrap()
    };
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    assert_eq!(trace(parent).await, parent);
    assert_eq!(trace("00-nonsense").await, "");
}

#[tokio::test]
async fn metrics_name_the_route_and_not_the_path() {
    let service = Service::open(HttpLimits::default()).await;
    for path in ["/orders/314159", "/nowhere/314159"] {
        service.get(path).await;
    }
    let metrics = service.get("/metrics").await.text().await.unwrap();
    for wanted in [
        r#"farandole_http_request_duration_seconds_bucket{method="GET",route="/orders/{id}",le="0.005"}"#,
        r#"farandole_http_requests_total{method="GET",route="/orders/{id}",status="200"} "#,
        r#"farandole_ready{part="all"} 0"#,
        r#"route="unmatched",status="404""#,
        r#"farandole_build_info{service="a-small-service",version=""#,
        "process_cpu_seconds_total ",
        "process_resident_memory_bytes ",
    ] {
        assert!(metrics.contains(wanted), "{wanted} is not in\n{metrics}");
    }
    assert!(!metrics.contains("314159"), "{metrics}");
}

#[tokio::test]
async fn the_api_is_documented_without_the_internet() {
    let service = Service::start(HttpLimits::default()).await;
    let document: Value = service.get("/openapi.json").await.json().await.unwrap();
    assert!(document["components"]["schemas"]["Problem"]["properties"]["type"].is_object());
    let page = service.get("/docs").await.text().await.unwrap();
    assert!(page.contains("swagger-ui-bundle.js") && !page.contains("https://"), "{page}");
    assert_eq!(service.get("/docs/swagger-ui-bundle.js").await.status(), 200);
}

#[tokio::test]
async fn a_request_under_way_is_finished_at_shutdown() {
    let service = Service::open(HttpLimits::default()).await;
    let request = tokio::spawn(reqwest::get(service.url("/held")));
    service.hold.held.notified().await;
    service.shutdown.cancel();
    service.hold.release.notify_one();
    assert_eq!(request.await.unwrap().unwrap().text().await.unwrap(), "released");
    tokio::time::timeout(PATIENCE, service.serving).await.unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(service.address).await.is_err());
}

#[tokio::test]
async fn a_request_without_end_is_cut_off_at_shutdown() {
    let limits = HttpLimits { drain_timeout: Duration::from_millis(100), ..HttpLimits::default() };
    let service = Service::open(limits).await;
    let request = tokio::spawn(reqwest::get(service.url("/held")));
    service.hold.held.notified().await;
    service.shutdown.cancel();
    tokio::time::timeout(PATIENCE, service.serving).await.unwrap().unwrap();
    assert!(request.await.unwrap().is_err());
}
