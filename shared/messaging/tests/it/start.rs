//! A start that cannot succeed is refused, with words that say what to do.

use std::time::{Duration, Instant};

use farandole_messaging::LoopSettings;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use testkit::{LateRegistry, Sandbox};

use crate::instance::Instance;
use crate::letter::{Letter, new_orders, rounds};
use crate::stage::{PATIENCE, Stage, database, register, settings_in};
use crate::tally::{ANSWERED, Action, COUNTED, INSERTED, SIDESTREAM, TALLY, UPSTREAM};

async fn refusal(sandbox: &Sandbox, settings: LoopSettings) -> String {
    let nobody = "127.0.0.1:9".parse().unwrap();
    let started = Instance::start(&database(sandbox).await, nobody, settings).await;
    started.err().expect("it must not start").to_string()
}

fn assert_says(refusal: &str, parts: &[&str]) {
    for part in parts {
        assert!(refusal.contains(part), "{refusal:?} does not say {part:?}");
    }
}

const REGISTER: &str = "run `farandole schemas register`";
const CREATE: &str = "run `farandole topics create`";

#[tokio::test]
async fn a_schema_that_is_not_registered_is_named() {
    let sandbox = Sandbox::new();
    let settings = settings_in(&sandbox);
    let refused = refusal(&sandbox, settings).await;
    let subject = sandbox.topics.subject(TALLY, "Counted");
    assert_says(&refused, &[&subject, "is not in the schema registry", REGISTER]);

    let sandbox = Sandbox::new();
    sandbox.register(TALLY, "Counted", COUNTED).await;
    sandbox.register(TALLY, "Answered", ANSWERED).await;
    sandbox.register(SIDESTREAM, "Inserted", INSERTED).await;
    let refused = refusal(&sandbox, settings_in(&sandbox)).await;
    let subject = sandbox.topics.subject(UPSTREAM, "Added");
    assert_says(&refused, &[&subject, "is not in the schema registry", REGISTER]);
}

#[tokio::test]
async fn a_writer_that_cannot_be_read_is_named() {
    let sandbox = Sandbox::new();
    let lacking = r#"{"type":"record","name":"farandole.upstream.Added","fields":[
        {"name":"action","type":"string"}]}"#;
    sandbox.register(TALLY, "Counted", COUNTED).await;
    sandbox.register(TALLY, "Answered", ANSWERED).await;
    sandbox.register(SIDESTREAM, "Inserted", INSERTED).await;
    sandbox.register(UPSTREAM, "Added", lacking).await;
    let refused = refusal(&sandbox, settings_in(&sandbox)).await;
    let subject = sandbox.topics.subject(UPSTREAM, "Added");
    assert_says(&refused, &[&subject, "cannot be read", "number"]);
}

#[tokio::test]
async fn a_registry_that_does_not_keep_to_its_ids_is_refused() {
    let stage = Stage::set_narrow().await;
    let other = r#"{"type":"record","name":"farandole.tally.Answered","fields":[
        {"name":"answer","type":"string"}]}"#;
    let counted = stage.sandbox.register(TALLY, "Counted", COUNTED).await;
    let odd = LateRegistry::with_id(&stage.sandbox.stack, counted, other.to_owned()).await;
    let settings =
        || LoopSettings { schema_registry: odd.url.parse().unwrap(), ..stage.settings() };
    let subject = stage.sandbox.topics.subject(TALLY, "Counted");
    let id = format!("the id {counted}");
    let refused = refusal(&stage.sandbox, settings()).await;
    assert_says(&refused, &[&subject, &id, "nothing", "Confluent's API", "SCHEMA_REGISTRY_URL"]);
    odd.register();
    let refused = refusal(&stage.sandbox, settings()).await;
    assert_says(&refused, &[&subject, &id, "another schema", "farandole.tally.Counted"]);
}

#[tokio::test]
async fn a_topic_that_is_missing_or_differs_in_partitions_is_named() {
    let sandbox = Sandbox::new();
    register(&sandbox).await;
    sandbox.create_topics(&[UPSTREAM, TALLY], 3).await;
    let sidestream = sandbox.topics.events(SIDESTREAM);
    let refused = refusal(&sandbox, settings_in(&sandbox)).await;
    assert_says(&refused, &[&sidestream, "does not exist", CREATE]);

    sandbox.create_topics(&[SIDESTREAM], 2).await;
    let refused = refusal(&sandbox, settings_in(&sandbox)).await;
    let upstream = sandbox.topics.events(UPSTREAM);
    assert_says(&refused, &[&sidestream, "2 partitions", &upstream, "has 3", "same number"]);
}

#[tokio::test]
async fn a_topic_that_loses_records_or_takes_none_is_named() {
    let stage = Stage::set_narrow().await;
    let topics = &stage.sandbox.topics;
    for (topic, name, value, says) in [
        (topics.events(UPSTREAM), "cleanup.policy", "compact", "only the last event is kept"),
        (topics.events(TALLY), "cleanup.policy", "compact,delete", "only the last event is kept"),
        (topics.dead_letters(TALLY), "cleanup.policy", "compact", "only the last event is kept"),
    ] {
        stage.sandbox.set_topic(&topic, name, value).await;
        let refused = refusal(&stage.sandbox, stage.settings()).await;
        assert_says(&refused, &[&topic, says, "topics create --check"]);
        stage.sandbox.set_topic(&topic, "cleanup.policy", "delete").await;
    }
}

#[tokio::test]
async fn an_inbox_that_forgets_too_early_is_refused() {
    let stage = Stage::set_narrow().await;
    let week = Duration::from_hours(7 * 24);
    let settings = LoopSettings { inbox_retention: week, ..stage.settings() };
    let refused = refusal(&stage.sandbox, settings).await;
    assert_says(&refused, &["set INBOX_RETENTION_S above 604800", "retention.ms"]);
    let settings =
        LoopSettings { inbox_retention: week + Duration::from_secs(1), ..stage.settings() };
    stage.start_with(settings).await.stop().await;
}

#[tokio::test]
async fn a_second_instance_of_the_same_name_ends_the_first_and_says_why() {
    let stage = Stage::set_narrow().await;
    let named = || LoopSettings { group_instance_id: Some("a".to_owned()), ..stage.settings() };
    let first = stage.start_with(named()).await;
    // It has joined when it has read something.
    stage.send(&rounds(stage.ids, &new_orders(1), 1)).await;
    stage.until_done(1).await;
    let second = stage.start_with(named()).await;
    assert_says(&first.until_ended().await, &["again and again", "KAFKA_GROUP_INSTANCE_ID"]);
    second.stop().await;
}

#[tokio::test]
async fn an_instance_that_is_fenced_once_joins_again() {
    let stage = Stage::set_narrow().await;
    let named = LoopSettings { group_instance_id: Some("a".to_owned()), ..stage.settings() };
    let instance = stage.start_with(named.clone()).await;
    let sagas = new_orders(1);
    stage.send(&rounds(stage.ids, &sagas, 1)).await;
    stage.until_done(1).await;
    tokio::task::spawn_blocking(move || take_the_place_of(&named)).await.unwrap();
    stage.send(&rounds(stage.ids, &sagas, 1)).await;
    stage.until_done(2).await;
    instance.stop().await;
}

/// Nobody listens to Kafka's word during the batch; it is heard after that.
#[tokio::test]
async fn an_instance_that_is_fenced_during_a_long_batch_joins_again() {
    let stage = Stage::set_narrow().await;
    let named = LoopSettings { group_instance_id: Some("a".to_owned()), ..stage.settings() };
    let instance = stage.start_with(named.clone()).await;
    let sagas = new_orders(5);
    let [first, second, third] = [1, 2, 3].map(|number| {
        let letter = |saga| Letter::new(stage.ids, saga, number, Action::Count);
        sagas.iter().copied().map(letter).collect::<Vec<Letter>>()
    });
    stage.send(&first).await;
    stage.until_done(5).await;

    let mut lock = stage.pool.begin().await.unwrap();
    let table = sqlx::query("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE");
    table.execute(&mut *lock).await.unwrap();
    stage.send(&second).await;
    tokio::time::sleep(LONG).await;
    let impostor = tokio::task::spawn_blocking(move || take_the_place_of(&named));
    tokio::time::sleep(PAST_A_HEARTBEAT).await;
    lock.rollback().await.unwrap();
    stage.send(&third).await;
    stage.until_done(15).await;
    impostor.await.unwrap();
    instance.stop().await;
    stage.assert_took_effect_once(&[first, second, third].concat()).await;
}

/// After so long the instance polls beside its work.
const LONG: Duration = Duration::from_secs(25);
/// By then Kafka has told an instance that it is fenced.
const PAST_A_HEARTBEAT: Duration = Duration::from_secs(8);

/// Joins as the member of that name, as Kafka sees it when an answer is lost, and returns when the
/// other has taken its place back.
fn take_the_place_of(settings: &LoopSettings) {
    let impostor: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &settings.kafka_brokers)
        .set("group.id", settings.topics.group(TALLY))
        .set("group.instance.id", settings.group_instance_id.as_ref().unwrap())
        .set("partition.assignment.strategy", "range")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    impostor.subscribe(&[&settings.topics.events(UPSTREAM)]).unwrap();
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        let fatal = impostor.poll(Duration::from_millis(100)).and_then(Result::err);
        if let Some(KafkaError::MessageConsumptionFatal(code)) = fatal {
            assert_eq!(code, RDKafkaErrorCode::FencedInstanceId);
            return;
        }
    }
    panic!("nobody has taken the place back");
}
