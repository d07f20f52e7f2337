use std::collections::BTreeSet;

use contracts::{Declared, DeclaredConsumption, DeclaredEvent};
use declarations::{Fleet, Schemas};

use crate::{Finding, Graph, fixture};

fn fleet() -> Vec<Declared> {
    fixture::fleet().services().to_vec()
}

fn findings(services: &[Declared]) -> Vec<Finding> {
    Graph::of(services).findings()
}

fn service<'s>(services: &'s mut [Declared], name: &str) -> &'s mut Declared {
    services.iter_mut().find(|it| it.service == name).unwrap()
}

fn read<'s>(services: &'s mut [Declared], name: &str, event: &str) -> &'s mut DeclaredConsumption {
    service(services, name).consumes.iter_mut().find(|it| it.event == event).unwrap()
}

fn emits<'s>(services: &'s mut [Declared], name: &str, event: &str) -> &'s mut DeclaredEvent {
    service(services, name).emits.iter_mut().find(|it| it.event == event).unwrap()
}

/// A service in another language, which declares the least that it can.
fn another(name: &str, reads: (&str, &str), emits: &str) -> Declared {
    let (from, event) = reads;
    let declared = serde_json::json!({
        "service": name,
        "owner": "marketing",
        "consumes": [{ "event": event, "from": from, "leads_to": [emits], "within_s": 5 }],
        "emits": [{ "event": emits, "end": true }],
    });
    serde_json::from_value(declared).unwrap()
}

fn forget_read(services: &mut [Declared], name: &str, event: &str) {
    let it = service(services, name);
    it.consumes.retain(|read| read.event != event);
    for status in &mut it.statuses {
        status.has_read.retain(|read| read != event);
        status.not_read.retain(|read| read != event);
    }
}

#[test]
fn nothing_is_found_of_the_fleet_as_it_is() {
    assert_eq!(findings(Fleet::embedded().services()), []);
    assert_eq!(findings(&fleet()), []);
}

#[test]
fn a_service_in_another_language_that_declares_little_is_a_service_like_any_other() {
    let mut services = fleet();
    services.push(another("loyalty", ("order", "OrderCompleted"), "PointsAwarded"));
    assert_eq!(findings(&services), []);
}

/// Something that is wrong: what is changed, and of each finding the check, the service, the event and
/// words of what is said.
type Plant = fn(&mut Vec<Declared>);
type Expected = &'static [(&'static str, &'static str, &'static str, &'static str)];

#[rustfmt::skip]
const PLANTED: &[(&str, Plant, Expected)] = &[
    ("an extra service closes a cycle", |it| {
        it.push(another("loyalty", ("order", "OrderCompleted"), "PointsAwarded"));
        emits(it, "loyalty", "PointsAwarded").is_end = false;
        let reads = DeclaredConsumption {
            event: "PointsAwarded".to_owned(), from: "loyalty".to_owned(), within_s: Some(5),
            ..read(it, "inventory", "OrderPlaced").clone()
        };
        service(it, "inventory").consumes.push(reads);
    }, &[("cycle", "", "", "→ PointsAwarded (loyalty)")]),
    ("a service answers itself", |it| read(it, "order", "PaymentCharged").leads_to.push("OrderPlaced".to_owned()),
        &[("cycle", "", "", "OrderPlaced (order)")]),
    ("a misspelt event is read", |it| "PaymentCharge".clone_into(&mut read(it, "order", "PaymentCharged").event), &[
        ("unfounded-read", "order", "PaymentCharge", "nobody emits"),
        ("unread", "payment", "PaymentCharged", "nobody reads"),
        ("stale-status", "order", "PaymentCharged", "does not read"),
    ]),
    ("an event is read from another than emits it", |it| "order".clone_into(&mut read(it, "payment", "StockReserved").from), &[
        ("unfounded-read", "payment", "StockReserved", "inventory emits that"),
        ("unread", "inventory", "StockReserved", ""),
    ]),
    ("an end is none any more", |it| emits(it, "inventory", "StockReleased").is_end = false,
        &[("unread", "inventory", "StockReleased", "nobody reads it")]),
    ("an end is read", |it| emits(it, "payment", "PaymentCharged").is_end = true,
        &[("read-end", "payment", "PaymentCharged", "order reads it")]),
    ("a new event is read by nobody", |it| {
        let event = DeclaredEvent { event: "StockCounted".to_owned(), ..emits(it, "inventory", "StockReserved").clone() };
        service(it, "inventory").emits.push(event);
    }, &[("unread", "inventory", "StockCounted", ""), ("uncaused", "inventory", "StockCounted", "")]),
    ("two emit the same", |it| {
        let event = DeclaredEvent { is_end: true, ..emits(it, "payment", "PaymentFailed").clone() };
        service(it, "shipping").emits.push(event);
        read(it, "shipping", "OrderConfirmed").leads_to.push("PaymentFailed".to_owned());
    }, &[("two-emitters", "shipping", "PaymentFailed", "payment and shipping")]),
    ("an event leads to another service's", |it| read(it, "inventory", "OrderPlaced").leads_to.push("PaymentFailed".to_owned()),
        &[("foreign-effect", "inventory", "PaymentFailed", "does not emit")]),
    ("another service's event is undone", |it| "StockReserved".clone_into(&mut service(it, "payment").compensates[0].undoes), &[
        ("foreign-compensation", "payment", "StockReserved", "to undo"),
        ("no-compensation", "payment", "PaymentCharged", ""),
    ]),
    ("nothing leads to a confirmation", |it| read(it, "order", "PaymentCharged").leads_to.clear(),
        &[("uncaused", "order", "OrderConfirmed", "")]),
    ("nobody begins", |it| service(it, "order").begins = None, &[
        ("beginning", "", "", "No service"), ("uncaused", "order", "OrderPlaced", ""),
    ]),
    ("two begin", |it| {
        it.push(another("counter", ("order", "OrderCompleted"), "SaleRung"));
        service(it, "counter").begins = Some(contracts::Begins::by("SaleRung"));
    }, &[("beginning", "", "", "order and counter")]),
    ("sagas begin with an event that is not emitted", |it| {
        "OrderBegun".clone_into(&mut service(it, "order").begins.as_mut().unwrap().event);
    }, &[("beginning", "order", "OrderBegun", "")]),
    ("payment declares no compensation", |it| service(it, "payment").compensates.clear(),
        &[("no-compensation", "payment", "PaymentCharged", "not settled when a saga has ended as cancelled")]),
    ("nobody declares a compensation", |it| it.iter_mut().for_each(|it| it.compensates.clear()), &[
        ("no-compensation", "payment", "PaymentCharged", ""),
        ("no-compensation", "inventory", "StockReserved", ""),
    ]),
    ("inventory does not hear of cancellations", |it| forget_read(it, "inventory", "OrderCancelled"),
        &[("unsettled", "inventory", "", "\"reserved\""), ("unreached-compensation", "inventory", "StockReleased", "nothing inventory reads leads to it")]),
    ("inventory does not hear of cancellations, and says that something else leads it to release", |it| {
        forget_read(it, "inventory", "OrderCancelled");
        let read = read(it, "inventory", "ShipmentCreated");
        (read.leads_to, read.within_s) = (vec!["StockReleased".to_owned()], Some(5));
    }, &[
        ("unsettled", "inventory", "", "\"reserved\""),
        ("unreached-compensation", "inventory", "StockReserved", "OrderCancelled"),
        ("unreached-compensation", "inventory", "StockReserved", "PaymentFailed"),
        ("unreached-compensation", "inventory", "StockReserved", "ShipmentFailed"),
    ]),
    ("shipping does not hear of cancellations", |it| forget_read(it, "shipping", "OrderCancelled"),
        &[("unsettled", "shipping", "", "\"awaiting_confirmation\" when a saga has ended as cancelled")]),
    ("inventory does not hear of shipments", |it| {
        forget_read(it, "inventory", "ShipmentCreated");
        service(it, "inventory").statuses.retain(|it| !it.status.starts_with("shipped"));
        service(it, "inventory").settles.insert("completed".to_owned(), vec!["void".to_owned()]);
    }, &[("unsettled", "inventory", "", "\"reserved\" when a saga has ended as completed")]),
    ("nothing leads to a refund", |it| {
        for event in ["OrderPlaced", "StockReserved", "OrderCancelled"] {
            read(it, "payment", event).leads_to.retain(|led| led != "PaymentRefunded");
        }
    }, &[("unreached-compensation", "payment", "PaymentRefunded", "nothing payment reads leads to it")]),
    ("another event leads to the refund", |it| {
        read(it, "payment", "OrderCancelled").leads_to.clear();
    }, &[
        ("unreached-compensation", "payment", "PaymentCharged", "gives a saga up after PaymentCharged"),
        ("unreached-compensation", "payment", "PaymentCharged", "When ShipmentFailed comes after PaymentCharged"),
    ]),
    ("nothing is done about a failed shipment", |it| read(it, "order", "ShipmentFailed").leads_to.clear(), &[
        ("unreached-compensation", "payment", "PaymentCharged", "order does nothing about it"),
        ("unreached-compensation", "inventory", "StockReserved", "ShipmentFailed comes after StockReserved"),
    ]),
    ("nobody reads that a shipment failed", |it| {
        forget_read(it, "order", "ShipmentFailed");
        service(it, "order").statuses.retain(|it| it.status != "cancelled shipment_failed");
    }, &[("unread", "shipping", "ShipmentFailed", "nobody reads it")]),
    ("a failure is read, and a status still speaks of it, but the event is gone", |it| {
        service(it, "order").consumes.retain(|read| read.event != "ShipmentFailed");
    }, &[
        ("unread", "shipping", "ShipmentFailed", ""),
        ("unreached-compensation", "inventory", "StockReserved", "order does not read it"),
        ("unreached-compensation", "payment", "PaymentCharged", "order does not read it"),
        ("stale-status", "order", "ShipmentFailed", "does not read"),
    ]),
    ("nobody answers for a service", |it| service(it, "shipping").owner.clear(),
        &[("no-owner", "shipping", "", "Nobody answers for shipping")]),
    ("nobody answers for a service, and its reactions may take any time", |it| {
        service(it, "payment").owner = " ".to_owned();
        read(it, "payment", "StockReserved").within_s = None;
    }, &[("no-owner", "payment", "", ""), ("no-time", "payment", "StockReserved", "")]),
    ("nobody answers for shipping, which may take any time after the deadline", |it| {
        service(it, "shipping").owner.clear();
        read(it, "shipping", "OrderConfirmed").within_s = None;
    }, &[
        ("no-owner", "shipping", "", ""), ("no-time", "shipping", "OrderConfirmed", ""),
        ("endless-wait", "inventory", "ShipmentCreated", "\"reserved\""),
        ("endless-wait", "order", "ShipmentCreated", "\"confirmed\""),
        ("endless-wait", "order", "ShipmentFailed", "\"confirmed\""),
    ]),
    ("nobody answers for inventory, which may take any time, and there is no deadline", |it| {
        service(it, "inventory").owner.clear();
        read(it, "inventory", "OrderPlaced").within_s = None;
        service(it, "order").begins.as_mut().unwrap().until_deadline.clear();
    }, &[
        ("no-owner", "inventory", "", ""), ("no-time", "inventory", "OrderPlaced", ""),
        ("endless-wait", "order", "StockReservationFailed", "\"placed\""),
        ("endless-wait", "payment", "StockReserved", "\"awaiting_stock\""),
    ]),
    ("a reaction may take any time", |it| read(it, "inventory", "OrderCancelled").within_s = None,
        &[("no-time", "inventory", "OrderCancelled", "StockReleased")]),
    ("a status is settled that is not there", |it| {
        service(it, "payment").settles.get_mut("completed").unwrap().push("melted".to_owned());
    }, &[("stale-status", "payment", "", "melted")]),
    ("a status speaks of an event that is not emitted", |it| {
        service(it, "shipping").statuses[4].may_say.push("ShipmentLost".to_owned());
    }, &[("stale-status", "shipping", "ShipmentLost", "does not emit")]),
];

#[test]
fn each_thing_that_is_wrong_is_found_and_nothing_else() {
    for (name, plant, expected) in PLANTED {
        let mut services = fleet();
        plant(&mut services);
        let found = findings(&services);
        for (check, of, event, words) in *expected {
            let is = |it: &Finding| {
                let is_it = (it.service == *of || of.is_empty())
                    && (it.event == *event || event.is_empty());
                it.check.name() == *check && is_it && it.what.contains(words)
            };
            assert!(
                found.iter().any(is),
                "{name}: no {check} of {of} {event} {words} in {found:#?}"
            );
        }
        let expected: Vec<&str> = expected.iter().map(|(check, ..)| *check).collect();
        for finding in &found {
            let name_of = finding.check.name();
            assert!(expected.contains(&name_of), "{name}: {finding:#?}");
            assert!(!finding.mend.is_empty(), "{name}: {finding:#?}");
        }
        let mut counted: Vec<&str> = found.iter().map(|it| it.check.name()).collect();
        let mut wanted = expected;
        counted.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(counted, wanted, "{name}: {found:#?}");
    }
}

/// Whatever a declaration says, it is missed when it is gone; but for what a service does for another
/// reason as well.
#[test]
fn nothing_can_be_taken_away_without_a_finding() {
    let mut tried = 0;
    let mut try_without = |what: String, change: &dyn Fn(&mut [Declared])| {
        let mut services = fleet();
        change(&mut services);
        assert_ne!(findings(&services), [], "without {what}");
        tried += 1;
    };
    let whole = fleet();
    for (at, it) in whole.iter().enumerate() {
        let name = &it.service;
        try_without(format!("{name}'s owner"), &|all| all[at].owner.clear());
        for (of, emitted) in it.emits.iter().enumerate() {
            let what = format!("{name}'s {}", emitted.event);
            try_without(what, &|all| drop(all[at].emits.remove(of)));
        }
        for of in 0..it.compensates.len() {
            try_without(format!("{name}'s compensation"), &|all| {
                drop(all[at].compensates.remove(of));
            });
        }
        for (of, read) in it.consumes.iter().enumerate() {
            let what = format!("{} that {name} reads", read.event);
            try_without(what.clone(), &|all| drop(all[at].consumes.remove(of)));
            if read.within_s.is_some() {
                try_without(format!("the time of {what}"), &|all| {
                    all[at].consumes[of].within_s = None;
                });
            }
            for led in &read.leads_to {
                let others = it.consumes.iter().filter(|other| other.event != read.event);
                let own_accord = super::own_accord(Graph::of(&whole));
                let is_otherwise = others.clone().any(|other| other.leads_to.contains(led));
                if !is_otherwise && !own_accord.contains(led.as_str()) {
                    try_without(format!("{led} after {what}"), &|all| {
                        all[at].consumes[of].leads_to.retain(|it| it != led);
                    });
                }
            }
        }
    }
    assert!(tried > 50, "{tried}");
}

#[test]
fn the_one_that_is_meant_is_named() {
    let mut services = fleet();
    "PaymentCharge".clone_into(&mut read(&mut services, "order", "PaymentCharged").event);
    let found = findings(&services);
    assert!(found.iter().any(|it| it.mend == "Is PaymentCharged meant?"), "{found:#?}");
}

#[test]
fn the_order_of_the_services_changes_nothing_and_none_are_needed() {
    let mut services = fleet();
    services.reverse();
    assert_eq!(findings(&services), []);
    assert_eq!(findings(&[]).len(), 1, "nobody begins");
}

#[test]
fn events_without_schema_and_schemas_without_emitter_are_found() {
    let mut schemas: BTreeSet<(String, String)> = Schemas::embedded()
        .by_event()
        .map(|versions| (versions[0].service.clone(), versions[0].event_type.clone()))
        .collect();
    let services = Fleet::embedded().services().to_vec();
    assert_eq!(Graph::of(&services).without_counterpart(&schemas), []);

    schemas.insert(("order".to_owned(), "OrderForgotten".to_owned()));
    schemas.remove(&("order".to_owned(), "OrderPlaced".to_owned()));
    let found = Graph::of(&services).without_counterpart(&schemas);
    let found: Vec<(&str, &str)> =
        found.iter().map(|it| (it.check.name(), it.event.as_str())).collect();
    assert_eq!(found, [("no-schema", "OrderPlaced"), ("no-emitter", "OrderForgotten")]);
}
