//! A number that is missing in a saga's stream is noticed, and repaired while the topic has it.

use contracts::headers::TYPE;

use crate::letter::{Letter, new_orders};
use crate::stage::Stage;
use crate::tally::Action;

fn numbered(stage: &Stage, saga: kernel::SagaKey, number: i64) -> Letter {
    Letter::new(stage.ids, saga, number, Action::Count).with_sequence(number)
}

#[tokio::test]
async fn events_that_were_never_read_are_fetched_from_the_topic() {
    let stage = Stage::set_narrow().await;
    let saga = new_orders(1)[0];
    let letters: Vec<Letter> = (1..=4).map(|number| numbered(&stage, saga, number)).collect();
    let instance = stage.start().await;
    stage.send(&letters[..1]).await;
    stage.until_done(1).await;
    instance.stop().await;

    // Somebody moves the group past two events.
    stage.send(&letters[1..3]).await;
    stage.skip_all().await;
    stage.send(&letters[3..]).await;
    let instance = stage.start().await;
    stage.until_done(4).await;
    stage.until_count("gaps", 0).await;
    instance.stop().await;
    assert_eq!(stage.numbers(saga).await, [1, 4, 2, 3]);
}

#[tokio::test]
async fn a_number_that_the_topic_does_not_have_is_lost_until_it_comes() {
    let stage = Stage::set_narrow().await;
    let saga = new_orders(1)[0];
    let instance = stage.start().await;
    stage.send(&[numbered(&stage, saga, 1), numbered(&stage, saga, 3)]).await;
    stage
        .until_count("gaps WHERE verdict = 'lost' AND sequence = 2 AND source = '/upstream'", 1)
        .await;
    stage.send(&[numbered(&stage, saga, 2), numbered(&stage, saga, 4)]).await;
    stage.until_done(4).await;
    stage.until_count("gaps", 0).await;
    instance.stop().await;
}

/// As when a service joins a fleet whose topics have forgotten the beginning of a saga.
#[tokio::test]
async fn of_a_saga_that_is_older_than_the_service_nothing_is_lost() {
    let stage = Stage::set_narrow().await;
    let saga = new_orders(1)[0];
    stage.execute("UPDATE first_day SET at = now() + interval '1 minute'").await;
    let instance = stage.start().await;
    stage.send(&[numbered(&stage, saga, 3)]).await;
    stage.until_count("gaps WHERE verdict = 'waiting'", 2).await;
    stage.until_count("gaps", 0).await;
    stage.send(&[numbered(&stage, saga, 4)]).await;
    stage.until_done(2).await;
    assert_eq!(stage.count("gaps").await, 0, "it is remembered");
    instance.stop().await;
}

#[tokio::test]
async fn what_is_not_for_this_service_is_not_missed() {
    let stage = Stage::set_narrow().await;
    let saga = new_orders(1)[0];
    let skipped = numbered(&stage, saga, 2).with_header(TYPE, Some("Pondered"));
    let instance = stage.start().await;
    stage.send(&[numbered(&stage, saga, 1), skipped, numbered(&stage, saga, 3)]).await;
    stage.until_done(2).await;
    assert_eq!(stage.count("gaps").await, 0, "it went by");
    instance.stop().await;

    // The next instance has not seen it go by, and looks into the topic.
    let instance = stage.start().await;
    stage.send(&[numbered(&stage, saga, 4)]).await;
    stage.until_done(3).await;
    stage.until_count("gaps", 0).await;
    instance.stop().await;
}

#[tokio::test]
async fn a_number_among_the_dead_letters_is_said_to_be_there_until_it_is_redriven() {
    let stage = Stage::set_narrow().await;
    let saga = new_orders(1)[0];
    let bad = Letter::new(stage.ids, saga, 2, Action::Refuse).with_sequence(2);
    let instance = stage.start().await;
    stage.send(&[numbered(&stage, saga, 1), bad.clone()]).await;
    stage.until_count("dead_lettered", 1).await;
    stage.send(&[numbered(&stage, saga, 3)]).await;
    stage.until_count("gaps WHERE verdict = 'dead' AND sequence = 2", 1).await;
    instance.relent();
    let redrive = uuid::Uuid::now_v7().to_string();
    stage.send(&[bad.with_header(contracts::REDRIVE, Some(&redrive))]).await;
    stage.until_count("gaps", 0).await;
    instance.stop().await;
    assert_eq!(stage.numbers(saga).await, [1, 3, 2]);
}

/// Killed while it finds what was missed, again and again; each event still comes once.
#[tokio::test]
async fn a_repair_that_is_cut_off_is_taken_up_by_the_next_instance() {
    let stage = Stage::set_narrow().await;
    let sagas = new_orders(40);
    let rounds = |numbers: std::ops::RangeInclusive<i64>| -> Vec<Letter> {
        let of = |number| sagas.iter().map(move |saga| (*saga, number));
        numbers.flat_map(of).map(|(saga, number)| numbered(&stage, saga, number)).collect()
    };
    let instance = stage.start().await;
    stage.send(&rounds(1..=1)).await;
    stage.until_done(40).await;
    instance.stop().await;
    stage.send(&rounds(2..=19)).await;
    stage.skip_all().await;
    stage.send(&rounds(20..=20)).await;
    for kill in 1..=3 {
        let process = stage.start_process(Some("the-one"), 20);
        // Eighty have been read without help.
        stage.until_more("inbox", 80 + 30 * kill).await;
        process.kill().await;
        assert!(stage.count("inbox").await < 800, "it was killed in the middle");
    }
    let instance = stage.start().await;
    stage.until_done(800).await;
    stage.until_count("gaps", 0).await;
    instance.stop().await;
    for numbers in stage.states().await.into_values().map(|state| state.numbers) {
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (1..=20).collect::<Vec<_>>(), "{numbers:?}");
    }
}
