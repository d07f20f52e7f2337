use std::collections::{BTreeMap, BTreeSet};

use contracts::{Declared, Envelope, REDRIVE, TARGET_GROUP, Topics};
use jiff::{SignedDuration, Timestamp};
use kernel::SagaKey;
use uuid::{ContextV7, Uuid};

use super::observer::SchemaIds;
use super::{Difference, Observed, Observer, ReaderGroup, Reading, Rule, Seen, Surroundings};
use crate::{Graph, fixture};

const SCHEMA: i32 = 7;

/// A record that is planted: an event, and what is not as it should be.
#[derive(Clone)]
struct Record {
    owner: String,
    key: String,
    payload: Vec<u8>,
    headers: Vec<(&'static str, String)>,
}

/// What is in the topics, and around them.
struct World {
    services: Vec<Declared>,
    running: Vec<Declared>,
    records: Vec<Record>,
    around: Surroundings<'static>,
    room: usize,
}

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

/// An id that was made so long ago.
fn id_of(ago: SignedDuration) -> Uuid {
    let at = now().checked_sub(ago).unwrap();
    let seconds = u64::try_from(at.as_second()).unwrap();
    Uuid::new_v7(uuid::Timestamp::from_unix(ContextV7::new(), seconds, 0))
}

fn hour_ago() -> Uuid {
    id_of(SignedDuration::from_hours(1))
}

fn record(owner: &str, envelope: &Envelope) -> Record {
    let payload = [&[0][..], &SCHEMA.to_be_bytes(), b"fields"].concat();
    let key = envelope.saga.to_string();
    Record { owner: owner.to_owned(), key, payload, headers: envelope.headers() }
}

fn envelope(saga: Uuid, (service, event): (&str, &str), sequence: u32, cause: &str) -> Envelope {
    Envelope {
        id: hour_ago(),
        event_type: event.to_owned(),
        source: format!("/{service}"),
        saga: SagaKey(saga),
        time: now(),
        sequence,
        correlation_id: "request".to_owned(),
        causation_id: cause.to_owned(),
        traceparent: None,
    }
}

/// What happens: the service, the event, its number, and the place of its cause.
type Step = (&'static str, &'static str, u32, Option<usize>);

const WELL: &[Step] = &[
    ("order", "OrderPlaced", 1, None),
    ("inventory", "StockReserved", 1, Some(0)),
    ("payment", "PaymentCharged", 1, Some(1)),
    ("order", "OrderConfirmed", 2, Some(2)),
    ("notification", "CustomerNotified", 1, Some(3)),
    ("shipping", "ShipmentCreated", 1, Some(3)),
    ("order", "OrderCompleted", 3, Some(5)),
    ("notification", "CustomerNotified", 2, Some(6)),
];

/// The deadline passes: what leads to that is an event of the same service.
const LATE: &[Step] = &[
    ("order", "OrderPlaced", 1, None),
    ("inventory", "StockReserved", 1, Some(0)),
    ("order", "OrderCancelled", 2, Some(0)),
    ("inventory", "StockReleased", 2, Some(2)),
    ("notification", "CustomerNotified", 1, Some(2)),
];

impl World {
    /// In which all is as declared.
    fn new() -> Self {
        let services = fixture::fleet().services().to_vec();
        let group = |it: &Declared| ReaderGroup {
            name: it.service.clone(),
            reads: it.consumes.iter().map(|read| read.from.clone()).collect(),
            unread: 0,
            unread_since: None,
        };
        let readings = services.iter().map(|it| (it.service.clone(), Reading::Whole)).collect();
        let around = Surroundings {
            now: now(),
            topics: Topics::default(),
            readings,
            groups: services.iter().map(group).collect(),
            running: &[],
            decisions: BTreeSet::new(),
            unfit: Vec::new(),
        };
        let running = services.clone();
        let mut world = Self { services, running, records: Vec::new(), around, room: 1_000 };
        world.plays(WELL);
        world.plays(LATE);
        world
    }

    fn plays(&mut self, steps: &[Step]) -> Vec<Uuid> {
        let saga = hour_ago();
        let mut ids = Vec::new();
        for (service, event, sequence, cause) in steps {
            let cause = cause.map_or("request".to_owned(), |at: usize| Uuid::to_string(&ids[at]));
            let envelope = envelope(saga, (service, event), *sequence, &cause);
            ids.push(envelope.id);
            self.records.push(record(service, &envelope));
        }
        ids
    }

    /// Changes the first event of this type.
    fn changes(&mut self, event: &str, change: impl FnOnce(&mut Envelope)) {
        let record = self.record(event);
        let headers = record.headers.iter();
        let mut envelope =
            Envelope::parse(headers.map(|(name, value)| (*name, Some(value.as_bytes())))).unwrap();
        change(&mut envelope);
        record.headers = envelope.headers();
    }

    fn record(&mut self, event: &str) -> &mut Record {
        let is_it = |it: &&mut Record| it.headers.contains(&("ce_type", event.to_owned()));
        self.records.iter_mut().find(is_it).unwrap()
    }

    fn group(&mut self, name: &str) -> &mut ReaderGroup {
        self.around.groups.iter_mut().find(|it| it.name == name).unwrap()
    }

    fn read_since(&mut self, ago: SignedDuration) {
        let since = Reading::Since(now().checked_sub(ago).unwrap());
        self.around.readings.values_mut().for_each(|it| *it = since);
    }

    fn looked_at(&self) -> Observed {
        let graph = Graph::of(&self.services);
        let ids: SchemaIds = graph
            .emitted()
            .map(|(service, it)| ((service.service.clone(), it.event.clone()), vec![SCHEMA]))
            .collect();
        let mut observer = Observer::with_room_for(self.room, graph, &ids);
        for (offset, it) in (0..).zip(&self.records) {
            let headers: Vec<_> =
                it.headers.iter().map(|(name, value)| (*name, Some(value.as_bytes()))).collect();
            observer.take(&Seen {
                owner: &it.owner,
                topic: &format!("{}.events", it.owner),
                partition: 0,
                offset,
                at: Some(now()),
                key: Some(it.key.as_bytes()),
                payload: Some(&it.payload),
                headers: Some(&headers),
            });
        }
        observer.finish(&Surroundings { running: &self.running, ..self.around.clone() })
    }

    /// What was found that is wrong.
    fn wrong(&self) -> Vec<Difference> {
        let all = self.looked_at().differences;
        all.into_iter().filter(Difference::is_wrong).collect()
    }
}

#[test]
fn nothing_is_wrong_when_all_is_as_declared() {
    let world = World::new();
    assert_eq!(world.wrong(), []);
    let seen = world.looked_at();
    assert_eq!((seen.records, seen.left_out.len()), (13, 0));
}

/// What is changed, and the one finding: its rule, its path, words of it, and how often.
type Plant = fn(&mut World);
type Expected = (Rule, &'static str, &'static str, u64);

#[rustfmt::skip]
const PLANTED: &[(Plant, Expected)] = &[
    (|it| { it.plays(&[("order", "OrderForgotten", 1, None)]); },
        (Rule::UndeclaredType, "order/OrderForgotten", "order does not declare it", 1)),
    (|it| { it.plays(&[("order", "OrderForgotten", 1, None), ("order", "OrderForgotten", 2, None)]); },
        (Rule::UndeclaredType, "order/OrderForgotten", "order does not declare it", 2)),
    (|it| {
        it.plays(&[("payment", "PaymentFailed", 1, None)]);
        it.changes("PaymentFailed", |it| it.source = "/cashier".to_owned());
    }, (Rule::ForeignSource, "payment.events", "/cashier writes to payment.events", 1)),
    (|it| { it.plays(&[("order", "OrderPlaced", 1, None), ("inventory", "StockReleased", 1, Some(0))]); },
        (Rule::UndeclaredEffect, "inventory/StockReleased", "OrderPlaced led inventory to StockReleased", 1)),
    (|it| { it.plays(&[("order", "OrderPlaced", 1, None), ("order", "OrderCompleted", 2, Some(0))]); },
        (Rule::UndeclaredEffect, "order/OrderCompleted", "OrderPlaced led order to OrderCompleted", 1)),
    (|it| it.around.groups.push(ReaderGroup {
        name: "bi-export".to_owned(), reads: BTreeSet::from(["order".to_owned()]), unread: 0, unread_since: None,
    }), (Rule::UndeclaredReader, "bi-export", "no service declares it", 1)),
    (|it| { it.group("payment").reads.insert("shipping".to_owned()); },
        (Rule::UndeclaredReader, "payment", "payment reads shipping.events, and does not declare it", 1)),
    (|it| it.around.groups.retain(|it| it.name != "order"),
        (Rule::SilentReader, "order", "its group never has", 1)),
    (|it| { it.group("payment").reads.remove("inventory"); },
        (Rule::SilentReader, "payment", "inventory.events, and its group never has", 1)),
    (|it| {
        let group = it.group("shipping");
        (group.unread, group.unread_since) = (9, Some("2026-01-02T02:00:00Z".parse().unwrap()));
    }, (Rule::SilentReader, "shipping", "9 records are unread", 1)),
    (|it| it.record("StockReserved").payload[4] = 99,
        (Rule::UnknownSchema, "inventory/StockReserved", "by schema 99", 1)),
    (|it| it.record("StockReserved").payload.clear(),
        (Rule::UnknownSchema, "inventory/StockReserved", "names no schema", 1)),
    (|it| {
        let mut other = it.services[1].clone();
        (other.instance, other.version) = (Some("inventory-2".to_owned()), Some("0.2.0".to_owned()));
        other.consumes.pop();
        it.running.push(other);
    }, (Rule::DifferingInstances, "inventory", "inventory-2 (0.2.0) of inventory declare differently: consumes", 1)),
    (|it| it.record("StockReserved").headers.retain(|(name, _)| *name != "ce_time"),
        (Rule::BrokenHeader, "inventory.events", "header ce_time is missing", 1)),
    (|it| it.record("StockReleased").key = "another".to_owned(),
        (Rule::BrokenHeader, "inventory/StockReleased", "is not its subject", 1)),
    (|it| it.changes("OrderCompleted", |it| it.sequence = 2),
        (Rule::BrokenHeader, "order/OrderCompleted", "the same number", 1)),
    (|it| it.changes("OrderCompleted", |it| it.sequence = 5),
        (Rule::BrokenHeader, "order/OrderCompleted", "Numbers are missing", 1)),
    (|it| it.changes("ShipmentCreated", |it| it.sequence = 2),
        (Rule::BrokenHeader, "shipping/ShipmentCreated", "first events of shipping are missing", 1)),
    (|it| it.changes("StockReserved", |it| it.causation_id = hour_ago().to_string()),
        (Rule::Causeless, "inventory/StockReserved", "no topic has its cause", 1)),
    (|it| it.changes("StockReserved", |it| it.causation_id = "because".to_owned()),
        (Rule::Causeless, "inventory/StockReserved", "no topic has its cause", 1)),
    (|it| it.around.unfit.push(("order.events".to_owned(), "It has 2 partitions instead of 3.".to_owned())),
        (Rule::Unfit, "order.events", "2 partitions", 1)),
];

#[test]
fn each_difference_is_found_and_nothing_else() {
    let mut found = BTreeSet::new();
    for (plant, (rule, path, words, times)) in PLANTED {
        let mut world = World::new();
        plant(&mut world);
        let wrong = world.wrong();
        let [difference] = &wrong[..] else { panic!("{rule} {path} {words}: {wrong:#?}") };
        assert_eq!((difference.rule, &difference.path[..]), (*rule, *path), "{difference:#?}");
        assert!(difference.what.contains(words), "{difference:#?}");
        assert_eq!(difference.times, *times, "{difference:#?}");
        assert!(!difference.mend.is_empty(), "{difference:#?}");
        found.insert(*rule);
    }
    let notes = [Rule::UnseenType, Rule::UnseenEffect];
    assert!(Rule::ALL.iter().all(|rule| found.contains(rule) || notes.contains(rule)), "{found:?}");
}

#[test]
fn a_difference_says_where_it_is_and_since_when() {
    let mut world = World::new();
    for _ in 0..5 {
        world.plays(&[("order", "OrderForgotten", 1, None)]);
    }
    let [difference] = &world.wrong()[..] else { panic!() };
    assert_eq!((difference.times, difference.examples.len()), (5, 3));
    assert_eq!(difference.since, Some(now()));
    let first = &difference.examples[0];
    assert_eq!((&first.topic[..], first.partition, first.offset), ("order.events", 0, 13));
    assert!(first.id.is_some());
}

#[test]
fn what_is_declared_and_does_not_happen_is_told() {
    let notes = |world: &World, rule: Rule| -> BTreeMap<String, String> {
        let all = world.looked_at().differences.into_iter().filter(|it| it.rule == rule);
        all.map(|it| (it.path, it.what)).collect()
    };
    let mut world = World::new();
    let unseen = notes(&world, Rule::UnseenType);
    assert!(unseen["payment/PaymentFailed"].contains("was never seen"), "{unseen:?}");
    assert!(!unseen.contains_key("payment/PaymentCharged"), "{unseen:?}");
    let effects = notes(&world, Rule::UnseenEffect);
    assert!(effects["payment reads order/OrderCancelled"].contains("to PaymentRefunded,"));
    assert!(!effects.contains_key("order reads shipping/ShipmentCreated"), "{effects:?}");

    world.read_since(SignedDuration::from_hours(2));
    let unseen = notes(&world, Rule::UnseenType);
    assert!(unseen["payment/PaymentFailed"].contains("what is older was not read"), "{unseen:?}");
    world.read_since(SignedDuration::from_hours(31 * 24));
    let unseen = notes(&world, Rule::UnseenType);
    assert!(unseen["payment/PaymentFailed"].contains("for 30 days."), "{unseen:?}");
    let long_ago = now().checked_sub(SignedDuration::from_hours(40 * 24)).unwrap();
    world.changes("ShipmentCreated", |it| it.time = long_ago);
    let unseen = notes(&world, Rule::UnseenType);
    assert!(unseen["shipping/ShipmentCreated"].contains("but last at 2025-11-23"), "{unseen:?}");
}

#[test]
fn what_is_put_back_and_what_is_published_again_is_no_difference() {
    let mut world = World::new();
    let again = world.record("StockReserved").clone();
    let mut put_back = again.clone();
    world.records.push(again);
    put_back.headers.push((TARGET_GROUP, "payment".to_owned()));
    put_back.headers.push((REDRIVE, hour_ago().to_string()));
    put_back.key = "another".to_owned();
    world.records.push(put_back);
    assert_eq!(world.wrong(), []);
    assert_eq!(world.looked_at().left_out, ["1 were dead letters that were put back."]);
}

#[test]
fn a_cause_may_be_older_than_what_is_read_or_an_operators_decision() {
    let mut world = World::new();
    let old = id_of(SignedDuration::from_hours(48));
    world.changes("StockReserved", |it| it.causation_id = old.to_string());
    assert_eq!(world.wrong().len(), 1);
    world.read_since(SignedDuration::from_hours(24));
    assert_eq!(world.wrong(), []);

    let mut world = World::new();
    let decision = hour_ago();
    world.changes("PaymentCharged", |it| it.causation_id = decision.to_string());
    assert_eq!(world.wrong().len(), 1);
    world.around.decisions.insert(decision);
    assert_eq!(world.wrong(), []);
}

#[test]
fn nobody_need_have_read_a_topic_in_which_nothing_is() {
    let mut world = World::new();
    world.around.groups.retain(|it| it.name != "inventory");
    for empty in [0, 1] {
        assert_eq!(world.wrong().len(), 1 - empty);
        world.around.readings.values_mut().for_each(|it| *it = Reading::Empty);
    }
}

#[test]
fn the_first_number_may_be_older_than_what_is_read() {
    let mut world = World::new();
    world.changes("ShipmentCreated", |it| it.sequence = 2);
    world.read_since(SignedDuration::from_hours(24));
    assert_eq!(world.wrong(), []);
}

#[test]
fn memory_has_a_bound_and_what_is_left_out_is_said() {
    let mut world = World::new();
    world.room = 100;
    for _ in 0..200 {
        world.plays(WELL);
    }
    let seen = world.looked_at();
    assert_eq!(world.wrong(), [], "a saga's events are all looked at, or none of them");
    assert_eq!(seen.records, 13 + 200 * 8);
    let [left_out] = &seen.left_out[..] else { panic!("{seen:#?}") };
    assert!(
        left_out.starts_with("Causes and numbers were looked at of one saga in "),
        "{left_out}"
    );

    // Nor is there any number of findings.
    let types: Vec<String> = (0..1_000).map(|at| format!("Type{at}")).collect();
    let mut world = World::new();
    for event in &types {
        let envelope = envelope(hour_ago(), ("order", event), 1, "request");
        world.records.push(record("order", &envelope));
    }
    let found = world.wrong();
    assert_eq!(found.iter().map(|it| it.times).sum::<u64>(), 1_000);
    assert!(found.len() <= 501, "{}", found.len());
}

#[test]
fn one_saga_alone_may_not_fill_the_memory() {
    let mut world = World::new();
    world.room = 20;
    let saga = hour_ago();
    for sequence in 1..100 {
        let envelope = envelope(saga, ("order", "OrderPlaced"), sequence, "request");
        world.records.push(record("order", &envelope));
    }
    assert_eq!(world.looked_at().records, 13 + 99);
}
