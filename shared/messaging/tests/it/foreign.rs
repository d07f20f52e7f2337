//! Whatever Kafka can hold is read, or told of, whoever wrote it.

use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use crate::letter::{Letter, new_orders};
use crate::stage::{PATIENCE, Stage};
use crate::tally::{Action, TALLY, UPSTREAM};
use crate::topic;

fn letters(stage: &Stage, count: usize) -> Vec<Letter> {
    let sagas = new_orders(count).into_iter();
    sagas.map(|saga| Letter::new(stage.ids, saga, 1, Action::Count)).collect()
}

/// Somebody else's client, with settings of its own.
fn client(stage: &Stage, settings: &[(&str, &str)]) -> BaseProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &stage.sandbox.stack.kafka_brokers);
    for (name, value) in settings {
        config.set(*name, *value);
    }
    config.create().unwrap()
}

fn write(producer: &BaseProducer, stage: &Stage, letters: &[Letter]) {
    let topic = stage.sandbox.topics.events(UPSTREAM);
    for letter in letters {
        let headers = letter.headers.iter().fold(OwnedHeaders::new(), |headers, header| {
            headers.insert(Header { key: &header.0, value: Some(&header.1) })
        });
        let record = BaseRecord::to(&topic).key(&letter.key).payload(&letter.payload);
        producer.send(record.headers(headers)).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

#[tokio::test]
async fn every_compression_is_read() {
    let stage = Stage::set_narrow().await;
    let topic = stage.sandbox.topics.events(UPSTREAM);
    let instance = stage.start().await;
    let mut done = 0;
    // As the client packs them, and as the topic has them packed.
    for kept in ["producer", "zstd", "uncompressed"] {
        stage.sandbox.set_topic(&topic, "compression.type", kept).await;
        for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
            let letters = letters(&stage, 20);
            write(&client(&stage, &[("compression.type", codec)]), &stage, &letters);
            done += letters.len();
            stage.until_done(done).await;
        }
    }
    instance.stop().await;
    assert_eq!(stage.dead_letters().await.len(), 0);
}

#[tokio::test]
async fn a_transaction_that_somebody_leaves_open_hides_nothing() {
    let stage = Stage::set_narrow().await;
    let instance = stage.start().await;
    let theirs = client(&stage, &[("transactional.id", &stage.sandbox.prefix)]);
    theirs.init_transactions(PATIENCE).unwrap();
    theirs.begin_transaction().unwrap();
    write(&theirs, &stage, &letters(&stage, 1));
    let ours = letters(&stage, 10);
    stage.send(&ours).await;
    stage.until_done(11).await;
    theirs.abort_transaction(PATIENCE).unwrap();
    stage.send(&letters(&stage, 1)).await;
    stage.until_done(12).await;
    instance.stop().await;
}

/// The topic takes it, for it is small when it comes; it is far larger than what any topic takes
/// once it is unpacked.
#[tokio::test]
async fn what_is_small_on_its_way_and_large_here_is_a_dead_letter() {
    const LARGE: usize = 6_000_000;
    const LARGER_THAN_IS_KEPT: usize = 20_000_000;
    let stage = Stage::set_narrow().await;
    let topics = &stage.sandbox.topics;
    stage.sandbox.set_topic(&topics.events(UPSTREAM), "compression.type", "producer").await;
    let instance = stage.start().await;
    let most = [("compression.type", "gzip"), ("message.max.bytes", "100000000")];
    let packed = client(&stage, &most);
    for length in [LARGE, LARGER_THAN_IS_KEPT] {
        let mut letter = letters(&stage, 1).remove(0);
        letter.payload.resize(length, 0);
        write(&packed, &stage, &[letter]);
    }
    stage.send(&letters(&stage, 5)).await;
    stage.until_done(5).await;
    stage.until_count("dead_lettered", 2).await;
    instance.stop().await;
    let dead = stage.dead_letters().await;
    let whole = dead.iter().find(|letter| letter.payload.as_ref().unwrap().len() == LARGE).unwrap();
    assert_eq!(whole.header("farandole_dead_cut"), None);
    let cut = dead.iter().find_map(|letter| letter.header("farandole_dead_cut")).unwrap();
    assert_eq!(cut, LARGER_THAN_IS_KEPT.to_string());
    assert_eq!(stage.count("retry_queue").await, 0);
}

/// As with a dead-letter topic that somebody else has made.
#[tokio::test]
async fn a_letter_that_its_topic_does_not_take_is_there_without_its_payload() {
    let stage = Stage::set_narrow().await;
    let topics = &stage.sandbox.topics;
    stage.sandbox.set_topic(&topics.dead_letters(TALLY), "max.message.bytes", "20000").await;
    let instance = stage.start().await;
    let mut letter = letters(&stage, 1).remove(0);
    // Nothing that can be packed.
    letter.payload = std::iter::repeat_with(|| fastrand::u8(..)).take(100_000).collect();
    stage.send(&[letter.clone()]).await;
    stage.until_count("dead_lettered", 1).await;
    stage.until_count("retry_queue WHERE dead AND due_at = 'infinity'", 1).await;
    instance.stop().await;
    let dead = stage.dead_letters().await;
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].payload, None);
    assert_eq!(dead[0].header("farandole_dead_cut"), Some("100000"));
    let kept = sqlx::query_scalar("SELECT payload FROM retry_queue");
    let kept: Vec<u8> = kept.fetch_one(&stage.pool).await.unwrap();
    assert_eq!(letter.payload, kept, "it is kept");
}

#[tokio::test]
async fn a_topic_that_is_made_anew_is_told_of_and_read_from_its_beginning() {
    let stage = Stage::set_narrow().await;
    let topic = stage.sandbox.topics.events(UPSTREAM);
    let instance = stage.start().await;
    stage.send(&letters(&stage, 20)).await;
    stage.until_done(20).await;
    stage.until_count("topic_ends WHERE log_end = 20", 1).await;
    instance.stop().await;
    topic::delete(&stage.sandbox.stack.kafka_brokers, &topic).await;
    stage.sandbox.create_topics(&[UPSTREAM], 1).await;
    stage.send(&letters(&stage, 3)).await;
    let instance = stage.start().await;
    let told = instance.reports.until_told("topics", &topic).await;
    assert!(told.contains("ended at 20 and ends at 3 now"), "{told}");
    stage.until_done(23).await;
    instance.stop().await;
}
