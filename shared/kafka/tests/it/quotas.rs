//! Quotas hold back the client that they are for, and no other.

use std::time::{Duration, Instant};

use farandole_kafka::{AdminError, ClientQuota, Limit, Quota, quotas, set_quotas};
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use testkit::Sandbox;

use crate::PATIENCE;
/// Whose topic is written to.
const UPSTREAM: &str = "upstream";

/// How long it takes this client to send half a megabyte, piece by piece.
async fn send(sandbox: &Sandbox, client_id: &str) -> Duration {
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &sandbox.stack.kafka_brokers)
        .set("client.id", client_id)
        .create()
        .unwrap();
    let topic = sandbox.topics.events(UPSTREAM);
    let payload = vec![0; 100_000];
    let begin = Instant::now();
    for _ in 0..5 {
        let record = FutureRecord::to(&topic).key("key").payload(&payload);
        producer.send(record, PATIENCE).await.unwrap();
    }
    begin.elapsed()
}

#[tokio::test]
async fn a_client_with_a_quota_is_slowed_down() {
    let sandbox = Sandbox::new();
    sandbox.create_topics(&[UPSTREAM], 1).await;
    let (slow, free) = (sandbox.topics.group("slow"), sandbox.topics.group("free"));
    let quota = Quota { producer: Limit::Set(20_000), consumer: Limit::Set(1_000_000) };
    let brokers = &sandbox.stack.kafka_brokers;
    set_quotas(brokers, std::slice::from_ref(&slow), quota).await.unwrap();
    // The broker hears of it a little later than the controller says that it is done.
    let begin = Instant::now();
    while send(&sandbox, &slow).await < Duration::from_secs(1) {
        assert!(begin.elapsed() < PATIENCE, "it is never slowed down");
    }
    assert!(send(&sandbox, &free).await < Duration::from_secs(1), "another one is not");
    let found = quotas(brokers, &[slow.clone(), free]).await.unwrap();
    let client = Some(slow.clone());
    let (producer_bytes, consumer_bytes) = (Some(20_000.0), Some(1_000_000.0));
    assert_eq!(found, [ClientQuota { client, producer_bytes, consumer_bytes }]);
    let none = Quota { producer: Limit::Remove, consumer: Limit::Leave };
    set_quotas(brokers, std::slice::from_ref(&slow), none).await.unwrap();
    while quotas(brokers, std::slice::from_ref(&slow)).await.unwrap()[0].producer_bytes.is_some() {
        assert!(begin.elapsed() < PATIENCE, "it is never removed");
    }
}

#[tokio::test]
async fn what_kafka_refuses_is_told() {
    let sandbox = Sandbox::new();
    let brokers = &sandbox.stack.kafka_brokers;
    let none = Quota { producer: Limit::Set(0), consumer: Limit::Leave };
    let refused = set_quotas(brokers, &["a client".to_owned()], none).await;
    assert!(matches!(refused, Err(AdminError::Refused(_))), "{refused:?}");
    let nobody = set_quotas("127.0.0.1:1", &["a client".to_owned()], Quota::default()).await;
    assert!(matches!(nobody, Err(AdminError::Unavailable { .. })), "{nobody:?}");
}
