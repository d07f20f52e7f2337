//! Windows of topics, looked at from outside.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use farandole_kafka::{AdminError, Bounds, Window, scan, windows};
use jiff::Timestamp;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use testkit::{Sandbox, eventually};
use tokio::task::spawn_blocking;

use crate::PATIENCE;

/// Offsets by topic and partition.
type Found = BTreeMap<(String, i32), Vec<i64>>;

async fn look(brokers: &str, topics: &[String], bounds: Bounds) -> Vec<Window> {
    let (brokers, topics) = (brokers.to_owned(), topics.to_vec());
    spawn_blocking(move || windows(&brokers, &topics, bounds)).await.unwrap().unwrap()
}

/// What a scan comes by, and how it ends; it breaks off after `most` records.
async fn found(brokers: &str, windows: Vec<Window>, most: usize) -> Found {
    let brokers = brokers.to_owned();
    let scan = move || {
        let (mut found, mut count) = (Found::new(), 0);
        scan(&brokers, &windows, |record| {
            count += 1;
            assert_eq!(record.header("name"), None);
            assert!(record.timestamp.is_some() && record.payload.is_some());
            let place = (record.topic.to_owned(), record.partition);
            found.entry(place).or_default().push(record.offset);
            if count == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
        found
    };
    spawn_blocking(scan).await.unwrap()
}

fn window(topic: &str, partition: i32, from: i64, to: i64) -> Window {
    Window { topic: topic.to_owned(), partition, from, to }
}

/// Waits until the topics hold this. A transaction's mark comes a little after the producer is told
/// that the transaction has ended.
async fn until_marked(brokers: &str, topics: &[String], expected: &[Window]) -> Vec<Window> {
    eventually("the transactions' marks", PATIENCE, || async {
        let all = look(brokers, topics, Bounds::Everything).await;
        (all == expected).then_some(all)
    })
    .await
}

#[tokio::test]
async fn a_scan_ends_where_the_log_does_whatever_is_missing() {
    let sandbox = Sandbox::new();
    sandbox.create_topics(&["one", "other"], 2).await;
    let brokers = sandbox.stack.kafka_brokers.as_str();
    let topics = ["one", "other"].map(|service| sandbox.topics.events(service));
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("transactional.id", &sandbox.prefix)
        .create()
        .unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    let send = |topic: &str, partition, records: i32, commit: bool| {
        producer.begin_transaction().unwrap();
        for _ in 0..records {
            let record = BaseRecord::<(), str>::to(topic).partition(partition).payload("x");
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(PATIENCE).unwrap();
        if commit {
            producer.commit_transaction(PATIENCE).unwrap();
        } else {
            producer.abort_transaction(PATIENCE).unwrap();
        }
    };
    let expected =
        [window(&topics[0], 0, 0, 4), window(&topics[0], 1, 0, 3), window(&topics[1], 1, 0, 6)];
    // Each transaction's mark takes an offset and is never seen. What was aborted is: what is
    // written is said.
    send(&topics[0], 0, 3, true);
    send(&topics[0], 1, 2, false);
    until_marked(brokers, &topics, &expected[..2]).await;
    // Kafka's times are whole milliseconds: leave one between before and after.
    tokio::time::sleep(Duration::from_millis(2)).await;
    let between = Timestamp::now();
    send(&topics[1], 1, 2, true);
    send(&topics[1], 1, 2, false);

    let all = until_marked(brokers, &topics, &expected).await;
    let seen = found(brokers, all.clone(), usize::MAX).await;
    let (first, second) = ((topics[0].clone(), 0), (topics[1].clone(), 1));
    let aborted = (topics[0].clone(), 1);
    let expected_records =
        [(first.clone(), vec![0, 1, 2]), (aborted, vec![0, 1]), (second, vec![0, 1, 3, 4])];
    assert_eq!(seen, Found::from(expected_records));
    assert_eq!(found(brokers, all, 2).await, Found::from([(first.clone(), vec![0, 1])]));
    let middle = vec![window(&topics[0], 0, 1, 2)];
    assert_eq!(found(brokers, middle, usize::MAX).await, Found::from([(first, vec![1])]));

    let late = Bounds::Times { from: Some(between), to: None };
    assert_eq!(look(brokers, &topics, late).await, expected[2..]);
    let early = Bounds::Times { from: None, to: Some(between) };
    assert_eq!(look(brokers, &topics, early).await, expected[..2]);
}

#[tokio::test]
async fn a_topic_that_is_not_there_is_named() {
    let sandbox = Sandbox::new();
    let (brokers, topic) = (sandbox.stack.kafka_brokers.clone(), sandbox.topics.events("none"));
    let missing = spawn_blocking({
        let topics = vec![topic.clone()];
        move || windows(&brokers, &topics, Bounds::Everything)
    });
    assert!(matches!(missing.await.unwrap(), Err(AdminError::Missing(name)) if name == topic));
}
