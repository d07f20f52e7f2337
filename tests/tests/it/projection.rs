//! The console's read model beside a real fleet: what it counts is what the services' databases hold, wherever
//! it died and whatever was published again; and made anew it is the same.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use kafka::{Bounds, PlainRecord, Publisher, Registry, scan, windows};
use projection::{Filter, Projector, Settings, Store, Way, stage};
use serde_json::{Value, json};
use stack::fleet::SERVICES;
use testkit::http::order;
use testkit::{Sandbox, eventually};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::test_fleet::{TestFleet, fresh};

/// Every event is read twice, on a machine that may have much else to do.
const PATIENCE: Duration = Duration::from_mins(4);
/// Orders of each kind that are placed.
const EACH: usize = 25;

/// A projector, until it is stopped.
struct Projecting {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Projecting {
    fn start(settings: &Settings) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(Projector::new(settings.clone()).run(stop.clone()));
        Self { stop, task }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

async fn settings(sandbox: &Sandbox) -> Settings {
    Settings {
        brokers: sandbox.stack.kafka_brokers.clone(),
        registry: Registry::new(&sandbox.stack.schema_registry_url.parse().unwrap()).unwrap(),
        topics: sandbox.topics.clone(),
        database_url: sandbox.database("console").await,
        retention: Duration::from_hours(30 * 24),
    }
}

/// The read model once it has read everything that is in the topics now, in a generation after this one.
async fn caught_up(settings: &Settings, after_generation: i32) -> Store {
    let now = Timestamp::now();
    eventually("the read model has read everything", PATIENCE, async || {
        let store = Store::open(&settings.database_url).await.unwrap()?;
        let reading = store.reading().await.unwrap();
        let is_there = store.generation().number > after_generation
            && reading.is_ready
            && reading.as_of.is_some_and(|at| at > now);
        is_there.then_some(store)
    })
    .await
}

/// All there is in it, as far as that does not depend on when it was read.
async fn contents(store: &Store) -> Value {
    let all = store.list(&Filter::default(), None, 5_000).await.unwrap();
    let mut orders = Vec::new();
    for row in all {
        let order = store.order(row.id).await.unwrap().unwrap();
        assert_eq!(order.said(), row.way.said);
        orders.push(json!({
            "id": row.id,
            "steps": order.steps.iter().map(|step| format!("{step:?}")).collect::<Vec<_>>(),
            "total": format!("{:?}", order.total),
            "reason": order.reason,
            "began": row.began,
            "moved": row.moved,
        }));
    }
    let said = |way: &Way| format!("{:?}", way.said);
    let counts = store.counts(None).await.unwrap();
    let counts: BTreeMap<String, Value> = counts
        .iter()
        .map(|it| {
            let durations = format!("{:?}", it.took);
            (format!("{} {}", said(&it.way), it.reason), json!([it.orders, it.totals, durations]))
        })
        .collect();
    let reactions = store.reactions(Timestamp::UNIX_EPOCH).await.unwrap();
    let reactions: BTreeMap<String, String> = reactions
        .iter()
        .map(|(fact, durations)| (fact.name().to_owned(), format!("{durations:?}")))
        .collect();
    let flow = store.flow(Timestamp::UNIX_EPOCH).await.unwrap();
    let flow: BTreeSet<String> = flow.iter().map(|it| format!("{it:?}")).collect();
    json!({"orders": orders, "counts": counts, "reactions": reactions, "flow": flow})
}

/// How many orders have ended in each way, as the read model counts them.
async fn ends(store: &Store) -> BTreeMap<String, i64> {
    let mut ends = BTreeMap::new();
    for count in store.counts(None).await.unwrap() {
        let end = stage(count.way.said).end().to_owned();
        *ends.entry(format!("{end} {}", count.reason).trim().to_owned()).or_default() +=
            count.orders;
    }
    ends
}

/// The same, as the order service's database has it.
async fn ends_in_database(fleet: &TestFleet) -> BTreeMap<String, i64> {
    let pool = Sandbox::pool(&fleet.sandbox.database_url("order"));
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT trim(concat(state->>'status', ' ', state->>'reason')), count(*) FROM orders GROUP BY 1",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    rows.into_iter().collect()
}

async fn place_of_each_kind(fleet: &TestFleet, sku: &str) {
    let placed = (0..EACH).flat_map(|_| {
        let good = order(sku, 1);
        let (mut declined, mut refused) = (good.clone(), good.clone());
        declined["payment_method"] = json!("pm_card_visa_chargeDeclined");
        refused["recipient"]["country"] = json!("XX");
        [good, declined, refused, order(sku, 9_999)]
    });
    let placing = placed.map(|order| async move { fleet.place(&fresh("o"), &order).await });
    let ids = join_all(placing).await;
    for id in ids {
        fleet.settled(id).await;
    }
}

/// Publishes all events once more, as a relay does that dies before it has noted what it published.
async fn publish_again(sandbox: &Sandbox) {
    let topics: Vec<String> =
        SERVICES.iter().map(|service| sandbox.topics.events(service)).collect();
    let brokers = sandbox.stack.kafka_brokers.clone();
    let records = tokio::task::spawn_blocking(move || {
        let mut records = Vec::new();
        let windows = windows(&brokers, &topics, Bounds::Everything).unwrap();
        scan(&brokers, &windows, |record| {
            let headers = record.headers.iter().flatten();
            let owned = |value: Option<&[u8]>| value.map(<[u8]>::to_vec);
            records.push(PlainRecord {
                topic: record.topic.to_owned(),
                key: owned(record.key),
                payload: owned(record.payload),
                headers: headers.map(|(name, value)| ((*name).to_owned(), owned(*value))).collect(),
            });
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
        records
    });
    let publisher = Publisher::new(&sandbox.stack.kafka_brokers).unwrap();
    publisher.publish_all(&records.await.unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_counted_is_what_the_services_say_and_made_anew_it_is_the_same() {
    let fleet = TestFleet::start(Sandbox::new(), &[("RETRY_BASE_MS", "50")]).await;
    let settings = settings(&fleet.sandbox).await;
    let sku = fresh("sku");
    fleet.sell(&sku, 5_000).await;

    // It dies in the middle, and another goes on.
    let first = Projecting::start(&settings);
    place_of_each_kind(&fleet, &sku).await;
    first.stop().await;
    place_of_each_kind(&fleet, &sku).await;
    let second = Projecting::start(&settings);
    place_of_each_kind(&fleet, &sku).await;

    let expected = ends_in_database(&fleet).await;
    let each = 3 * i64::try_from(EACH).unwrap();
    for reason in ["payment_failed", "shipment_failed", "out_of_stock"] {
        assert_eq!(expected[&format!("cancelled {reason}")], each, "{expected:?}");
    }
    eventually("the counts are those of the database", PATIENCE, async || {
        let store = caught_up(&settings, 0).await;
        let is_at_rest = store.open_orders().await.unwrap().is_empty();
        (is_at_rest && ends(&store).await == expected).then_some(())
    })
    .await;
    let store = caught_up(&settings, 0).await;
    let before = contents(&store).await;

    // What is published again changes nothing.
    publish_again(&fleet.sandbox).await;
    let store = caught_up(&settings, 0).await;
    assert_eq!(contents(&store).await, before);

    // Made anew from the topics it is the same. The one before answers whoever has it open, and then is gone.
    let old = store;
    Projector::new(settings.clone()).rebuild().await.unwrap();
    let store = caught_up(&settings, old.generation().number).await;
    assert_eq!(contents(&store).await, before);
    assert_eq!(contents(&old).await, before);
    assert!(!old.is_shown().await.unwrap() && store.is_shown().await.unwrap());
    eventually("the one before is gone", PATIENCE, async || old.reading().await.err()).await;
    assert!(store.open_orders().await.unwrap().is_empty());
    second.stop().await;

    // An order is found by the end of its id, and its way is a filter.
    let newest = store.list(&Filter::default(), None, 1).await.unwrap().remove(0);
    let id = newest.id.to_string();
    assert!(store.ending(&id[30..], 9).await.unwrap().contains(&newest.id));
    let of_way = Filter { ways: Some(vec![newest.way.number]), ..Filter::default() };
    let same = store.list(&of_way, None, 5_000).await.unwrap();
    assert!(
        same.iter().all(|row| row.way == newest.way) && same.len() >= 3 * EACH,
        "{}",
        same.len()
    );
    let page = store.list(&of_way, Some(same[4].id), 2).await.unwrap();
    assert_eq!(page.iter().map(|row| row.id).collect::<Vec<_>>(), [same[5].id, same[6].id]);
}
