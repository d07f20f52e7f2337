use std::time::Duration;

use farandole_cli::{TopicShape, check_topics, create_topics};
use kafka::{Admin, Topic, TopicReport};
use testkit::World;

use crate::run;

#[tokio::test]
async fn topics_are_created_once() {
    let world = World::new();
    let check = ["topics", "create", "--check"];
    run(&world, &check).await.exits(1).says("11 of 11 topics are missing");
    run(&world, &["topics", "create"]).await.exits(0).says("11 of them new");
    run(&world, &["topics", "create"]).await.exits(0).says("0 of them new");
    run(&world, &check)
        .await
        .exits(0)
        .says(&world.topics.events("order"))
        .says("3 partitions × 1, kept for 7d")
        .says(&world.topics.dead_letters("order"))
        .says("3 partitions × 1, kept for ever")
        .says(&world.topics.operations())
        .says("1 partition × 1, kept for ever");
}

#[tokio::test]
async fn a_topic_that_differs_is_reported_and_left_alone() {
    let world = World::new();
    world.create_topics(&["payment"], 6).await;
    run(&world, &["topics", "create", "--retention", "12h"])
        .await
        .exits(1)
        .says("differs  3 partitions × 1, kept for 12h   6 partitions × 1, kept for 7d")
        .says("differs  3 partitions × 1, kept for ever  6 partitions × 1, kept for ever")
        .says("2 of 11 topics differ");

    let admin = Admin::new(&world.stack.kafka_brokers).unwrap();
    let names = ["payment", "order"].map(|service| world.topics.events(service));
    let found = admin.inspect(&names).await.unwrap();
    let shape = |topic: &Topic| (topic.partitions, topic.replication, topic.retention);
    assert_eq!(shape(&found[&names[0]]), (6, 1, Some(Duration::from_hours(7 * 24))));
    assert_eq!(shape(&found[&names[1]]), (3, 1, Some(Duration::from_hours(12))));
}

#[tokio::test]
async fn created_topics_can_be_used_at_once() {
    let world = World::new();
    let admin = Admin::new(&world.stack.kafka_brokers).unwrap();
    let shape = TopicShape::default();
    let created = create_topics(&admin, &world.topics, &shape).await.unwrap();
    assert!(created.iter().all(|(_, report)| *report == TopicReport::Created), "{created:?}");
    let found = check_topics(&admin, &world.topics, &shape).await.unwrap();
    assert!(found.iter().all(|(_, report)| *report == TopicReport::AsPlanned), "{found:?}");
}

#[tokio::test]
async fn what_kafka_refuses_is_told() {
    let world = World::new();
    run(&world, &["topics", "create", "--replication", "3"])
        .await
        .exits(1)
        .says("Kafka refuses: creating")
        .says("replication factor");
    run(&world, &["topics", "create", "--retention", "never"]).await.exits(2).says("7d or 12h");
}
