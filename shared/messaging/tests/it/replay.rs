//! A stretch of the topics, read again beside the running service.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use farandole_messaging::{Database, Replay, Replayed, Stretch};
use kafka::{Bounds, Window};
use tokio_util::sync::CancellationToken;

use crate::gateway::Mood;
use crate::instance::Reports;
use crate::letter::{Letter, new_orders, rounds};
use crate::stage::Stage;
use crate::tally::{Action, Tally, UPSTREAM};

fn everything() -> Replay {
    Replay { stretch: Stretch::Times(Bounds::Everything), rate: None, with_effects: false }
}

async fn replay(
    stage: &Stage,
    replay: Replay,
    stop: CancellationToken,
) -> Result<Replayed, String> {
    let service = Tally { gateway: stage.gateway.address, refusing: AtomicBool::new(true) };
    let (database, settings) = (Database::new(&stage.database).unwrap(), stage.settings());
    let reports = Arc::<Reports>::default();
    let mut last = Replayed::default();
    let done = replay
        .run(service, &database, settings, reports, stop, |replayed| last = replayed.clone())
        .await
        .map_err(|error| error.to_string())?;
    assert_eq!(done.read, last.read, "progress comes to the end");
    Ok(done)
}

#[tokio::test]
async fn what_was_processed_is_not_processed_again_and_what_was_missed_is() {
    let stage = Stage::set().await;
    let sagas = new_orders(10);
    let letters = rounds(stage.ids, &sagas, 4);
    let instance = stage.start().await;
    stage.send(&letters[..20]).await;
    stage.until_done(20).await;
    instance.stop().await;
    stage.send(&letters[20..]).await;
    stage.skip_all().await;
    let stranger = letters[0].clone().with_header(contracts::headers::TYPE, Some("Pondered"));
    stage.send(&[stranger]).await;
    let instance = stage.start().await;
    instance.reports.until_up("kafka").await;

    let done = replay(&stage, everything(), CancellationToken::new()).await.unwrap();
    let expected = Replayed {
        total: 41,
        read: 41,
        skipped: 1,
        duplicates: 20,
        applied: 20,
        ..Replayed::default()
    };
    assert_eq!(done, expected);
    stage.until_done(40).await;
    let again = replay(&stage, everything(), CancellationToken::new()).await.unwrap();
    assert_eq!(again, Replayed { duplicates: 40, applied: 0, ..expected });
    instance.stop().await;
    stage.assert_took_effect_once(&letters).await;
}

#[tokio::test]
async fn calls_to_the_outside_are_made_only_when_asked_for() {
    let stage = Stage::set_narrow().await;
    stage.gateway.set(Mood::Answer);
    let instance = stage.start().await;
    stage.send(&[Letter::new(stage.ids, new_orders(1)[0], 1, Action::Count)]).await;
    stage.until_done(1).await;
    instance.stop().await;
    let saga = new_orders(1)[0];
    let missed = Letter::new(stage.ids, saga, 1, Action::Ask);
    let also = Letter::new(stage.ids, new_orders(1)[0], 1, Action::Count);
    stage.send(&[missed, also]).await;
    stage.skip_all().await;
    let instance = stage.start().await;
    instance.reports.until_up("kafka").await;

    let done = replay(&stage, everything(), CancellationToken::new()).await.unwrap();
    assert_eq!((done.applied, done.withheld, done.failed), (1, 1, 0));
    assert_eq!(done.failures[0].saga, Some(saga));
    assert_eq!(stage.numbers(saga).await, [0; 0], "left alone, not half done");
    let with_effects = Replay { with_effects: true, ..everything() };
    let done = replay(&stage, with_effects, CancellationToken::new()).await.unwrap();
    assert_eq!((done.applied, done.withheld), (1, 0));
    // The replay is over; the service takes the call over.
    stage.until_done(3).await;
    instance.stop().await;
    assert_eq!(stage.gateway.calls().keys.len(), 1);
}

#[tokio::test]
async fn failures_are_counted_named_and_left_where_they_are() {
    let stage = Stage::set_narrow().await;
    let refused = Letter::new(stage.ids, new_orders(1)[0], 1, Action::Refuse);
    let mut garbled = Letter::new(stage.ids, new_orders(1)[0], 1, Action::Count);
    garbled.payload.truncate(7);
    let good = Letter::new(stage.ids, new_orders(1)[0], 1, Action::Count);
    stage.send(&[refused, garbled, good]).await;
    let done = replay(&stage, everything(), CancellationToken::new()).await.unwrap();
    assert_eq!((done.applied, done.failed), (1, 2));
    let topic = stage.sandbox.topics.events(UPSTREAM);
    let places: Vec<&str> = done.failures.iter().map(|one| one.place.as_str()).collect();
    assert!(places.contains(&format!("{topic}/0/0").as_str()), "{places:?}");
    assert!(places.contains(&format!("{topic}/0/1").as_str()), "{places:?}");
    assert_eq!(stage.count("retry_queue").await + stage.count("dead_lettered").await, 0);

    // The service gives both up, and then nobody need be told of them again.
    let instance = stage.start().await;
    stage.until_count("dead_lettered", 2).await;
    instance.stop().await;
    let done = replay(&stage, everything(), CancellationToken::new()).await.unwrap();
    assert_eq!((done.duplicates, done.dead, done.failed), (1, 2, 0));
}

#[tokio::test]
async fn only_the_given_offsets_are_read_and_not_faster_than_asked() {
    let stage = Stage::set_narrow().await;
    let letters = rounds(stage.ids, &new_orders(60), 1);
    stage.send(&letters).await;
    let topic = stage.sandbox.topics.events(UPSTREAM);
    let window = Window { topic, partition: 0, from: 10, to: 40 };
    let stretch = Stretch::Offsets(vec![window.clone()]);
    let slowly = Replay { stretch, rate: NonZeroU32::new(50), with_effects: false };
    let begin = std::time::Instant::now();
    let done = replay(&stage, slowly, CancellationToken::new()).await.unwrap();
    assert_eq!((done.total, done.applied), (30, 30));
    assert!(begin.elapsed().as_millis() >= 500, "{:?}", begin.elapsed());
    let elsewhere = Stretch::Offsets(vec![Window { topic: "elsewhere".to_owned(), ..window }]);
    let elsewhere = Replay { stretch: elsewhere, ..everything() };
    let refused = replay(&stage, elsewhere, CancellationToken::new()).await.unwrap_err();
    assert!(refused.contains("elsewhere is not a topic that this service reads"), "{refused}");
}

/// Whatever a replay has come to when it is cut off, the next one goes on.
#[tokio::test]
async fn a_replay_that_is_cut_off_can_be_run_again() {
    let stage = Stage::set().await;
    let letters = rounds(stage.ids, &new_orders(50), 6);
    stage.send(&letters).await;
    let slowly = Replay { rate: NonZeroU32::new(200), ..everything() };
    let cut_off = tokio::time::timeout(
        std::time::Duration::from_millis(700),
        replay(&stage, slowly, CancellationToken::new()),
    );
    assert!(cut_off.await.is_err(), "it was not done yet");
    let before = stage.count("inbox").await;
    assert!(before < 300, "{before}");
    let done = replay(&stage, everything(), CancellationToken::new()).await.unwrap();
    assert_eq!(done.applied + done.duplicates, 300);
    let instance = stage.start().await;
    stage.until_done(300).await;
    instance.stop().await;
    stage.assert_took_effect_once(&letters).await;
}
