//! What is read twice happens once, what is not for the service does not happen at all, and a
//! batch is one transaction whatever its size.

use contracts::TARGET_GROUP;
use contracts::headers::TYPE;
use farandole_messaging::LoopSettings;
use testkit::StatementLog;

use crate::letter::{Letter, new_orders, rounds};
use crate::stage::Stage;
use crate::tally::{Action, TALLY};

async fn duplicates_take_effect_once(batch_max: usize) {
    let stage = Stage::set_narrow().await;
    let letters = rounds(stage.ids, &new_orders(10), 5);
    let twice: Vec<Letter> = letters.iter().flat_map(|one| [one.clone(), one.clone()]).collect();
    stage.send(&twice).await;
    let instance = stage.start_with(LoopSettings { batch_max, ..stage.settings() }).await;
    stage.until_done(letters.len()).await;
    stage.send(&letters).await;
    let last = Letter::new(stage.ids, new_orders(1)[0], 1, Action::Count);
    stage.send(std::slice::from_ref(&last)).await;
    let all: Vec<Letter> = letters.into_iter().chain([last]).collect();
    stage.until_done(all.len()).await;
    instance.stop().await;
    stage.assert_took_effect_once(&all).await;
    assert_eq!(stage.dead_letters().await.len(), 0);
}

#[tokio::test]
async fn duplicates_within_a_batch_and_across_batches_take_effect_once() {
    duplicates_take_effect_once(1_000).await;
}

#[tokio::test]
async fn duplicates_take_effect_once_with_batches_of_one() {
    duplicates_take_effect_once(1).await;
}

#[tokio::test]
async fn a_load_goes_through_batches_of_one_as_through_large_ones() {
    let stage = Stage::set().await;
    let letters = rounds(stage.ids, &new_orders(20), 10);
    stage.send(&letters).await;
    let instance = stage.start_with(LoopSettings { batch_max: 1, ..stage.settings() }).await;
    stage.until_done(letters.len()).await;
    instance.stop().await;
    stage.assert_took_effect_once(&letters).await;
    assert_eq!(stage.batch_sizes().await.into_iter().max(), Some(1));
}

#[tokio::test]
async fn a_record_for_another_group_or_of_an_unknown_type_is_skipped() {
    let stage = Stage::set_narrow().await;
    let sagas = new_orders(5);
    let letter = |at: usize| Letter::new(stage.ids, sagas[at], 1, Action::Count);
    let group = stage.sandbox.topics.group(TALLY);
    let expected = [letter(0).with_header(TARGET_GROUP, Some(&group)), letter(4)];
    let letters = [
        expected[0].clone(),
        letter(1).with_header(TARGET_GROUP, Some("somebody-else")),
        letter(2).with_header(TYPE, Some("Multiplied")),
        // Not even a dead letter: whether it can be decoded is not this service's business.
        Letter { payload: b"nonsense".to_vec(), ..letter(3) }.with_header(TYPE, Some("Multiplied")),
        expected[1].clone(),
    ];
    stage.send(&letters).await;
    let instance = stage.start().await;
    stage.until_done(expected.len()).await;
    instance.stop().await;
    stage.assert_took_effect_once(&expected).await;
    assert_eq!(stage.dead_letters().await.len(), 0);
    assert_eq!(stage.committed().await, 5, "skipped records are not read again");
}

/// Counted on the server, which writes down each statement that reaches this database.
#[tokio::test]
async fn the_statements_of_a_batch_do_not_depend_on_its_size() {
    let stage = Stage::set_narrow().await;
    let log = StatementLog::begin(&stage.sandbox, TALLY).await;
    let mut sent = 0;
    for sagas in [new_orders(1), new_orders(200)] {
        let round = |number| -> Vec<Letter> {
            let letter = |saga| Letter::new(stage.ids, saga, number, Action::Ask);
            sagas.iter().copied().map(letter).collect()
        };
        // New sagas, to an instance that has read nothing yet; then the same, which it remembers.
        stage.send(&round(1)).await;
        let instance = stage.start().await;
        stage.until_done(sent + sagas.len()).await;
        stage.send(&round(2)).await;
        stage.until_done(sent + 2 * sagas.len()).await;
        instance.stop().await;
        // Known ones, to an instance that does not remember them.
        stage.send(&round(3)).await;
        let instance = stage.start().await;
        sent += 3 * sagas.len();
        stage.until_done(sent).await;
        instance.stop().await;
    }
    let batches = log.batches();
    let sizes: Vec<usize> = batches.iter().map(|batch| batch.events).collect();
    assert_eq!(sizes, [1, 1, 1, 200, 200, 200], "as they were sent, each in one transaction");
    let statements: Vec<_> = batches.iter().map(|batch| &batch.statements).collect();
    for (at, count) in [2, 1, 2].into_iter().enumerate() {
        assert_eq!(statements[at], statements[at + 3]);
        assert_eq!(statements[at].len(), count, "{:?}", statements[at]);
        assert!(statements[at].iter().all(|one| !one.starts_with("BEGIN")), "it is one by itself");
    }
}
