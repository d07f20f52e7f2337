//! A dead letter that is put back takes effect once, and brings its history when it fails again.

use std::time::Duration;

use contracts::{DEAD_HISTORY, REDRIVE, TARGET_GROUP};
use farandole_messaging::{Database, Purpose, forget_inbox};
use uuid::Uuid;

use crate::letter::{Letter, new_orders};
use crate::stage::Stage;
use crate::tally::{Action, TALLY};

/// As `farandole dlq redrive` puts it back.
fn redriven(stage: &Stage, letter: &Letter, redrive: Uuid) -> Letter {
    let group = stage.sandbox.topics.group(TALLY);
    letter
        .clone()
        .with_header(TARGET_GROUP, Some(&group))
        .with_header(REDRIVE, Some(&redrive.to_string()))
        .with_header(DEAD_HISTORY, Some("[{\"attempts\":3}]"))
}

/// A relay that died before it took note has published an event twice; so there are two letters.
#[tokio::test]
async fn a_redriven_event_takes_effect_once_however_many_letters_there_are_of_it() {
    let stage = Stage::set_narrow().await;
    let saga = new_orders(1)[0];
    let letter = Letter::new(stage.ids, saga, 1, Action::Refuse);
    let instance = stage.start().await;
    stage.send(&[letter.clone(), letter.clone()]).await;
    stage.until_count("dead_lettered", 2).await;
    instance.relent();

    let [one, other] = [Uuid::now_v7(), Uuid::now_v7()].map(|id| redriven(&stage, &letter, id));
    stage.send(&[one.clone(), one.clone(), other.clone()]).await;
    stage.until_count("redriven", 2).await;
    stage.send(&[one, other, letter.clone(), redriven(&stage, &letter, Uuid::now_v7())]).await;
    stage.until_count("redriven", 3).await;
    let last = Letter::new(stage.ids, new_orders(1)[0], 1, Action::Count);
    stage.send(&[last]).await;
    stage.until_done(2).await;
    instance.stop().await;
    assert_eq!(stage.numbers(saga).await, [1]);
}

#[tokio::test]
async fn a_redriven_event_that_succeeds_is_in_the_inbox_under_its_own_id_as_well() {
    let stage = Stage::set_narrow().await;
    let saga = new_orders(1)[0];
    let letter = Letter::new(stage.ids, saga, 1, Action::Refuse);
    let instance = stage.start().await;
    stage.send(std::slice::from_ref(&letter)).await;
    stage.until_count("dead_lettered", 1).await;
    instance.relent();
    stage.send(&[redriven(&stage, &letter, Uuid::now_v7())]).await;
    stage.until_done(1).await;
    // The event itself once more, as a replay brings it.
    stage.send(std::slice::from_ref(&letter)).await;
    let last = Letter::new(stage.ids, new_orders(1)[0], 1, Action::Count);
    stage.send(&[last]).await;
    stage.until_done(2).await;
    instance.stop().await;
    assert_eq!(stage.numbers(saga).await, [1]);
}

#[tokio::test]
async fn a_redriven_event_that_fails_again_is_a_dead_letter_with_its_history() {
    let stage = Stage::set_narrow().await;
    let letter = Letter::new(stage.ids, new_orders(1)[0], 1, Action::Refuse);
    let instance = stage.start().await;
    stage.send(&[redriven(&stage, &letter, Uuid::now_v7())]).await;
    stage.until_count("dead_lettered", 1).await;
    instance.stop().await;
    let dead = stage.dead_letters().await;
    assert_eq!(dead[0].header(DEAD_HISTORY), Some("[{\"attempts\":3}]"));
    assert_eq!(dead[0].header("farandole_dead_attempts"), Some("3"));
    assert_eq!(stage.count("inbox").await, 0, "it can be redriven again");
}

#[tokio::test]
async fn a_redriven_event_waits_behind_its_order() {
    let stage = Stage::set_narrow().await;
    let saga = new_orders(1)[0];
    let first = Letter::new(stage.ids, saga, 1, Action::Count);
    let failing = Letter::new(stage.ids, saga, 2, Action::Refuse);
    let instance = stage.start_with(crate::poison::patient(&stage)).await;
    stage.send(&[failing]).await;
    stage.until_count("retry_queue", 1).await;
    stage.send(&[redriven(&stage, &first, Uuid::now_v7())]).await;
    stage.until_count("retry_queue", 2).await;
    assert_eq!(stage.count("inbox").await, 0);
    instance.relent();
    stage.until_done(2).await;
    instance.stop().await;
    assert_eq!(stage.numbers(saga).await, [2, 1]);
}

/// A letter from a time that the inbox has forgotten long since.
#[tokio::test]
async fn an_old_letter_passes_once_too_for_as_long_as_the_topic_has_it() {
    let stage = Stage::set_narrow().await;
    let saga = new_orders(1)[0];
    let letter = Letter::new(stage.ids, saga, 1, Action::Count);
    let years_ago = uuid::Timestamp::from_unix(uuid::NoContext, 1_600_000_000, 0);
    let again = redriven(&stage, &letter, Uuid::new_v7(years_ago));
    let instance = stage.start().await;
    stage.send(std::slice::from_ref(&again)).await;
    stage.until_count("redriven", 1).await;
    let mut session = Database::new(&stage.database).unwrap().session(Purpose::new("test"));
    forget_inbox(&mut session, Duration::from_hours(1)).await.unwrap();
    let last = Letter::new(stage.ids, new_orders(1)[0], 1, Action::Count);
    stage.send(&[again, last]).await;
    stage.until_done(2).await;
    instance.stop().await;
    assert_eq!(stage.numbers(saga).await, [1]);
}

#[tokio::test]
async fn a_redrive_id_that_is_none_is_refused() {
    let stage = Stage::set_narrow().await;
    let letter = Letter::new(stage.ids, new_orders(1)[0], 1, Action::Count);
    let instance = stage.start().await;
    stage.send(&[letter.with_header(REDRIVE, Some("again"))]).await;
    stage.until_count("dead_lettered", 1).await;
    instance.stop().await;
    let dead = stage.dead_letters().await;
    assert!(dead[0].header("farandole_dead_errors").unwrap().contains("farandole_redrive"));
}
