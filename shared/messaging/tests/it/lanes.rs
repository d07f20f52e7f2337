//! Calls that hang keep nobody else waiting.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use farandole_messaging::LoopSettings;
use kernel::SagaKey;
use testkit::eventually;

use crate::gateway::Mood;
use crate::letter::{Letter, new_orders};
use crate::stage::{PATIENCE, Stage};
use crate::tally::{Action, ELSEWHERE};

const HANGING: usize = 3_000;
const HEALTHY: usize = 50;
/// How soon most of the healthy calls are made.
const SOON: Duration = Duration::from_secs(5);

async fn send(stage: &Stage, sagas: &[SagaKey], action: Action) {
    let letter = |saga: &SagaKey| Letter::new(stage.ids, *saga, 1, action);
    stage.send(&sagas.iter().map(letter).collect::<Vec<_>>()).await;
}

/// Waits until all of these sagas' calls have been made after `since`, and asserts that at least 95
/// of a hundred were made soon.
async fn assert_called_soon(stage: &Stage, sagas: &[SagaKey], since: Instant) {
    let waits = || async {
        let calls = stage.gateway.calls();
        let mut first: HashMap<String, Instant> = HashMap::new();
        for (key, time) in calls.keys.into_iter().zip(calls.times) {
            if time >= since {
                first.entry(key).or_insert(time);
            }
        }
        let wait = |saga: &SagaKey| Some(*first.get(&format!("{saga}/ask"))? - since);
        sagas.iter().map(wait).collect::<Option<Vec<Duration>>>()
    };
    let mut waits = eventually("all are called", PATIENCE, waits).await;
    waits.sort_unstable();
    let p95 = waits[waits.len() * 95 / 100];
    assert!(p95 < SOON, "{waits:?}");
}

#[tokio::test]
async fn calls_that_hang_hold_up_no_others_neither_now_nor_after_a_restart() {
    let stage = Stage::set().await;
    let settings = || LoopSettings {
        effect_concurrency: 8,
        effect_timeout: Duration::from_secs(1),
        ..stage.settings()
    };
    stage.gateway.set(Mood::WaitAt(ELSEWHERE));
    let instance = stage.start_with(settings()).await;
    send(&stage, &new_orders(HANGING), Action::AskElsewhere).await;
    stage.until_count("effects", i64::try_from(HANGING).unwrap()).await;

    let since = Instant::now();
    let healthy = new_orders(HEALTHY);
    send(&stage, &healthy, Action::Ask).await;
    assert_called_soon(&stage, &healthy, since).await;
    let broken = instance.reports.until_broken().await;
    assert_eq!(broken, BTreeSet::from([("ask", ELSEWHERE.to_owned())]));

    // Some that are open when the instance stops.
    stage.gateway.set(Mood::Wait);
    let left = new_orders(HEALTHY);
    send(&stage, &left, Action::Ask).await;
    stage.until_count("effects", i64::try_from(HANGING + HEALTHY).unwrap()).await;
    instance.stop().await;
    stage.gateway.set(Mood::WaitAt(ELSEWHERE));
    let since = Instant::now();
    let instance = stage.start_with(settings()).await;
    let new = new_orders(HEALTHY);
    send(&stage, &new, Action::Ask).await;
    assert_called_soon(&stage, &[left, new].concat(), since).await;

    stage.gateway.set(Mood::Answer);
    stage.until_done(HANGING + 3 * HEALTHY).await;
    instance.stop().await;
}
