//! A message that fails takes neither its batch nor another saga with it, and is not lost.

use std::collections::HashMap;
use std::time::Duration;

use contracts::headers;
use farandole_messaging::{LoopSettings, RetryPolicy};
use kafka::{EventReader, ReadFrom, Registry};
use kernel::SagaKey;
use sqlx::AssertSqlSafe;
use testkit::raw::{self, RawRecord};

use crate::instance::Instance;
use crate::letter::{Letter, SchemaIds, new_orders};
use crate::stage::{PATIENCE, Stage};
use crate::tally::{Action, TALLY, UPSTREAM};
use crate::topic::Record;

/// What the table of tallies does not take.
const NOT_TAKEN: i64 = 666;

struct Poison {
    letter: Letter,
    /// What the last error says.
    error: &'static str,
    attempts: u32,
}

/// One of each kind. What can never be read is tried once, all else as often as is set.
fn poisons(ids: SchemaIds, tries: u32) -> Vec<Poison> {
    let saga = || new_orders(1)[0];
    let good = || Letter::new(ids, saga(), 1, Action::Count);
    let failing = |number, action| Letter::new(ids, saga(), number, action);
    let payload = |change: fn(&mut Vec<u8>)| {
        let mut letter = good();
        change(&mut letter.payload);
        letter
    };
    let once = |letter, error| Poison { letter, error, attempts: 1 };
    let often = |letter, error| Poison { letter, error, attempts: tries };
    vec![
        once(payload(|bytes| bytes.truncate(bytes.len() - 1)), "does not decode by its schema"),
        once(payload(|bytes| bytes.push(0)), "left over after the value"),
        once(payload(|bytes| bytes[0] = 1), "not in Confluent's wire format"),
        once(payload(|bytes| bytes.resize(300_000, 0)), "an event has 262144 at most"),
        once(good().with_header(headers::SOURCE, Some("/other")), "is for upstream to say"),
        once(
            good().with_header(headers::CORRELATION_ID, Some(&"x".repeat(900_000))),
            "which is not 1 to 128 printable ASCII characters",
        ),
        once(
            good().with_header(headers::CAUSATION_ID, Some("\u{1b}]0;owned\u{7}")),
            "which is not 1 to 128 printable ASCII characters",
        ),
        once(good().with_header(headers::ID, None), "header ce_id is missing"),
        once(good().with_header(headers::TYPE, None), "header ce_type is missing"),
        once(good().with_header(headers::SUBJECT, Some("me")), "which is not a saga id"),
        once(Letter { key: b"another".to_vec(), ..good() }, "not the saga id in ce_subject"),
        often(payload(|bytes| bytes[1] = 0x7f), "is not in the schema registry"),
        often(failing(1, Action::Refuse), "1 is refused"),
        often(failing(2, Action::Panic), "it panicked: 2 is too much"),
        often(failing(NOT_TAKEN, Action::Count), "violates check constraint"),
    ]
}

/// Asserts that a dead letter is the letter as it was sent, and says why it is there.
fn assert_is_dead(record: &Record, poison: &Poison, group: &str, source: &str, offset: usize) {
    let letter = &poison.letter;
    assert_eq!(record.key.as_ref(), Some(&letter.key));
    assert_eq!(record.payload.as_ref(), Some(&letter.payload));
    assert_eq!(record.headers[..letter.headers.len()], letter.headers, "its own headers");
    let header = |name: &str| record.header(&format!("farandole_dead_{name}")).unwrap();
    let errors: Vec<String> = serde_json::from_str(header("errors")).unwrap();
    assert_eq!(u32::try_from(errors.len()), Ok(poison.attempts), "{errors:?}");
    assert!(errors.last().unwrap().contains(poison.error), "{errors:?}");
    assert_eq!(header("attempts"), poison.attempts.to_string());
    assert_eq!(header("source_topic"), source);
    assert_eq!(header("source_partition"), "0");
    assert_eq!(header("source_offset"), offset.to_string());
    assert_eq!(header("group"), group);
    let time = |name| header(name).parse::<jiff::Timestamp>().unwrap();
    assert!(time("first_failed_at") <= time("last_failed_at"));
    assert_eq!(record.headers.len(), letter.headers.len() + 8, "and no more");
}

#[tokio::test]
async fn a_poison_record_goes_to_the_dead_letters_and_its_batch_goes_through() {
    let stage = Stage::set_narrow().await;
    let settings = stage.settings();
    let poisons = poisons(stage.ids, settings.retry.max_attempts);
    let instance = stage.start_with(settings).await;
    let mut good = Vec::new();
    for poison in &poisons {
        let mut batch: Vec<Letter> = new_orders(99)
            .into_iter()
            .map(|saga| Letter::new(stage.ids, saga, 1, Action::Count))
            .collect();
        good.extend(batch.clone());
        batch.insert(49, poison.letter.clone());
        stage.send(&batch).await;
    }
    stage.until_count("dead_lettered", i64::try_from(poisons.len()).unwrap()).await;
    stage.until_done(good.len()).await;
    instance.stop().await;
    stage.assert_took_effect_once(&good).await;

    let topics = &stage.sandbox.topics;
    let dead = stage.dead_letters().await;
    assert_eq!(dead.len(), poisons.len(), "each of them once");
    for (at, poison) in poisons.iter().enumerate() {
        let record = dead.iter().find(|record| {
            record.payload.as_ref() == Some(&poison.letter.payload)
                && record.key.as_ref() == Some(&poison.letter.key)
                && record.headers.starts_with(&poison.letter.headers)
        });
        let record = record.unwrap_or_else(|| panic!("no dead letter: {}", poison.error));
        let (group, source) = (topics.group(TALLY), topics.events(UPSTREAM));
        assert_is_dead(record, poison, &group, &source, 100 * at + 49);
    }
    assert_eq!(stage.committed().await, 100 * i64::try_from(poisons.len()).unwrap());
}

fn story(stage: &Stage, saga: SagaKey) -> Vec<Letter> {
    let mut letters = vec![Letter::new(stage.ids, saga, 1, Action::Refuse)];
    letters.extend((2..=5).map(|number| Letter::new(stage.ids, saga, number, Action::Count)));
    letters
}

/// Retries for ever, as tests see it.
pub(crate) fn patient(stage: &Stage) -> LoopSettings {
    let settings = stage.settings();
    let retry = RetryPolicy { max_attempts: 1_000_000, ..settings.retry };
    LoopSettings { retry, ..settings }
}

#[tokio::test]
async fn a_failing_message_holds_back_its_own_order_only_until_it_succeeds() {
    let stage = Stage::set_narrow().await;
    let sagas = new_orders(2);
    let instance = stage.start_with(patient(&stage)).await;
    let held = story(&stage, sagas[0]);
    // One by one, so that later ones meet the first in the queue and not in their batch.
    for letter in &held {
        stage.send(std::slice::from_ref(letter)).await;
        stage.until_count("retry_queue", letter.number).await;
    }
    let mut all = held;
    // Through the other topic, and still behind the first.
    all.push(Letter::aside(stage.ids, sagas[0], 6));
    all.push(Letter::new(stage.ids, sagas[1], 1, Action::Count));
    stage.send(&all[5..]).await;
    stage.until_count("retry_queue", 6).await;
    stage.until_count("inbox", 1).await;
    assert_eq!(stage.numbers(sagas[1]).await, [1], "the other saga flows");
    instance.relent();
    stage.until_done(all.len()).await;
    instance.stop().await;
    stage.assert_took_effect_once(&all).await;
    assert_eq!(stage.dead_letters().await.len(), 0);
}

#[tokio::test]
async fn what_waits_behind_a_dead_letter_is_processed_in_order() {
    let stage = Stage::set_narrow().await;
    let all = story(&stage, new_orders(1)[0]);
    stage.send(&all).await;
    let instance = stage.start().await;
    stage.until_count("dead_lettered", 1).await;
    stage.until_done(all.len() - 1).await;
    instance.stop().await;
    stage.assert_took_effect_once(&all[1..]).await;
    let dead = stage.dead_letters().await;
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].envelope().id, all[0].id);
}

#[tokio::test]
async fn what_is_parked_survives_a_restart() {
    let stage = Stage::set().await;
    let all = story(&stage, new_orders(1)[0]);
    let instance = stage.start_with(patient(&stage)).await;
    stage.send(&all).await;
    stage.until_count("retry_queue", 5).await;
    instance.stop().await;
    assert_eq!(stage.committed().await, 5, "parked is taken care of");
    let instance = stage.start_with(patient(&stage)).await;
    instance.reports.until_turned().await;
    assert_eq!(stage.count("retry_queue").await, 5);
    instance.relent();
    stage.until_done(all.len()).await;
    instance.stop().await;
    stage.assert_took_effect_once(&all).await;
}

/// More sagas fail than can be retried while one waits; a new one does not wait for them.
#[tokio::test]
async fn many_failing_orders_do_not_hold_up_the_others() {
    let stage = Stage::set().await;
    let failing = new_orders(300);
    let letter = |saga: &SagaKey| Letter::new(stage.ids, *saga, 1, Action::Refuse);
    stage.send(&failing.iter().map(letter).collect::<Vec<_>>()).await;
    let settings = patient(&stage);
    let retry = RetryPolicy { cap: Duration::from_millis(1), ..settings.retry };
    let settings = LoopSettings { retry, ..settings };
    let instance = stage.start_with(settings).await;
    stage.until_count("retry_queue", 300).await;
    let good: Vec<Letter> = new_orders(20)
        .into_iter()
        .map(|saga| Letter::new(stage.ids, saga, 1, Action::Count))
        .collect();
    for (at, letter) in good.iter().enumerate() {
        stage.send(std::slice::from_ref(letter)).await;
        stage.until_count("inbox", i64::try_from(at + 1).unwrap()).await;
    }
    instance.relent();
    stage.until_done(320).await;
    instance.stop().await;
}

#[tokio::test]
async fn an_event_type_is_retried_as_is_set_for_it_and_not_for_ever() {
    let stage = Stage::set_narrow().await;
    let settings = patient(&stage);
    let few = RetryPolicy { max_attempts: 2, ..settings.retry };
    let brief = RetryPolicy { max_age: Duration::from_millis(300), ..settings.retry };
    let retry_by_type = HashMap::from([("Added".to_owned(), few), ("Inserted".to_owned(), brief)]);
    let instance = stage.start_with(LoopSettings { retry_by_type, ..settings }).await;
    let sagas = new_orders(2);
    let few = Letter::new(stage.ids, sagas[0], 1, Action::Refuse);
    let brief = Letter::aside_with(stage.ids, sagas[1], 1, Action::Refuse);
    stage.send(&[few.clone(), brief.clone()]).await;
    stage.until_count("dead_lettered", 2).await;
    instance.stop().await;
    let dead = stage.dead_letters().await;
    let of = |letter: &Letter| dead.iter().find(|one| one.envelope().id == letter.id).unwrap();
    assert_eq!(of(&few).header("farandole_dead_attempts"), Some("2"));
    let time = |name| of(&brief).header(name).unwrap().parse::<jiff::Timestamp>().unwrap();
    let tried_for = time("farandole_dead_last_failed_at") - time("farandole_dead_first_failed_at");
    assert!(tried_for.total(jiff::Unit::Millisecond).unwrap() >= 290.0, "{tried_for}");
}

#[tokio::test]
async fn retries_for_a_type_that_never_comes_are_refused() {
    let stage = Stage::set().await;
    let settings = stage.settings();
    let retry_by_type = HashMap::from([("Addded".to_owned(), settings.retry)]);
    let settings = LoopSettings { retry_by_type, ..settings };
    let refused = Instance::start(&stage.database, stage.gateway.address, settings).await;
    let error = refused.err().unwrap().to_string();
    assert!(error.contains("\"Addded\"") && error.contains("Added, Inserted"), "{error}");
}

/// The record is as large as the topic takes; as a dead letter it is larger.
#[tokio::test]
async fn the_largest_record_has_room_among_the_dead_letters() {
    let stage = Stage::set_narrow().await;
    let instance = stage.start().await;
    let mut large = Letter::new(stage.ids, new_orders(1)[0], 1, Action::Count);
    large.payload.resize(1_047_800, 0);
    stage.send(&[large.clone()]).await;
    stage.until_count("dead_lettered", 1).await;
    instance.stop().await;
    assert_eq!(stage.dead_letters().await[0].payload, Some(large.payload));
}

/// The client panics at such a name. That is neither the loop's end nor that of who looks on.
#[tokio::test]
async fn a_header_whose_name_is_not_text_hurts_nobody() {
    let stage = Stage::set_narrow().await;
    let instance = stage.start().await;
    let brokers = stage.sandbox.stack.kafka_brokers.as_str();
    for event_type in ["Added", "Unheard"] {
        let letter = Letter::new(stage.ids, new_orders(1)[0], 1, Action::Count)
            .with_header(headers::TYPE, Some(event_type));
        let own = letter.headers.iter();
        let mut headers: Vec<_> =
            own.map(|(name, value)| (name.as_bytes().to_vec(), Some(value.clone()))).collect();
        headers.push((vec![0xff, 0xfe], None));
        let topic = stage.sandbox.topics.events(UPSTREAM);
        let (key, payload) = (Some(letter.key), Some(letter.payload));
        let record = RawRecord { topic, partition: 0, key, payload, headers };
        raw::publish(brokers, &record).await.unwrap();
    }
    let good = [Letter::new(stage.ids, new_orders(1)[0], 1, Action::Count)];
    stage.send(&good).await;
    stage.until_done(good.len()).await;
    stage.until_count("dead_lettered", 1).await;
    instance.stop().await;

    let registry =
        Registry::new(&stage.sandbox.stack.schema_registry_url.parse().unwrap()).unwrap();
    let topics = vec![stage.sandbox.topics.events(UPSTREAM)];
    let mut reader =
        EventReader::open(brokers, registry, topics, ReadFrom::Beginning).await.unwrap();
    for readable in [false, false, true] {
        let record = reader.next(PATIENCE).await.unwrap().unwrap();
        assert_eq!(record.event.is_ok(), readable, "{:?}", record.event);
    }
}

/// The mover of one instance has the record in its hands while another reads it again.
#[tokio::test]
async fn a_record_that_fails_again_while_it_is_moved_to_the_dead_letters_is_there_once() {
    let stage = Stage::set_narrow().await;
    let [refused, good] = [Action::Refuse, Action::Count]
        .map(|action| Letter::new(stage.ids, new_orders(1)[0], 1, action));
    stage.send(&[refused, good]).await;
    let (topic, written) =
        (stage.sandbox.topics.events(UPSTREAM), stage.sent().await[0].written_ms);
    stage
        .execute(&format!(
            "INSERT INTO retry_queue (topic, partition, record_offset, written_ms, header_names,
               header_values, due_at, dead)
             VALUES ('{topic}', 0, 0, {written}, '{{}}', '{{}}', now() + interval '1 hour', true)"
        ))
        .await;
    let mut mover = stage.pool.begin().await.unwrap();
    let bury = format!(
        "DELETE FROM retry_queue; INSERT INTO dead_lettered
           (topic, partition, record_offset, written_ms) VALUES ('{topic}', 0, 0, {written})"
    );
    sqlx::raw_sql(AssertSqlSafe(bury)).execute(&mut *mover).await.unwrap();

    let instance = stage.start().await;
    let waits = "pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    stage.until_count(waits, 1).await;
    mover.commit().await.unwrap();
    stage.until_done(1).await;
    instance.stop().await;
}

/// A topic that was deleted and made anew, a disk that was lost, another cluster: offsets begin
/// again, and are known from the life before.
#[tokio::test]
async fn what_lies_where_another_record_failed_in_an_earlier_life_of_the_topic_is_not_lost() {
    let stage = Stage::set_narrow().await;
    let topic = stage.sandbox.topics.events(UPSTREAM);
    stage
        .execute(&format!(
            "INSERT INTO dead_lettered (topic, partition, record_offset, written_ms)
             SELECT '{topic}', 0, number, 1700000000000 FROM generate_series(0, 9) AS number;
             INSERT INTO retry_queue (topic, partition, record_offset, written_ms, saga,
               header_names, header_values, due_at)
             VALUES ('{topic}', 0, 1, 1700000000000, gen_random_uuid(), '{{}}', '{{}}', now() +
               interval '1 hour')"
        ))
        .await;
    let mut garbage = Letter::new(stage.ids, new_orders(1)[0], 1, Action::Count);
    garbage.payload.truncate(3);
    let failing = Letter::new(stage.ids, new_orders(1)[0], 1, Action::Refuse);
    let instance = stage.start().await;
    stage.send(&[garbage, failing]).await;
    stage.until_count("dead_lettered", 12).await;
    stage.until_count("retry_queue", 1).await;
    instance.stop().await;
    assert_eq!(stage.dead_letters().await.len(), 2);
}
