//! An outbox that has become long is published soon, whyever it has.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use contracts::Encoder;
use futures::future::join_all;
use kernel::SagaKey;
use serde_json::json;
use testkit::{Options, Sandbox, Stack};
use uuid::Uuid;

use crate::letter::{Letter, new_orders};
use crate::relay::OTHER;
use crate::stage::{Stage, in_order};
use crate::tally::{Action, Added, COUNTED, Input, TALLY};

/// How soon all is published. Builds for debugging share two cores with other tests, and take
/// several times as long.
const WITHIN: Duration = Duration::from_secs(if cfg!(debug_assertions) { 60 } else { 15 });
const ORDERS: usize = 5_000;
const EACH: i64 = 10;

/// Puts a row into the outbox for each of a saga's events; those of all sagas in turn. Returns
/// what is to be published.
async fn fill_outbox(stage: &Stage, instance: i32) -> BTreeMap<SagaKey, Vec<i64>> {
    let schema = stage.sandbox.register(TALLY, "Counted", COUNTED).await;
    let encoder = Encoder::new(schema, COUNTED).unwrap();
    let sagas = new_orders(ORDERS);
    let ids: Vec<Uuid> = sagas.iter().map(|saga| saga.0).collect();
    // Bundles of a round follow each other, and so a saga's lie as far apart as there are sagas.
    let first = (i64::from(instance) << 32) + 1_000_000;
    for number in 1..=EACH {
        let payload = encoder.encode(&json!({"number": number})).unwrap();
        let insert = sqlx::query(
            "INSERT INTO outbox_bundles (bundle_id, instance, event_ids, sagas, sequences,
               event_types, times, correlation_ids, causation_ids, traceparents, payloads, follows)
             SELECT $1::bigint + at, $3::integer, ARRAY[gen_random_uuid()], ARRAY[saga], ARRAY[$4::integer],
               '{Counted}', ARRAY[now()], '{c}', '{r}', '{NULL}', ARRAY[$5::bytea],
               ARRAY[CASE WHEN $4 > 1 THEN $1 + at - cardinality($2::uuid[]) END]
             FROM unnest($2::uuid[]) WITH ORDINALITY AS one (saga, at)",
        );
        let before = first + (number - 1) * i64::try_from(ORDERS).unwrap();
        let insert = insert.bind(before).bind(&ids).bind(instance);
        let insert = insert.bind(i32::try_from(number).unwrap()).bind(payload);
        insert.execute(&stage.pool).await.unwrap();
    }
    sagas.into_iter().map(|saga| (saga, (1..=EACH).collect())).collect()
}

async fn assert_published_soon(
    stage: &Stage,
    since: Instant,
    expected: &BTreeMap<SagaKey, Vec<i64>>,
) {
    stage.until_count("outbox_bundles", 0).await;
    assert!(since.elapsed() < WITHIN, "{:?}", since.elapsed());
    let published = in_order(&stage.published().await);
    assert!(published == *expected, "each saga's events, in order");
}

#[tokio::test]
async fn what_an_instance_that_is_gone_has_left_is_published_soon_after_the_start() {
    let stage = Stage::set().await;
    let expected = fill_outbox(&stage, OTHER).await;
    let since = Instant::now();
    let instance = stage.start().await;
    assert_published_soon(&stage, since, &expected).await;
    instance.stop().await;
}

#[tokio::test]
async fn what_got_into_nobodys_memory_is_published_soon() {
    let stage = Stage::set().await;
    let instance = stage.start().await;
    let expected = fill_outbox(&stage, stage.last_instance().await).await;
    assert_published_soon(&stage, Instant::now(), &expected).await;
    instance.stop().await;
}

/// More than memory holds.
#[tokio::test]
async fn what_was_said_while_kafka_was_away_is_published_soon_after_it_is_back() {
    let stack = Stack::start(Options { quiet: true, ..Options::default() }).await.unwrap();
    let stage = Stage::build(Sandbox::on(stack.connections()), 3).await;
    let instance = stage.start().await;
    instance.reports.until_up("kafka").await;
    stack.kafka.stop().await;
    let sagas = new_orders(2 * ORDERS);
    for number in 1..=6 {
        let tell = |saga: &SagaKey| {
            let input = Input::Added(Added { number, action: Action::Count });
            let cause = Letter::new(stage.ids, *saga, number, Action::Count).cause();
            instance.handle.submit(*saga, "test", input, cause)
        };
        let told = join_all(sagas.iter().map(tell)).await;
        assert!(told.iter().all(Result::is_ok));
    }
    assert!(instance.handle.is_behind(), "memory does not hold them all");
    assert_eq!(stage.count("outbox").await, 60_000);
    stack.kafka.start().await.unwrap();
    let since = Instant::now();
    let expected = sagas.into_iter().map(|saga| (saga, (1..=6).collect())).collect();
    assert_published_soon(&stage, since, &expected).await;
    assert!(!instance.handle.is_behind());
    instance.stop().await;
    stack.stop().await;
}
