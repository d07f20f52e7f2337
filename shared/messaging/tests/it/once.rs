//! What is read twice happens once, what is not for the service does not happen at all, and a
//! batch is one transaction whatever its size.

use std::collections::BTreeMap;
use std::fs;

use contracts::TARGET_GROUP;
use contracts::headers::TYPE;
use farandole_messaging::Settings;

use crate::letter::{Letter, new_orders, rounds};
use crate::stage::Stage;
use crate::tally::{Action, TALLY};

async fn duplicates_take_effect_once(batch_max: usize) {
    let stage = Stage::set_narrow().await;
    let letters = rounds(stage.ids, &new_orders(10), 5);
    let twice: Vec<Letter> = letters.iter().flat_map(|one| [one.clone(), one.clone()]).collect();
    stage.send(&twice).await;
    let instance = stage.start_with(Settings { batch_max, ..stage.settings() }).await;
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
    let instance = stage.start_with(Settings { batch_max: 1, ..stage.settings() }).await;
    stage.until_done(letters.len()).await;
    instance.stop().await;
    stage.assert_took_effect_once(&letters).await;
    assert_eq!(stage.batch_sizes().await.into_iter().max(), Some(1));
}

#[tokio::test]
async fn a_record_for_another_group_or_of_an_unknown_type_is_skipped() {
    let stage = Stage::set_narrow().await;
    let orders = new_orders(5);
    let letter = |at: usize| Letter::new(stage.ids, orders[at], 1, Action::Count);
    let group = stage.world.topics.group(TALLY);
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
    let name = format!("{}{TALLY}", stage.world.prefix);
    stage.execute(&format!("ALTER DATABASE \"{name}\" SET log_statement = 'all'")).await;
    let log = stage.world.stack.directory.join("postgres.log");
    let begin = fs::metadata(&log).unwrap().len();

    let (few, many) = (new_orders(1), new_orders(200));
    let instance = stage.start().await;
    for number in 1..=2 {
        // First the orders are new, then they are known: that is what statements depend on.
        let one = Letter::new(stage.ids, few[0], number, Action::Ask);
        stage.send(&[one]).await;
        stage.until_done(usize::try_from(number).unwrap()).await;
    }
    instance.stop().await;
    for number in 1..=2 {
        let letter = |order| Letter::new(stage.ids, order, number, Action::Ask);
        stage.send(&many.iter().copied().map(letter).collect::<Vec<_>>()).await;
        let instance = stage.start().await;
        stage.until_done(2 + 200 * usize::try_from(number).unwrap()).await;
        instance.stop().await;
    }
    let text =
        String::from_utf8_lossy(&fs::read(&log).unwrap()[begin.try_into().unwrap()..]).into_owned();
    let mut batches: Vec<Transaction> =
        transactions(&text).into_iter().filter(|transaction| transaction.ids > 0).collect();
    let sizes: Vec<usize> = batches.iter().map(|batch| batch.ids).collect();
    assert_eq!(sizes, [1, 1, 200, 200], "as they were sent, each in one transaction");
    // Those that are on their way together arrive in any order.
    for batch in &mut batches {
        batch.statements.sort();
    }
    let statements: Vec<_> = batches.iter().map(|batch| &batch.statements).collect();
    assert_eq!(statements[0], statements[2], "new orders");
    assert_eq!(statements[1], statements[3], "known orders");
    for statements in statements {
        assert_eq!(statements.iter().filter(|one| *one == "COMMIT").count(), 1);
        assert!(statements.len() <= 10, "{statements:?}");
    }
}

const DASHES_IN_A_UUID: usize = 4;

/// What a connection did between BEGIN and COMMIT.
#[derive(Default)]
struct Transaction {
    statements: Vec<String>,
    /// How many ids were given to the inbox.
    ids: usize,
}

/// Reads Postgres's log: `… [process] LOG:  execute s1: SELECT …`, and the parameters as DETAIL.
fn transactions(log: &str) -> Vec<Transaction> {
    let mut open: BTreeMap<&str, Transaction> = BTreeMap::new();
    let mut done = Vec::new();
    for line in log.lines() {
        let Some((process, text)) = line.split_once("] ") else { continue };
        let process = process.rsplit('[').next().unwrap();
        if let Some((_, sql)) = text.strip_prefix("LOG:  ").and_then(|text| text.split_once(": ")) {
            if sql.starts_with("BEGIN") || sql.starts_with("START") {
                open.insert(process, Transaction::default());
            } else if let Some(transaction) = open.get_mut(process) {
                transaction.statements.push(sql.to_owned());
            }
            if sql == "COMMIT" {
                done.extend(open.remove(process));
            }
        } else if let (Some(transaction), Some(parameters)) =
            (open.get_mut(process), text.strip_prefix("DETAIL:  Parameters: "))
            && transaction.statements.last().is_some_and(|sql| sql.starts_with("INSERT INTO inbox"))
        {
            transaction.ids = parameters.matches('-').count() / DASHES_IN_A_UUID;
        }
    }
    done
}
