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
    let answer =
        read_to_close(service.connect("GET / HTTP/1.1\r\nhost: x\r\nx-slow: ").await).await;
    assert_eq!(answer, "");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let service = Service::open(HttpLimits::default()).await;
    let (large, long) = ("x".repeat(17 * 1024), "x".repeat(9 * 1024));
    let many = "x-many: x\r\n".repeat(101);
    let end = "host: x\r\nconnection: close\r\n\r\n";
    for (head, status, slug) in [
        (format!("GET / HTTP/1.1\r\nx-large: {large}\r\n{end}"), 431, "headers-too-large"),
        (format!("GET / HTTP/1.1\r\n{many}{end}"), 431, "headers-too-large"),
        (format!("GET /{long} HTTP/1.1\r\n{end}"), 414, "uri-too-long"),
    ] {
        let answer = read_to_close(service.connect(&head).await).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains(&format!("urn:farandole:problem:{slug}")), "{answer}");
    }
    // Far past that, there is the status alone.
    let head = format!("GET / HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n", large.repeat(2));
    let answer = read_to_close(service.connect(&head).await).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn who_has_said_all_still_gets_the_answer() {
    let service = Service::open(HttpLimits::default()).await;
    for head in ["GET /orders/1", "GET /held"] {
        let mut stream = service.connect(&format!("{head} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        stream.shutdown().await.unwrap();
        if head == "GET /held" {
            service.hold.held.notified().await;
            service.hold.release.notify_one();
        }
        let answer = read_to_close(stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

/// Who connects and says nothing, or is done and stays, keeps nobody out.
#[tokio::test]
async fn a_full_house_makes_room_for_who_has_something_to_say() {
    let limits = HttpLimits { connections: 8, ..HttpLimits::default() };
    let service = Service::open(limits).await;
    let ask = async || {
        let asking = reqwest::Client::new().get(service.url("/health/live")).send();
        tokio::time::timeout(PATIENCE / 4, asking).await.expect("no room").unwrap().status()
    };
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(service.connect("").await);
    }
    let mut idle = service.connect("GET /orders/1 HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut answer = [0; 12];
    idle.read_exact(&mut answer).await.unwrap();
    for _ in 0..20 {
        assert_eq!(ask().await, 200);
        silent.push(service.connect("G").await);
    }
    assert_eq!(read_to_close(silent.swap_remove(0)).await, "", "the oldest had to go");
    idle.write_all(b"GET /orders/2 HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    idle.read_exact(&mut answer).await.expect("it went although silent ones were there");
}

#[tokio::test]
async fn a_body_that_does_not_end_is_answered_with_408() {
    let limits = HttpLimits { body_read_timeout: SHORT, ..HttpLimits::default() };
    let service = Service::open(limits).await;
    let head = "POST /orders HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n";
    let answer = read_to_close(service.connect(&format!("{head}\r\n{{")).await).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("urn:farandole:problem:request-timeout"), "{answer}");
}

#[tokio::test]
async fn a_body_that_drips_is_answered_with_408() {
    let limits = HttpLimits { body_read_timeout: SHORT, ..HttpLimits::default() };
    let service = Service::open(limits).await;
    let head = "POST /orders HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n";
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
