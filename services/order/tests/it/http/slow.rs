//! Clients that take their time, or don't wait for the answer.

use std::time::Duration;

use testkit::http::order;
use testkit::{Sandbox, api, eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};

use super::{count, fresh, order_of, shop};

/// Twice what the service gives a client.
const PATIENCE: Duration = Duration::from_secs(20);

async fn open() -> TcpStream {
    let port = shop().await.service.port();
    TcpStream::connect(("127.0.0.1", port)).await.unwrap()
}

fn head(key: &str, more: &str) -> String {
    format!(
        "POST /orders HTTP/1.1\r\nhost: shop\r\nidempotency-key: {key}\r\n\
         content-type: application/json\r\n{more}\r\n"
    )
}

/// Sends a byte from time to time, for as long as the service listens; returns its answer.
async fn drip(stream: TcpStream, byte: &'static [u8]) -> String {
    let (mut read, mut write) = stream.into_split();
    let dripping = tokio::spawn(async move {
        let mut interval = interval(Duration::from_millis(200));
        while write.write_all(byte).await.is_ok() {
            interval.tick().await;
        }
    });
    let mut answer = Vec::new();
    // A reset is an end too.
    let _ = timeout(PATIENCE, read.read_to_end(&mut answer)).await.expect("it stayed open");
    dripping.abort();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_head_that_drips_loses_the_connection() {
    let mut stream = open().await;
    stream.write_all(b"POST /orders HTTP/1.1\r\nx-slow: ").await.unwrap();
    assert_eq!(drip(stream, b"x").await, "");
}

#[tokio::test]
async fn a_body_that_drips_is_answered_with_408() {
    let mut stream = open().await;
    let head = head(&fresh("key"), "content-length: 60000\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = drip(stream, b" ").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("urn:farandole:problem:request-timeout"), "{answer}");
}

#[tokio::test]
async fn a_body_without_end_is_answered_with_413() {
    let mut stream = open().await;
    let head = head(&fresh("key"), "transfer-encoding: chunked\r\nconnection: close\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    for _ in 0..17 {
        stream.write_all(chunk.as_bytes()).await.unwrap();
    }
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("urn:farandole:problem:payload-too-large"), "{answer}");
}

#[tokio::test]
async fn who_leaves_right_after_asking_has_placed_the_order() {
    let shop = shop().await;
    let database = shop.database();
    for _ in 0..20 {
        let (key, customer) = (fresh("key"), fresh("c"));
        let order = order_of(&customer);
        let body = order.to_string();
        let mut stream = open().await;
        let length = format!("content-length: {}\r\n", body.len());
        stream.write_all(format!("{}{body}", head(&key, &length)).as_bytes()).await.unwrap();
        drop(stream);

        eventually("the order is placed", PATIENCE, async || {
            (count(&database, &customer).await == 1).then_some(())
        })
        .await;
        let again = shop.api().place(&key, &order).await;
        assert_eq!(again.expect(201)["customer_id"], customer.as_str());
        assert_eq!(count(&database, &customer).await, 1);
    }
}

#[tokio::test]
async fn half_a_request_places_nothing() {
    let shop = shop().await;
    let (key, body) = (fresh("key"), order("tea", 1).to_string());
    let mut stream = open().await;
    let length = format!("content-length: {}\r\n", body.len());
    let half = &body[..body.len() / 2];
    stream.write_all(format!("{}{half}", head(&key, &length)).as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it stayed open");
    let placed = sqlx::query_scalar("SELECT count(*) FROM orders WHERE idempotency_key = $1");
    let placed: i64 = placed.bind(&key).fetch_one(&shop.database()).await.unwrap();
    assert_eq!(placed, 0);
}

/// The answer says when to come again, and then the order is taken.
#[tokio::test]
async fn a_client_that_is_too_fast_is_slowed_down() {
    let sandbox = Sandbox::new();
    sandbox.prepare_fleet().await;
    let service = sandbox.service("order", 1, &[("CLIENT_RATE_MAX", "2")]).await;
    service.start().await.unwrap();
    let api = api(&service);
    super::stock_catalogue(&api).await;
    let place = async |key: String| api.place(&key, &order("tea", 1)).await;
    let mut refused = None;
    for _ in 0..20 {
        let key = fresh("key");
        let answer = place(key.clone()).await;
        if answer.status == 429 {
            refused = Some((key, answer));
            break;
        }
        answer.expect(201);
    }
    let (key, answer) = refused.expect("two a second, not twenty");
    assert_eq!(answer.headers["retry-after"], "1");
    eventually("its turn has come", PATIENCE, async || {
        (place(key.clone()).await.status == 201).then_some(())
    })
    .await;
}
