//! The catalogue of events, where it tells of what runs: real events, and topics as they are made.

mod stable;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use catalogue::{EXAMPLES, Example, Examples, TOPIC_DEFAULTS};
use cli::TopicShape;
use declarations::{Schema, Schemas, fleet};
use kafka::ReadEvent;
use serde_json::{Value, json};
use testkit::eventually;
use testkit::http::order;
use uuid::Uuid;

use self::stable::Stable;
use crate::test_fleet::{PATIENCE, TestFleet, shared};

/// Set to `1` to record the examples: `make examples`.
const RENDER: &str = "FARANDOLE_RENDER";

/// The orders whose events are the examples: what is ordered, how many pieces of it there are, and what
/// is special. They lead to all types of events; of each, the first is taken.
const STORIES: [(&str, u32, &str, &str); 5] = [
    ("tambourin", 10, "/customer_id", "c-42"),
    ("fiddle", 10, "/payment_method", "pm_card_visa_chargeDeclined"),
    ("galoubet", 10, "/recipient/country", "XX"),
    ("hurdy-gurdy", 1, "/customer_id", "c-43"),
    ("castanets", 10, "/recipient/email", "undeliverable@example.org"),
];

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(EXAMPLES)
}

fn examples() -> Examples {
    Examples::parse(&fs::read_to_string(file()).unwrap_or("[]".to_owned())).unwrap()
}

fn is_recording() -> bool {
    env::var_os(RENDER).is_some_and(|it| it == "1")
}

#[test]
fn every_version_of_every_event_has_an_example_that_is_one() {
    if is_recording() {
        return;
    }
    let schemas = Schemas::embedded();
    let examples = examples();
    let checked = examples.check(&schemas).and_then(|()| examples.check_complete(&schemas));
    // As it says itself what to do: `make examples`.
    checked.unwrap_or_else(|wrong| panic!("{wrong}"));
}

#[test]
fn topics_are_told_as_they_are_made() {
    let TopicShape { partitions, replication, retention } = TopicShape::default();
    assert_eq!(TOPIC_DEFAULTS.partitions, partitions);
    assert_eq!(TOPIC_DEFAULTS.replication, replication);
    assert_eq!(TOPIC_DEFAULTS.retention, retention);
}

/// Writes the examples, when asked for. Those of versions that are written no more are kept, or made of
/// the events as that version has them.
#[tokio::test]
async fn examples_are_recorded_when_asked_for() {
    if !is_recording() {
        return;
    }
    let (schemas, mut examples) = (Schemas::embedded(), examples());
    for example in recorded(shared().await, &schemas).await {
        examples.put(example);
    }
    examples.only_of(&schemas);
    examples.complete(&schemas).unwrap();
    examples.check(&schemas).unwrap();
    fs::write(file(), examples.text()).unwrap();
}

/// Plays the stories, and takes of each type of events the first.
async fn recorded(test_fleet: &TestFleet, schemas: &Schemas) -> Vec<Example> {
    let mut orders = Vec::new();
    for (sku, pieces, pointer, special) in STORIES {
        test_fleet.sell(sku, pieces).await;
        let mut body = order(sku, 2);
        *body.pointer_mut(pointer).unwrap() = json!(special);
        orders.push(test_fleet.place(&format!("order-of-a-{sku}"), &body).await);
        test_fleet.settled(orders[orders.len() - 1]).await;
    }
    let types = || fleet().services().iter().flat_map(|it| &it.emits).map(|it| it.event.clone());
    let types: BTreeSet<String> = types().collect();
    let all = async || {
        let events = all_of(test_fleet, &orders).await;
        let seen = events.iter().flatten().map(|it| it.envelope.event_type.clone());
        (seen.collect::<BTreeSet<_>>() == types).then_some(events)
    };
    let stories = eventually("events of all types", PATIENCE, all).await;

    let (mut stable, mut taken) = (Stable::default(), Vec::<Example>::new());
    for story in &stories {
        stable.next_story();
        for event in story {
            // Also of those that are not taken: numbers go by all that was said.
            let schema = written(schemas, event);
            let example = stable.example(schema, event);
            let is_new = taken.iter().all(|it| it.event != example.event);
            if is_new {
                taken.push(example);
            }
        }
    }
    taken
}

/// The events of these orders, each order's by the services' places and their own numbers: the same each
/// time, whoever was faster.
async fn all_of(test_fleet: &TestFleet, orders: &[Uuid]) -> Vec<Vec<ReadEvent>> {
    let place = |event: &ReadEvent| {
        let at = fleet().names().position(|name| event.envelope.source == format!("/{name}"));
        (at, event.envelope.sequence)
    };
    let events = test_fleet.sandbox.events().await;
    let of = |order: &Uuid| {
        let its = events.iter().filter(|it| it.envelope.saga.0 == *order);
        let mut its: Vec<ReadEvent> = its.cloned().collect();
        its.sort_by_key(place);
        its
    };
    orders.iter().map(of).collect()
}

/// The schema that an event was written with.
fn written<'a>(schemas: &'a Schemas, event: &ReadEvent) -> &'a Schema {
    let service = event.envelope.source.trim_start_matches('/');
    let event_type = &event.envelope.event_type;
    let mut emits = fleet().service(service).unwrap().emits.iter();
    let version = emits.find(|it| it.event == *event_type).unwrap().version;
    let mut all = schemas.by_event().flatten();
    let is_it = |it: &&Schema| {
        it.service == service && it.event_type == *event_type && Some(it.version) == version
    };
    all.find(is_it).unwrap_or_else(|| panic!("no schema of {event_type} {version:?}"))
}

#[test]
fn ids_and_times_become_stable_and_all_else_stays() {
    let mut stable = Stable::default();
    stable.next_story();
    let id = "0196c1a0-0000-7abc-8000-0123456789ab";
    let first = stable.value(&json!({"id": id, "all": [format!("<{id}@a.invalid>"), 7, null]}));
    let renamed = first["id"].as_str().unwrap();
    assert_ne!(renamed, id);
    assert_eq!(first["all"], json!([format!("<{renamed}@a.invalid>"), 7, null]));
    let charge = stable.value(&json!("ch_0123456789abcdef0123456789abcdef"));
    assert_eq!(charge, json!("ch_00000000000000000000000000000002"));
    assert_eq!(stable.value(&json!("FP0123456789AB")), json!("FP000000000003"));
    for text in
        ["pm_card_visa_chargeDeclined", "castanets", "12 St James's Square", "2026-01-01", ""]
    {
        assert_eq!(stable.value(&json!(text)), Value::from(text));
    }
}
