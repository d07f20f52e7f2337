//! Clients that would hold a connection for ever.

use std::time::Duration;

use farandole_runtime::http::HttpLimits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{PATIENCE, Service, read_to_close};

const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_head_that_does_not_end_closes_the_connection() {
    let limits = HttpLimits { header_read_timeout: SHORT, ..HttpLimits::default() };
    let service = Service::open(limits).await;
    let answer = read_to_close(service.connect("GET / HTTP/1.1\r\nx-slow: ").await).await;
    assert_eq!(answer, "");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let service = Service::open(HttpLimits::default()).await;
    let head = format!("GET / HTTP/1.1\r\nx-large: {}\r\n\r\n", "x".repeat(17 * 1024));
    let answer = read_to_close(service.connect(&head).await).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn a_body_that_does_not_end_is_answered_with_408() {
    let limits = HttpLimits { body_read_timeout: SHORT, ..HttpLimits::default() };
    let service = Service::open(limits).await;
    let head = "POST /orders HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 100\r\n";
    let answer = read_to_close(service.connect(&format!("{head}\r\n{{")).await).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("urn:farandole:problem:request-timeout"), "{answer}");
}

#[tokio::test]
async fn a_body_that_drips_is_answered_with_408() {
    let limits = HttpLimits { body_read_timeout: SHORT, ..HttpLimits::default() };
    let service = Service::open(limits).await;
    let head =
        "POST /orders HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n";
    let (mut read, mut write) = service.connect(&format!("{head}\r\n")).await.into_split();
    let dripping = tokio::spawn(async move {
        let mut interval = tokio::time::interval(SHORT / 10);
        while write.write_all(b" ").await.is_ok() {
            interval.tick().await;
        }
    });
    let mut status = [0; 12];
    tokio::time::timeout(PATIENCE, read.read_exact(&mut status)).await.unwrap().unwrap();
    assert_eq!(&status, b"HTTP/1.1 408");
    dripping.abort();
}

#[tokio::test]
async fn who_does_not_read_the_answer_does_not_keep_the_connection() {
    let limits = HttpLimits { write_timeout: SHORT, connections: 1, ..HttpLimits::default() };
    let service = Service::open(limits).await;
    let deaf = service.connect("GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
    // With one connection at a time, an answer to another client means that the first has lost it.
    let answered = tokio::time::timeout(PATIENCE, service.get("/health/live")).await;
    assert_eq!(answered.unwrap().status(), 200);
    drop(deaf);
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let limits = HttpLimits { connections: 1, ..HttpLimits::default() };
    let service = Service::open(limits).await;
    let first = tokio::spawn(
        reqwest::Client::new().get(service.url("/held")).header("connection", "close").send(),
    );
    service.hold.held.notified().await;
    let mut second = service.connect("GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut byte = [0];
    assert!(tokio::time::timeout(SHORT, second.read_exact(&mut byte)).await.is_err());
    service.hold.release.notify_one();
    assert_eq!(first.await.unwrap().unwrap().status(), 200);
    tokio::time::timeout(PATIENCE, second.read_exact(&mut byte)).await.unwrap().unwrap();
}
