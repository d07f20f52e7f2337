//! Calls to the outside: none without an intent on disk, none forgotten, each outcome once.

use std::collections::HashSet;
use std::time::Duration;

use farandole_messaging::{LoopSettings, RetryPolicy};
use kernel::SagaKey;
use testkit::eventually;

use crate::gateway::{Calls, Mood};
use crate::letter::{Letter, new_orders};
use crate::stage::{PATIENCE, Stage};
use crate::tally::{Action, FEW_TIMES};
use crate::topic::Record;

fn ask(stage: &Stage, sagas: &[SagaKey]) -> Vec<Letter> {
    sagas.iter().map(|saga| Letter::new(stage.ids, *saga, 1, Action::Ask)).collect()
}

async fn until_calls(stage: &Stage, what: &str, is: impl Fn(&Calls) -> bool) -> Calls {
    let calls = || async { Some(stage.gateway.calls()).filter(|calls| is(calls)) };
    eventually(what, PATIENCE, calls).await
}

/// Asserts that a saga knows one answer, and that one event tells it.
async fn assert_answered(stage: &Stage, saga: SagaKey, answer: &str) {
    assert_eq!(stage.states().await[&saga].answers, [answer]);
    let published = stage.published().await;
    let told = published
        .iter()
        .map(Record::envelope)
        .filter(|envelope| envelope.saga == saga && envelope.event_type == "Answered");
    // The event may be in the topic more than once, under the same id.
    let told: HashSet<_> = told.map(|envelope| (envelope.id, envelope.sequence)).collect();
    assert_eq!(told.into_iter().map(|(_, sequence)| sequence).collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn the_intent_is_on_disk_before_the_call_and_two_instances_that_call_have_one_outcome() {
    let stage = Stage::set().await;
    let saga = new_orders(1)[0];
    let key = format!("{saga}/ask");
    stage.gateway.set(Mood::Wait);
    let (one, two) = tokio::join!(stage.start(), stage.start());
    stage.send(&ask(&stage, &[saga])).await;
    until_calls(&stage, "a call", |calls| calls.running == 1).await;
    assert_eq!(stage.count("effects").await, 1, "seen from outside, so committed");
    let second = || async {
        // As if the lease were over; whichever instance sees it first takes the intent.
        stage.execute("UPDATE effect_bundles SET due_at = now()").await;
        (stage.gateway.calls().running == 2).then_some(())
    };
    eventually("a second call", PATIENCE, second).await;
    stage.gateway.set(Mood::Answer);
    stage.until_done(1).await;
    one.stop().await;
    two.stop().await;
    // An intent that is due is called again until its outcome is committed: perhaps a third time.
    assert!(stage.gateway.calls().keys.iter().all(|one| *one == key));
    assert_answered(&stage, saga, &format!("answer to {key}")).await;
}

#[tokio::test]
async fn a_call_is_repeated_with_its_key_until_its_outcome_is_known() {
    let stage = Stage::set().await;
    let saga = new_orders(1)[0];
    let key = format!("{saga}/ask");
    stage.gateway.set(Mood::HangUp);
    let instance = stage.start().await;
    stage.send(&ask(&stage, &[saga])).await;
    until_calls(&stage, "repetitions", |calls| calls.keys.len() > 4).await;
    stage.gateway.set(Mood::Answer);
    stage.until_done(1).await;
    instance.stop().await;
    let calls = stage.gateway.calls();
    assert!(calls.keys.iter().all(|one| *one == key), "{calls:?}");
    assert_answered(&stage, saga, &format!("answer to {key}")).await;
}

#[tokio::test]
async fn calls_intended_together_are_put_off_each_for_itself() {
    let stage = Stage::set().await;
    let sagas = new_orders(5);
    stage.gateway.set(Mood::HangUp);
    stage.send(&ask(&stage, &sagas)).await;
    let instance = stage.start().await;
    stage.until_count("effect_bundles WHERE attempts > 2 AND length(open) = 1", 5).await;
    assert_eq!(stage.count("effects").await, 5);
    stage.gateway.set(Mood::Answer);
    stage.until_done(5).await;
    instance.stop().await;
    for saga in sagas {
        assert_answered(&stage, saga, &format!("answer to {saga}/ask")).await;
    }
}

#[tokio::test]
async fn a_call_that_is_not_answered_in_time_is_repeated() {
    let stage = Stage::set().await;
    let saga = new_orders(1)[0];
    stage.gateway.set(Mood::Wait);
    let settings = LoopSettings { effect_timeout: Duration::from_millis(100), ..stage.settings() };
    let instance = stage.start_with(settings).await;
    stage.send(&ask(&stage, &[saga])).await;
    let calls = until_calls(&stage, "repetitions", |calls| calls.keys.len() > 1).await;
    assert_eq!(calls.most_running, 1, "one after the other");
    stage.gateway.set(Mood::Answer);
    stage.until_done(1).await;
    instance.stop().await;
    assert_answered(&stage, saga, &format!("answer to {saga}/ask")).await;
}

#[tokio::test]
async fn after_a_kill_during_the_call_the_next_process_calls_with_the_same_key() {
    let stage = Stage::set().await;
    let saga = new_orders(1)[0];
    let key = format!("{saga}/ask");
    stage.gateway.set(Mood::Wait);
    let process = stage.start_process(Some("the-one"), 1_000);
    stage.send(&ask(&stage, &[saga])).await;
    until_calls(&stage, "a call", |calls| calls.running == 1).await;
    process.kill().await;
    until_calls(&stage, "nobody waits", |calls| calls.running == 0).await;
    let process = stage.start_process(Some("the-one"), 1_000);
    until_calls(&stage, "a call again", |calls| calls.running == 1).await;
    stage.gateway.set(Mood::Answer);
    stage.until_done(1).await;
    process.stop().await;
    assert_eq!(stage.gateway.calls().keys, [key.as_str(), &key]);
    assert_answered(&stage, saga, &format!("answer to {key}")).await;
}

/// Of one destination no more than half of them, rounded up: the rest is for others.
#[tokio::test]
async fn no_more_calls_run_at_once_than_are_allowed() {
    let stage = Stage::set().await;
    stage.gateway.set(Mood::Wait);
    let settings = LoopSettings { effect_concurrency: 3, ..stage.settings() };
    let instance = stage.start_with(settings).await;
    stage.send(&ask(&stage, &new_orders(30))).await;
    stage.until_count("effects", 30).await;
    until_calls(&stage, "two calls", |calls| calls.running == 2).await;
    instance.reports.until_turned().await;
    assert_eq!(stage.gateway.calls().most_running, 2);

    let letter = |saga| Letter::new(stage.ids, saga, 1, Action::AskElsewhere);
    stage.send(&new_orders(30).into_iter().map(letter).collect::<Vec<_>>()).await;
    stage.until_count("effects", 60).await;
    until_calls(&stage, "three calls", |calls| calls.running == 3).await;
    instance.reports.until_turned().await;
    stage.gateway.set(Mood::Answer);
    stage.until_done(60).await;
    instance.stop().await;
    assert_eq!(stage.gateway.calls().most_running, 3);
}

/// Calls queue up for longer than an instance has their intents to itself.
#[tokio::test]
async fn a_call_in_the_queue_is_not_made_twice_however_long_it_waits() {
    let stage = Stage::set().await;
    stage.gateway.set(Mood::Slow(Duration::from_millis(150)));
    let settings = LoopSettings {
        effect_concurrency: 1,
        effect_timeout: Duration::from_millis(400),
        retry: RetryPolicy { cap: Duration::from_millis(1), ..stage.settings().retry },
        ..stage.settings()
    };
    let instance = stage.start_with(settings).await;
    stage.send(&ask(&stage, &new_orders(30))).await;
    stage.until_done(30).await;
    instance.stop().await;
    let mut keys = stage.gateway.calls().keys;
    assert_eq!(keys.len(), 30, "each call once");
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 30);
}

#[tokio::test]
async fn a_call_is_given_up_when_the_service_says_so() {
    let stage = Stage::set().await;
    let saga = new_orders(1)[0];
    stage.gateway.set(Mood::HangUp);
    let instance = stage.start().await;
    stage.send(&[Letter::new(stage.ids, saga, 1, Action::AskFewTimes)]).await;
    stage.until_done(1).await;
    instance.stop().await;
    assert_eq!(u32::try_from(stage.gateway.calls().keys.len()), Ok(FEW_TIMES));
    assert_answered(&stage, saga, "given up").await;
}

#[tokio::test]
async fn a_call_that_panics_is_made_again() {
    let stage = Stage::set().await;
    let sagas = new_orders(20);
    let letter = |saga: &SagaKey| Letter::new(stage.ids, *saga, 1, Action::AskClumsily);
    stage.send(&sagas.iter().map(letter).collect::<Vec<_>>()).await;
    let instance = stage.start().await;
    let done = tokio::time::timeout(Duration::from_secs(30), stage.until_done(sagas.len()));
    done.await.expect("all are known within half a minute");
    instance.stop().await;
    for saga in sagas {
        assert_answered(&stage, saga, &format!("answer to {saga}/ask")).await;
    }
}

/// The provider is asked again, for only that can bring an outcome that can be taken; how often it
/// was can be seen.
#[tokio::test]
async fn a_call_whose_outcome_cannot_be_taken_counts_its_tries() {
    let stage = Stage::set().await;
    let saga = new_orders(1)[0];
    let instance = stage.start().await;
    stage.send(&[Letter::new(stage.ids, saga, 1, Action::AskInVain)]).await;
    let refused = "effects WHERE attempts > 3 AND last_error LIKE '%cannot be taken%nonsense%'";
    stage.until_count(refused, 1).await;
    instance.stop().await;
}

#[tokio::test]
async fn no_more_events_are_taken_in_while_too_many_calls_are_open() {
    let stage = Stage::set_narrow().await;
    stage.gateway.set(Mood::HangUp);
    let settings = LoopSettings { backlog_max: 20, ..stage.settings() };
    let instance = stage.start_with(settings).await;
    stage.send(&ask(&stage, &new_orders(30))).await;
    stage.until_count("effects", 30).await;
    instance.reports.until_intake(true).await;
    let late = new_orders(1)[0];
    stage.send(&[Letter::new(stage.ids, late, 1, Action::Count)]).await;
    instance.reports.until_turned().await;
    assert_eq!(stage.count("inbox").await, 30);
    stage.gateway.set(Mood::Answer);
    stage.until_done(31).await;
    instance.reports.until_intake(false).await;
    instance.stop().await;
    assert_eq!(stage.numbers(late).await, [1]);
}
