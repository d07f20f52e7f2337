//! What was committed is published, at least once and in order, whoever committed it.

use std::collections::{BTreeMap, HashMap};

use contracts::Encoder;
use kernel::SagaKey;
use serde_json::json;
use sqlx::PgExecutor;
use testkit::eventually;
use uuid::Uuid;

use crate::instance::Instance;
use crate::letter::{Letter, new_orders, rounds};
use crate::stage::{LOCK_CLASS, PATIENCE, Stage, in_order};
use crate::tally::{Action, Added, COUNTED, Input, TALLY};

/// An advisory lock that no instance takes.
const DELETES: i32 = 7;

/// From here on no row leaves the outbox while somebody holds the lock.
async fn guard_deletes(stage: &Stage) {
    stage
        .execute(&format!(
            "CREATE FUNCTION await_lock() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN PERFORM pg_advisory_xact_lock_shared({DELETES}); RETURN NULL; END $$;
             CREATE TRIGGER await_lock BEFORE DELETE ON outbox_bundles EXECUTE FUNCTION await_lock()"
        ))
        .await;
}

#[tokio::test]
async fn what_was_published_by_an_instance_killed_before_the_delete_keeps_its_id() {
    let stage = Stage::set().await;
    guard_deletes(&stage).await;
    let mut lock = stage.pool.begin().await.unwrap();
    let take = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(i64::from(DELETES));
    take.execute(&mut *lock).await.unwrap();

    let letters = rounds(stage.ids, &new_orders(10), 5);
    stage.send(&letters).await;
    let process = stage.start_process(None, 1_000);
    let published = || async { Some(times_published(&stage).await).filter(|ids| ids.len() == 50) };
    let before = eventually("all is published", PATIENCE, published).await;
    assert_eq!(stage.count("outbox").await, 50, "and still to be deleted");
    process.kill().await;
    // The server has what the process asked of it last, and would do it once it can.
    let sessions = "pg_stat_activity WHERE datname = current_database()
        AND application_name LIKE 'farandole %'";
    stage.execute(&format!("SELECT pg_terminate_backend(pid) FROM {sessions}")).await;
    stage.until_count(sessions, 0).await;
    lock.rollback().await.unwrap();

    let instance = stage.start().await;
    stage.until_done(letters.len()).await;
    instance.stop().await;
    stage.assert_took_effect_once(&letters).await;
    let after = times_published(&stage).await;
    assert_eq!(after.len(), before.len(), "no event got a second id");
    for (id, times) in before {
        assert!(after[&id] > times, "{id} was published again");
    }
}

/// How often each event is in the topic.
async fn times_published(stage: &Stage) -> HashMap<Uuid, usize> {
    let mut times = HashMap::new();
    for record in stage.published().await {
        *times.entry(record.envelope().id).or_default() += 1;
    }
    times
}

/// The number of an instance that there never was.
pub(crate) const OTHER: i32 = 1_000_000;

/// Puts a saga's first event into the outbox, as an instance may have left it. Returns the bundle.
async fn leave_behind(
    db: impl PgExecutor<'_>,
    instance: i32,
    id: Uuid,
    saga: SagaKey,
    id_of_schema: i32,
) -> i64 {
    let encoder = Encoder::new(id_of_schema, COUNTED).unwrap();
    let payload = encoder.encode(&json!({"number": 1})).unwrap();
    let bundle = i64::from(instance) << 32 | i64::from(fastrand::u32(1_000_000..));
    let insert = sqlx::query(
        "INSERT INTO outbox_bundles (bundle_id, instance, event_ids, sagas, sequences,
          event_types, times, correlation_ids, causation_ids, traceparents, payloads, follows)
        VALUES ($1, $2, ARRAY[$3::uuid], ARRAY[$4::uuid], '{1}', '{Counted}', ARRAY[now()], '{c}',
          '{r}', '{NULL}', ARRAY[$5::bytea], '{NULL}')",
    );
    let insert = insert.bind(bundle).bind(instance).bind(id).bind(saga.0).bind(payload);
    insert.execute(db).await.unwrap();
    bundle
}

/// Writes the state of a saga whose first event is in that bundle.
async fn remember(db: impl PgExecutor<'_>, saga: SagaKey, bundle: i64) {
    let state = json!({"numbers": [1], "answers": []});
    let insert = sqlx::query("INSERT INTO tallies VALUES ($1, 1, 1, $2, '{}', $3::jsonb::json)");
    insert.bind(saga.0).bind(bundle).bind(state).execute(db).await.unwrap();
}

#[tokio::test]
async fn a_row_with_an_old_id_that_commits_late_is_published() {
    let stage = Stage::set().await;
    let counted = stage.sandbox.register(TALLY, "Counted", COUNTED).await;
    let (late, early) = (new_orders(1)[0], new_orders(1)[0]);
    let (late_id, early_id) = (Uuid::now_v7(), Uuid::now_v7());
    let mut open = stage.pool.begin().await.unwrap();
    leave_behind(&mut *open, OTHER, late_id, late, counted).await;
    leave_behind(&stage.pool, OTHER, early_id, early, counted).await;

    let instance = stage.start().await;
    let letters = rounds(stage.ids, &new_orders(10), 1);
    stage.send(&letters).await;
    stage.until_done(10).await;
    let ids = || async {
        let records = stage.published().await;
        records.iter().map(|record| record.envelope().id).collect::<Vec<_>>()
    };
    let before = ids().await;
    assert!(before.contains(&early_id) && !before.contains(&late_id));
    open.commit().await.unwrap();
    stage.until_count("outbox", 0).await;
    assert!(ids().await.contains(&late_id));
    instance.stop().await;
}

/// The other instance lives, as its lock tells, but does not come to publish its event.
#[tokio::test]
async fn an_event_waits_for_the_one_before_it_and_other_orders_do_not() {
    let stage = Stage::set().await;
    let counted = stage.sandbox.register(TALLY, "Counted", COUNTED).await;
    let (held, free) = (new_orders(1)[0], new_orders(1)[0]);
    let mut other = stage.pool.acquire().await.unwrap();
    let live = sqlx::query("SELECT pg_advisory_lock($1, $2)").bind(LOCK_CLASS).bind(OTHER);
    live.execute(&mut *other).await.unwrap();
    let bundle = leave_behind(&mut *other, OTHER, Uuid::now_v7(), held, counted).await;
    remember(&mut *other, held, bundle).await;

    let instance = stage.start().await;
    let letters = [(held, 2), (free, 1)]
        .map(|(saga, number)| Letter::new(stage.ids, saga, number, Action::Count));
    stage.send(&letters).await;
    let of_free = || async { in_order(&stage.published().await).remove(&free) };
    eventually("the other saga is published", PATIENCE, of_free).await;
    sqlx::query("SELECT pg_advisory_unlock_all()").execute(&mut *other).await.unwrap();
    stage.until_done(2).await;
    instance.stop().await;
    assert_eq!(in_order(&stage.published().await)[&held], [1, 2]);
}

/// As when the server crashes before the delete is on its disk.
#[tokio::test]
async fn a_row_that_comes_back_is_deleted_again() {
    let stage = Stage::set().await;
    stage
        .execute(
            "CREATE TABLE deleted (LIKE outbox_bundles);
             CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN INSERT INTO deleted VALUES (OLD.*); RETURN OLD; END $$;
             CREATE TRIGGER keep BEFORE DELETE ON outbox_bundles
               FOR EACH ROW EXECUTE FUNCTION keep()",
        )
        .await;
    let instance = stage.start().await;
    stage.send(&rounds(stage.ids, &new_orders(3), 1)).await;
    stage.until_done(3).await;
    stage.until_count("outbox", 0).await;
    stage.execute("INSERT INTO outbox_bundles SELECT * FROM deleted").await;
    assert_eq!(stage.count("outbox").await, 3);
    stage.until_count("outbox", 0).await;
    instance.stop().await;
    assert_eq!(stage.published().await.len(), 3, "they were in the log");
}

/// As when the answer to a commit is lost: the event is in the table, and in nobody's memory.
#[tokio::test]
async fn an_event_whose_commit_was_not_answered_goes_before_the_next_of_its_order() {
    let stage = Stage::set().await;
    let counted = stage.sandbox.register(TALLY, "Counted", COUNTED).await;
    let saga = new_orders(1)[0];
    let instance = stage.start().await;
    let number = stage.last_instance().await;
    let mut unanswered = stage.pool.begin().await.unwrap();
    let bundle = leave_behind(&mut *unanswered, number, Uuid::now_v7(), saga, counted).await;
    remember(&mut *unanswered, saga, bundle).await;
    unanswered.commit().await.unwrap();
    stage.send(&[Letter::new(stage.ids, saga, 2, Action::Count)]).await;
    stage.until_done(1).await;
    instance.stop().await;
    assert_eq!(in_order(&stage.published().await)[&saga], [1, 2]);
}

/// Commands go around the partitions, so that both instances have each saga in hands at once.
#[tokio::test]
async fn two_instances_with_the_same_orders_lose_nothing_and_publish_in_order() {
    const EACH: i64 = 40;
    let stage = Stage::set().await;
    let sagas = new_orders(5);
    let (one, two) = tokio::join!(stage.start(), stage.start());
    let tell = async |instance: &Instance, first: i64, saga: SagaKey| {
        for number in first..first + EACH {
            let input = Input::Added(Added { number, action: Action::Count });
            let letter = Letter::new(stage.ids, saga, number, Action::Count);
            instance.handle.submit(saga, "test", input, letter.cause()).await.unwrap();
        }
    };
    let telling = sagas.iter().flat_map(|saga| [tell(&one, 0, *saga), tell(&two, EACH, *saga)]);
    futures::future::join_all(telling).await;
    stage.until_count("outbox", 0).await;
    one.stop().await;
    two.stop().await;

    let numbers: BTreeMap<_, _> =
        stage.states().await.into_iter().map(|(saga, state)| (saga, state.numbers)).collect();
    for numbers in numbers.values() {
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..2 * EACH).collect::<Vec<_>>(), "each number once");
    }
    assert_eq!(in_order(&stage.published().await), numbers, "in the order of the commits");
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let deadlocks: i64 = sqlx::query_scalar(deadlocks).fetch_one(&stage.pool).await.unwrap();
    assert_eq!(deadlocks, 0, "both lock rows in the same order");
}

/// Kafka judges batches, and so refuses one whole for the sake of one of its records.
#[tokio::test]
async fn what_kafka_refuses_holds_up_nothing_else_and_goes_out_once_it_may() {
    const LIMIT: i32 = 2_000;
    let stage = Stage::set_narrow().await;
    let topic = stage.sandbox.topics.events(TALLY);
    stage.sandbox.set_topic(&topic, "max.message.bytes", &LIMIT.to_string()).await;
    let sagas = new_orders(60);
    let counted = stage.sandbox.register(TALLY, "Counted", COUNTED).await;
    for (at, saga) in sagas.iter().enumerate() {
        let bundle = leave_behind(&stage.pool, OTHER, Uuid::now_v7(), *saga, counted).await;
        if at == 7 || at == 40 {
            stage
                .execute(&format!(
                    "UPDATE outbox_bundles SET payloads = ARRAY[convert_to(repeat('x', {LIMIT}),
                       'UTF8')] WHERE bundle_id = {bundle}"
                ))
                .await;
        }
    }
    let instance = stage.start().await;
    instance.reports.until_told("refused", "of 2 sagas").await;
    stage.until_count("outbox", 2).await;
    instance.reports.until_up("publishing").await;
    stage.sandbox.set_topic(&topic, "max.message.bytes", "1000000").await;
    stage.until_count("outbox", 0).await;
    assert_eq!(stage.published().await.len(), 60, "each once");
    instance.stop().await;
}

/// As with a right that was taken away.
#[tokio::test]
async fn when_kafka_refuses_everything_the_service_says_so_and_goes_on_once_it_does_not() {
    let stage = Stage::set().await;
    let topic = stage.sandbox.topics.events(TALLY);
    let instance = stage.start().await;
    instance.reports.until_up("publishing").await;
    stage.sandbox.set_topic(&topic, "max.message.bytes", "100").await;
    let letters = rounds(stage.ids, &new_orders(40), 1);
    stage.send(&letters).await;
    let reason = instance.reports.until_down("publishing").await;
    assert!(reason.contains("Kafka refuses events of 40 sagas"), "{reason}");
    stage.sandbox.set_topic(&topic, "max.message.bytes", "1000000").await;
    stage.until_done(letters.len()).await;
    instance.reports.until_up("publishing").await;
    instance.stop().await;
    assert_eq!(stage.published().await.len(), 40);
}
