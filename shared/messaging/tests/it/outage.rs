//! A dependency that is away is nobody's fault: the service says so, waits, and goes on.

use std::sync::Arc;
use std::time::Duration;

use contracts::Encoder;
use farandole_messaging::LoopSettings;
use kernel::SagaKey;
use serde_json::json;
use testkit::{Options, Part, Sandbox, Stack};

use crate::gateway::Mood;
use crate::instance::{Instance, Reports};
use crate::letter::{Letter, new_orders, rounds};
use crate::stage::Stage;
use crate::tally::{Action, Added, Input, UPSTREAM};

/// How long a part stays away.
const OUTAGE: Duration = Duration::from_secs(5);

/// What an upstream writes after its next deployment.
const ADDED_NEXT: &str = r#"{"type":"record","name":"farandole.upstream.Added","fields":[
    {"name":"number","type":"long"}, {"name":"action","type":"string"},
    {"name":"remark","type":"string","default":""}]}"#;

async fn assert_down_until_back(instance: &Instance, part: &Part, name: &'static str, why: &str) {
    let reason = instance.reports.until_down(name).await;
    assert!(reason.contains(why), "{reason}");
    tokio::time::sleep(OUTAGE).await;
    part.start().await.unwrap();
    instance.reports.until_up(name).await;
}

/// One test for all, for each needs a stack of its own.
#[tokio::test]
async fn what_is_away_is_named_and_waited_for_and_nothing_is_lost() {
    let stack = Stack::start(Options { quiet: true, ..Options::default() }).await.unwrap();
    let stage = Stage::build(Sandbox::on(stack.connections()), 3).await;
    let sagas = new_orders(20);
    let mut all = rounds(stage.ids, &sagas, 3);
    stage.send(&all).await;

    // The registry, at the start.
    stack.registry.stop().await;
    let reports = Arc::<Reports>::default();
    let starting = Instance::start_with(
        &stage.database,
        stage.gateway.address,
        stage.settings(),
        reports.clone(),
    );
    let registry_away = async {
        let reason = reports.until_down("schema registry").await;
        assert!(reason.contains("is not there"), "{reason}");
        assert!(stage.count("inbox").await == 0);
        stack.registry.start().await.unwrap();
    };
    let (instance, ()) = tokio::join!(starting, registry_away);
    let instance = instance.unwrap();
    instance.reports.until_up("schema registry").await;
    stage.until_done(all.len()).await;

    // The registry, when a schema is met for the first time.
    let next = stage.sandbox.register(UPSTREAM, "Added", ADDED_NEXT).await;
    stack.registry.stop().await;
    let payload = json!({"number": 4, "action": "count", "remark": "new"});
    let mut letter = Letter::new(stage.ids, sagas[0], 4, Action::Count);
    letter.payload = Encoder::new(next, ADDED_NEXT).unwrap().encode(&payload).unwrap();
    stage.send(std::slice::from_ref(&letter)).await;
    all.push(letter);
    assert_down_until_back(&instance, &stack.registry, "schema registry", "is not there").await;
    stage.until_done(all.len()).await;

    // Postgres, while records come.
    stack.postgres.stop().await;
    let round: Vec<Letter> =
        sagas.iter().map(|saga| Letter::new(stage.ids, *saga, 5, Action::Count)).collect();
    stage.send(&round).await;
    all.extend(round);
    assert_down_until_back(&instance, &stack.postgres, "postgres", "postgres").await;
    stage.until_done(all.len()).await;

    // Kafka, while there is something to say.
    stack.kafka.stop().await;
    let events = all.len();
    for saga in &sagas {
        let letter = Letter::new(stage.ids, *saga, 6, Action::Count);
        let input = Input::Added(Added { number: 6, action: Action::Count });
        instance.handle.submit(*saga, "test", input, letter.cause()).await.unwrap();
        all.push(letter);
    }
    assert_eq!(stage.count("outbox").await, 20);
    assert_down_until_back(&instance, &stack.kafka, "kafka", "").await;
    stage.until_done(events).await;

    instance.stop().await;
    stage.assert_took_effect_once(&all).await;
    assert_eq!(stage.dead_letters().await.len(), 0);
    stack.stop().await;
}

/// The client keeps a partition paused that it loses meanwhile, also when it gets it back.
#[tokio::test]
async fn partitions_that_are_lost_while_paused_are_read_again() {
    let stack = Stack::start(Options { quiet: true, ..Options::default() }).await.unwrap();
    let stage = Stage::build(Sandbox::on(stack.connections()), 3).await;
    stage.gateway.set(Mood::HangUp);
    let settings = LoopSettings { backlog_max: 20, ..stage.settings() };
    let lost_after = settings.session_timeout + OUTAGE;
    let instance = stage.start_with(settings).await;
    let sagas = new_orders(60);
    let letter =
        |number, action| move |saga: &SagaKey| Letter::new(stage.ids, *saga, number, action);
    let asked: Vec<Letter> = sagas.iter().map(letter(1, Action::Ask)).collect();
    stage.send(&asked).await;
    instance.reports.until_intake(true).await;

    stack.kafka.stop().await;
    tokio::time::sleep(lost_after).await;
    stage.gateway.set(Mood::Answer);
    instance.reports.until_intake(false).await;
    stack.kafka.start().await.unwrap();
    let later: Vec<Letter> = sagas.iter().map(letter(2, Action::Count)).collect();
    stage.send(&later).await;
    stage.until_done(asked.len() + later.len()).await;
    instance.stop().await;
    stack.stop().await;
}
