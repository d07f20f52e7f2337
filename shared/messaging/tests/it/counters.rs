//! Counters that sagas share: nothing of what is added is lost or counted twice, and no floor is
//! broken.

use std::collections::BTreeMap;
use std::sync::Arc;

use farandole_messaging::{LoopSettings, NoGateway, RetryPolicy};
use sqlx::AssertSqlSafe;
use sqlx::types::Json;
use testkit::StatementLog;

use crate::instance::{Instance, Reports};
use crate::letter::{Letter, new_orders};
use crate::shop::{Deed, Shop, State, TABLES, letter, summed};
use crate::stage::Stage;
use crate::tally::TALLY;

async fn set(stage: Stage) -> Stage {
    stage.execute(TABLES).await;
    stage
}

async fn start_with(stage: &Stage, settings: LoopSettings) -> Instance<Shop> {
    let reports = Arc::<Reports>::default();
    let (shop, nobody) = (Arc::new(Shop), Arc::new(NoGateway));
    Instance::of(shop, nobody, &stage.database, settings, reports).await.unwrap()
}

async fn start(stage: &Stage) -> Instance<Shop> {
    start_with(stage, stage.settings()).await
}

/// A row per key.
async fn rows<const N: usize>(stage: &Stage, select: &str) -> BTreeMap<String, [i64; N]> {
    let rows = sqlx::query_as(AssertSqlSafe(select.to_owned()));
    let rows: Vec<(String, Vec<i64>)> = rows.fetch_all(&stage.pool).await.unwrap();
    rows.into_iter().map(|(key, numbers)| (key, numbers.try_into().unwrap())).collect()
}

async fn sums(stage: &Stage) -> BTreeMap<String, [i64; 4]> {
    rows(stage, "SELECT key, ARRAY[times, total, even, odd] FROM sums").await
}

async fn points(stage: &Stage) -> BTreeMap<String, [i64; 1]> {
    rows(stage, "SELECT customer, ARRAY[balance] FROM points").await
}

async fn shelves(stage: &Stage) -> BTreeMap<String, [i64; 2]> {
    rows(stage, "SELECT sku, ARRAY[free, taken] FROM shelves").await
}

async fn states(stage: &Stage) -> Vec<State> {
    let states = sqlx::query_scalar("SELECT state FROM tallies").fetch_all(&stage.pool);
    states.await.unwrap().into_iter().map(|Json(state)| state).collect()
}

fn keys<const N: usize>(of: [&str; N]) -> [String; N] {
    of.map(str::to_owned)
}

/// A row per key: what these numbers come to.
fn totals(of: &[(Vec<String>, i64)]) -> BTreeMap<String, [i64; 4]> {
    let mut totals: BTreeMap<String, [i64; 4]> = BTreeMap::new();
    for (keys, number) in of {
        for key in keys {
            let total = totals.entry(key.clone()).or_default();
            for (total, change) in total.iter_mut().zip(summed(*number)) {
                *total += change;
            }
        }
    }
    totals
}

async fn sums_are_those_of_all_events(batch_max: usize) {
    let stage = set(Stage::set_narrow().await).await;
    let sagas = new_orders(10);
    let numbers: Vec<(Vec<String>, i64)> = (1..=50)
        .map(|number| (vec!["all".to_owned(), format!("week-{}", number % 7)], number))
        .collect();
    let letters: Vec<Letter> = { numbers.iter().zip(sagas.iter().cycle()) }
        .map(|((keys, number), saga)| letter(stage.ids, *saga, Deed::Sum, *number, keys))
        .collect();
    let twice: Vec<Letter> = letters.iter().flat_map(|one| [one.clone(), one.clone()]).collect();
    stage.send(&twice).await;
    let instance = start_with(&stage, LoopSettings { batch_max, ..stage.settings() }).await;
    stage.until_done(letters.len()).await;
    stage.send(&letters).await;
    let look = letter(stage.ids, sagas[0], Deed::Look, 0, &keys(["all", "nothing"]));
    stage.send(&[look]).await;
    stage.until_done(letters.len() + 1).await;
    instance.stop().await;

    let expected = totals(&numbers);
    assert_eq!(sums(&stage).await, expected);
    assert_eq!(expected["all"], [50, 50 * 51 / 2, 25, 25]);
    let seen: Vec<_> = states(&stage).await.into_iter().flat_map(|state| state.seen).collect();
    let all = ("all".to_owned(), expected["all"]);
    assert_eq!(seen, [all, ("nothing".to_owned(), [0; 4])]);
}

#[tokio::test]
async fn sums_are_those_of_all_events_however_often_they_come() {
    sums_are_those_of_all_events(1_000).await;
}

#[tokio::test]
async fn sums_are_those_of_all_events_across_batches() {
    sums_are_those_of_all_events(3).await;
}

/// Has two instances work until both have done something, and nothing is left to do. Returns what was
/// sent.
async fn in_company<T: Clone>(
    stage: &Stage,
    kinds: &[T],
    rounds: usize,
    letter: impl Fn(usize, &T) -> Letter,
) -> Vec<(usize, T)> {
    let instances = [start(stage).await, start(stage).await];
    let mut sent = Vec::new();
    for round in 0.. {
        let both = "(SELECT DISTINCT last_bundle >> 32 FROM tallies) AS active";
        if round >= rounds && stage.count(both).await == 2 {
            break;
        }
        let letters: Vec<Letter> = kinds.iter().map(|kind| letter(round, kind)).collect();
        stage.send(&letters).await;
        sent.extend(kinds.iter().map(|kind| (round, kind.clone())));
    }
    stage.until_done(sent.len()).await;
    for instance in instances {
        instance.stop().await;
    }
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let deadlocks: i64 = sqlx::query_scalar(deadlocks).fetch_one(&stage.pool).await.unwrap();
    assert_eq!(deadlocks, 0);
    assert_eq!(stage.dead_letters().await.len(), 0);
    sent
}

#[tokio::test]
async fn instances_that_add_to_the_same_keys_lose_nothing() {
    let stage = set(Stage::set().await).await;
    // Each round has a key that is new to both.
    let keys = |round: usize, kind: &Vec<&str>| -> Vec<String> {
        kind.iter().map(|key| key.replace("new", &format!("new-{round}"))).collect()
    };
    let kinds = [["a", "b", "new"], ["new", "a", "c"], ["c", "new", "b"]].map(Vec::from);
    let kinds: Vec<_> = kinds.iter().cycle().take(60).cloned().collect();
    let sent = in_company(&stage, &kinds, 50, |round, kind| {
        let number = i64::try_from(round).unwrap();
        letter(stage.ids, new_orders(1)[0], Deed::Sum, number, &keys(round, kind))
    })
    .await;
    let numbers: Vec<_> = { sent.iter() }
        .map(|(round, kind)| (keys(*round, kind), i64::try_from(*round).unwrap()))
        .collect();
    assert_eq!(sums(&stage).await, totals(&numbers));
}

#[tokio::test]
async fn instances_that_take_from_the_same_keys_take_no_more_than_there_is() {
    let stage = set(Stage::set().await).await;
    stage.execute("INSERT INTO shelves VALUES ('hot', 700, 0), ('warm', 100000, 0)").await;
    let kinds = [vec!["hot"], vec!["hot", "warm"], vec!["warm", "hot"], vec!["warm"]];
    let kinds: Vec<_> = kinds.iter().cycle().take(80).cloned().collect();
    let sent = in_company(&stage, &kinds, 30, |_, keys| {
        letter(stage.ids, new_orders(1)[0], Deed::Take, 1, keys)
    })
    .await;
    let states = states(&stage).await;
    let taken = |key: &str| states.iter().filter_map(|state| state.taken.get(key)).sum::<i64>();
    let (hot, warm) = (taken("hot"), taken("warm"));
    let shelves = shelves(&stage).await;
    assert_eq!(shelves["hot"], [700 - hot, hot]);
    assert_eq!(shelves["warm"], [100_000 - warm, warm]);
    assert_eq!(hot, 700, "none was refused while there was one");
    let refused = states.iter().filter(|state| state.refused > 0).count();
    let asking = sent.iter().filter(|(_, keys)| keys.contains(&"hot")).count();
    assert_eq!(refused, asking - 700);
}

#[tokio::test]
async fn what_is_taken_without_looking_is_taken_if_it_is_there() {
    let stage = set(Stage::set_narrow().await).await;
    stage.execute("INSERT INTO shelves VALUES ('pot', 3, 0), ('tea', 3, 0)").await;
    let take = |key| letter(stage.ids, new_orders(1)[0], Deed::TakeBlindly, 1, &keys([key]));
    let letters = ["pot", "tea", "pot", "unicorn", "pot", "pot", "pot", "tea"].map(take);
    stage.send(&letters).await;
    let instance = start(&stage).await;
    stage.until_done(5).await;
    instance.stop().await;
    let expected = [("pot".to_owned(), [0, 3]), ("tea".to_owned(), [1, 2])];
    assert_eq!(shelves(&stage).await, expected.into());
    assert_eq!(stage.dead_letters().await.len(), 3, "what is not there is a message's fault");
}

#[tokio::test]
async fn what_is_taken_before_it_is_there_is_taken_later() {
    let stage = set(Stage::set_narrow().await).await;
    let retry = RetryPolicy { max_attempts: 1_000, ..stage.settings().retry };
    let instance = start_with(&stage, LoopSettings { retry, ..stage.settings() }).await;
    let earn = |number, key| letter(stage.ids, new_orders(1)[0], Deed::Earn, number, &keys([key]));
    // Of one who has no row, and of one who has too little.
    stage.send(&[earn(-5, "ada"), earn(3, "bob"), earn(-4, "bob")]).await;
    stage.until_count("retry_queue", 2).await;
    assert_eq!(points(&stage).await, [("bob".to_owned(), [3])].into());
    stage.send(&[earn(12, "ada"), earn(1, "bob")]).await;
    stage.until_done(5).await;
    let expected = [("ada".to_owned(), [7]), ("bob".to_owned(), [0])];
    assert_eq!(points(&stage).await, expected.clone().into());

    // Who looks first asks for nothing that is not there.
    let spend = letter(stage.ids, new_orders(1)[0], Deed::Spend, 7, &keys(["ada", "bob", "eve"]));
    stage.send(&[spend, earn(-1, "cyd"), earn(9, "cyd")]).await;
    stage.until_done(8).await;
    instance.stop().await;
    let expected = [("ada", [0]), ("bob", [0]), ("cyd", [8])];
    assert_eq!(points(&stage).await, expected.map(|(key, it)| (key.to_owned(), it)).into());
    assert_eq!(states(&stage).await.iter().map(|state| state.refused).sum::<u32>(), 2);
}

#[tokio::test]
async fn the_statements_of_a_batch_do_not_depend_on_how_many_keys_there_are() {
    let stage = set(Stage::set_narrow().await).await;
    let log = StatementLog::begin(&stage.sandbox, TALLY).await;
    let mut sent = 0;
    for count in [1, 200] {
        let keys: Vec<String> = (0..count).map(|number| format!("{count}-{number}")).collect();
        let stock = "INSERT INTO shelves SELECT $1 || '-' || number, 9, 0
            FROM generate_series(0, $1::int - 1) AS number";
        stage.execute(&stock.replace("$1", &format!("'{count}'"))).await;
        let instance = start(&stage).await;
        let saga = new_orders(1)[0];
        for deed in [Deed::All, Deed::All, Deed::Sum] {
            stage.send(&[letter(stage.ids, saga, deed, 1, &keys)]).await;
            sent += 1;
            stage.until_done(sent).await;
        }
        instance.stop().await;
        assert_eq!(sums(&stage).await[&keys[0]], [3, 3, 0, 3]);
        assert_eq!(points(&stage).await[&keys[0]], [2]);
        assert_eq!(shelves(&stage).await[&keys[0]], [7, 2]);
    }
    let batches = log.batches();
    let statements: Vec<_> = batches.iter().map(|batch| &batch.statements).collect();
    let [one, many] = [&statements[..3], &statements[3..]];
    assert_eq!(one, many);
    assert_eq!(one.iter().map(|batch| batch.len()).collect::<Vec<_>>(), [2, 2, 1]);
}

#[tokio::test]
async fn a_batch_that_is_undone_adds_nothing() {
    let stage = set(Stage::set_narrow().await).await;
    let add = |saga| letter(stage.ids, saga, Deed::Sum, 1, &keys(["all"]));
    let instance = start(&stage).await;
    let sagas = new_orders(2);
    stage.send(&[add(sagas[0]), add(sagas[1])]).await;
    stage.until_done(2).await;
    // Somebody else has decided on one of them meanwhile: what is remembered of it is old.
    let elsewhere = "UPDATE tallies SET version = version + 1 WHERE saga = ";
    stage.execute(&format!("{elsewhere}'{}'", sagas[0].0)).await;
    stage.send(&[add(sagas[1]), add(sagas[0])]).await;
    stage.until_done(4).await;
    instance.stop().await;
    assert_eq!(sums(&stage).await["all"], [4, 4, 0, 4]);
}
