use std::time::Duration;

use declarations::SERVICES;
use farandole_cli::{TopicShape, check_topics, create_topics};
use kafka::{Admin, Topic, TopicReport};
use testkit::Sandbox;

use crate::run;

/// Each service's events and dead letters, and what operators decide.
fn topics() -> usize {
    2 * SERVICES.len() + 1
}

#[tokio::test]
async fn topics_are_created_once() {
    let (sandbox, all) = (Sandbox::new(), topics());
    let check = ["topics", "create", "--check"];
    run(&sandbox, &check).await.exits(1).says(&format!("{all} of {all} topics are missing"));
    run(&sandbox, &["topics", "create"]).await.exits(0).says(&format!("{all} of them new"));
    run(&sandbox, &["topics", "create"]).await.exits(0).says("0 of them new");
    run(&sandbox, &check)
        .await
        .exits(0)
        .says(&sandbox.topics.events("order"))
        .says("3 partitions × 1, kept for 7d")
        .says(&sandbox.topics.dead_letters("order"))
        .says("3 partitions × 1, kept for ever")
        .says(&sandbox.topics.operations())
        .says("1 partition × 1, kept for ever");
}

#[tokio::test]
async fn a_topic_that_differs_is_reported_and_left_alone() {
    let sandbox = Sandbox::new();
    sandbox.create_topics(&["payment"], 6).await;
    run(&sandbox, &["topics", "create", "--partitions", "3", "--retention", "12h"])
        .await
        .exits(1)
        .says("differs  3 partitions × 1, kept for 12h   6 partitions × 1, kept for 7d")
        .says("differs  3 partitions × 1, kept for ever  6 partitions × 1, kept for ever")
        .says(&format!("2 of {} topics differ", topics()));

    let admin = Admin::new(&sandbox.stack.kafka_brokers).unwrap();
    let names = ["payment", "order"].map(|service| sandbox.topics.events(service));
    let found = admin.inspect(&names).await.unwrap();
    let shape = |topic: &Topic| (topic.partitions, topic.replication, topic.retention);
    assert_eq!(shape(&found[&names[0]]), (6, 1, Some(Duration::from_hours(7 * 24))));
    assert_eq!(shape(&found[&names[1]]), (3, 1, Some(Duration::from_hours(12))));
}

#[tokio::test]
async fn a_new_services_topics_get_as_many_partitions_as_the_others_have() {
    let sandbox = Sandbox::new();
    sandbox.create_topics(&["payment", "order"], 6).await;
    run(&sandbox, &["topics", "create"]).await.exits(0).says("6 partitions × 1, kept for 7d");
    run(&sandbox, &["topics", "create", "--check"])
        .await
        .exits(0)
        .says(&format!("All {} topics are there", topics()));
}

#[tokio::test]
async fn quotas_are_shown_asked_about_noted_and_removed() {
    let sandbox = Sandbox::new();
    run(&sandbox, &["topics", "create"]).await.exits(0);
    let low = ["topics", "create", "--producer-byte-rate", "2000"];
    run(&sandbox, &low).await.exits(2).says("add --yes");
    let check = ["topics", "create", "--check"];
    run(&sandbox, &check).await.exits(0);
    let set = [&low[..], &["--yes", "--by", "ada", "--reason", "a flood"]].concat();
    // The broker hears of it a little later than the controller says that it is done.
    run(&sandbox, &set).await.exits(0).says("2000 bytes/s");
    let found = run(&sandbox, &check).await.exits(1);
    found
        .says(&sandbox.topics.group("payment"))
        .says("2000 bytes/s")
        .says("--producer-byte-rate none");
    run(&sandbox, &[&check[..], &["--producer-byte-rate", "2000"]].concat()).await.exits(0);
    run(&sandbox, &["topics", "create", "--producer-byte-rate", "none"]).await.exits(0);
    run(&sandbox, &check).await.exits(0);
    let log = run(&sandbox, &["dlq", "log"]).await.exits(0);
    log.says("set quotas")
        .says("ada")
        .says("a flood")
        .says("before: no quotas")
        .says("2000 bytes/s");
}

#[tokio::test]
async fn created_topics_can_be_used_at_once() {
    let sandbox = Sandbox::new();
    let admin = Admin::new(&sandbox.stack.kafka_brokers).unwrap();
    let shape = TopicShape::default();
    let created = create_topics(&admin, &sandbox.topics, &shape).await.unwrap();
    assert!(created.iter().all(|(_, report)| *report == TopicReport::Created), "{created:?}");
    let found = check_topics(&admin, &sandbox.topics, &shape).await.unwrap();
    assert!(found.iter().all(|(_, report)| *report == TopicReport::AsPlanned), "{found:?}");
}

#[tokio::test]
async fn what_kafka_refuses_is_told() {
    let sandbox = Sandbox::new();
    run(&sandbox, &["topics", "create", "--replication", "3"])
        .await
        .exits(1)
        .says("Kafka refuses: creating")
        .says("replication factor");
    run(&sandbox, &["topics", "create", "--retention", "never"]).await.exits(2).says("7d or 12h");
}

#[tokio::test]
async fn a_setting_that_decides_what_is_kept_or_taken_is_checked() {
    let sandbox = Sandbox::new();
    run(&sandbox, &["topics", "create"]).await.exits(0);
    for (name, value) in [
        ("cleanup.policy", "compact"),
        ("retention.bytes", "1000000"),
        ("max.message.bytes", "100"),
        ("compression.type", "zstd"),
        ("message.timestamp.before.max.ms", "1000"),
    ] {
        sandbox.set_topic(&sandbox.topics.events("order"), name, value).await;
        run(&sandbox, &["topics", "create", "--check"])
            .await
            .exits(1)
            .says("order.events")
            .says(&format!("{name}={value}"));
    }
}
