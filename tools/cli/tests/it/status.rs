//! One look at everything.

use std::time::{Duration, Instant};

use declarations::SERVICES;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::books::Books;
use crate::{Run, output, program};

/// Something that answers every request with this, or with nothing at all.
async fn listens(answer: Option<(&'static str, &'static str)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let Some((status, body)) = answer else {
                held.push(stream);
                continue;
            };
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
                     connection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    url
}

const READY: Option<(&str, &str)> = Some(("200 OK", r#"{"ready":true,"components":{}}"#));

async fn look(books: &Books, urls: &[(&str, &str)], words: &[&str]) -> (Run, Duration) {
    let mut command = program(&books.sandbox, &[&["status"], words].concat());
    for service in SERVICES {
        let variable = format!("{}_DATABASE_URL", service.to_uppercase());
        command.env(variable, books.sandbox.database_url(service));
    }
    for (service, url) in urls {
        command.env(format!("{}_URL", service.to_uppercase()), url);
    }
    let began = Instant::now();
    (output(command).await, began.elapsed())
}

#[tokio::test]
async fn each_way_not_to_answer_is_told_from_the_others_within_two_seconds() {
    let books = Books::new().await;
    books.sandbox.prepare_fleet().await;
    let not_ready = r#"{"ready":false,"components":{"postgres":{"status":"not_ready",
        "reason":"no answer in time"}}}"#;
    let urls = [
        ("order", listens(READY).await),
        ("inventory", listens(Some(("503 Service Unavailable", not_ready))).await),
        ("payment", listens(None).await),
        ("shipping", "http://127.0.0.1:9".to_owned()),
        ("notification", listens(Some(("404 Not Found", "<html>"))).await),
    ];
    let urls = urls.each_ref().map(|(name, url)| (*name, url.as_str()));
    let (run, took) = look(&books, &urls, &[]).await;
    assert!(took < Duration::from_secs(3), "{took:?}");
    run.exits(1)
        .says("Something is wrong:")
        .says("inventory: is not ready (postgres: no answer in time)")
        .says("does not answer within 1.5 s")
        .says("nobody answers at http://127.0.0.1:9")
        .says("something else listens there")
        .says("ps -o pid,stat,etime -C payment");
    // Nothing of it answers.
    let (run, took) = look(&books, &urls, &["--kafka-brokers", "127.0.0.1:9"]).await;
    assert!(took < Duration::from_secs(3), "{took:?}");
    run.exits(1).says("several services' consumer group");
}

#[tokio::test]
async fn what_waits_and_for_how_long_is_told_with_what_to_do() {
    let books = Books::new().await;
    books.sandbox.prepare_fleet().await;
    let order = Uuid::now_v7();
    let trouble = format!(
        "INSERT INTO outbox_bundles (bundle_id, instance, committed_at, event_ids, sagas,
           sequences, event_types, times, correlation_ids, causation_ids, traceparents, payloads,
           follows)
         VALUES (1, 1, now() - interval '50 seconds', ARRAY[gen_random_uuid()],
           ARRAY['{order}'::uuid], '{{1}}', '{{OrderPlaced}}', ARRAY[now()], '{{c}}', '{{c}}',
           '{{NULL}}', '{{\"\"}}', '{{NULL}}');
         INSERT INTO retry_queue (topic, partition, record_offset, saga, header_names,
           header_values, attempts, due_at, first_failed_at, last_failed_at, errors)
         SELECT 't', 0, n, gen_random_uuid(), '{{ce_type}}', ARRAY['OrderPlaced']::bytea[], 2, now(),
           now() - interval '1 minute', now(), ARRAY['fraud rule ' || n] FROM generate_series(1, 6) n;
         INSERT INTO gaps (saga, source, sequence, partition, verdict)
           VALUES ('{order}', '/order', 1, 0, 'lost')"
    );
    books.write("payment", &trouble).await;
    for _ in 0..6 {
        books.order(Uuid::now_v7(), "cancelled", Some("timed_out")).await;
    }
    books.write("order", "UPDATE orders SET updated_at = now()").await;
    let url = listens(READY).await;
    let urls = SERVICES.map(|service| (service, url.as_str()));
    let (run, _) = look(&books, &urls, &[]).await;
    run.exits(1)
        .says("payment: cannot publish 1 event, the oldest for 5")
        .says("payment: tries 6 records again")
        .says("fraud rule")
        .says("farandole retries list")
        .says("6 orders were cancelled in the last 10 min because their time was up, the last ")
        .says("all waited for inventory")
        .says("misses events: 1 lost")
        .says("say that they are ready, but nobody is in the consumer group");
    let (run, _) = look(&books, &urls, &["--json"]).await;
    let told: Value = serde_json::from_str(&run.exits(1).output).unwrap();
    assert_eq!(told["well"], false);
    assert_eq!(told["facts"]["orders"]["cancelled"]["timed_out"], 6);
    assert_eq!(told["facts"]["services"][2]["database"]["outbox"]["events"], 1);
}
