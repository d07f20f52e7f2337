//! The choreography, as the services declare it.

use std::collections::{BTreeMap, BTreeSet};

use contracts::{Compensates, Consumes};
use messaging::Service;
use stack::fleet::SERVICES;

/// Every event, who emits it, and who reacts.
const TABLE: [(&str, &str, &[&str]); 14] = [
    ("OrderPlaced", "order", &["inventory", "notification", "payment", "shipping"]),
    ("StockReserved", "inventory", &["payment"]),
    ("StockReservationFailed", "inventory", &["order"]),
    ("PaymentCharged", "payment", &["order"]),
    ("PaymentFailed", "payment", &["order"]),
    ("OrderConfirmed", "order", &["notification", "shipping"]),
    ("ShipmentCreated", "shipping", &["inventory", "order"]),
    ("ShipmentFailed", "shipping", &["order"]),
    ("OrderCompleted", "order", &["notification"]),
    ("OrderCancelled", "order", &["inventory", "notification", "payment", "shipping"]),
    ("StockReleased", "inventory", &[]),
    ("PaymentRefunded", "payment", &[]),
    ("CustomerNotified", "notification", &[]),
    ("NotificationFailed", "notification", &[]),
];

/// A service's declaration without its types.
#[derive(Debug, Clone)]
struct Participant {
    name: &'static str,
    consumes: Vec<Step>,
    emits: Vec<&'static str>,
    /// Of each event that it emits, the schema.
    schemas: Vec<&'static str>,
    compensates: Vec<Compensates>,
}

#[derive(Debug, Clone)]
struct Step {
    event: &'static str,
    from: &'static str,
    leads_to: Vec<&'static str>,
}

fn participant<S: Service>() -> Participant {
    let declaration = S::declaration();
    let step = |consumed: &Consumes<S::Input>| Step {
        event: consumed.event_type,
        from: consumed.from,
        leads_to: consumed.leads_to.to_vec(),
    };
    Participant {
        name: declaration.service,
        consumes: declaration.consumes.iter().map(step).collect(),
        emits: declaration.emits.iter().map(|emitted| emitted.event_type).collect(),
        schemas: declaration.emits.iter().map(|emitted| emitted.schema).collect(),
        compensates: declaration.compensates,
    }
}

fn participants() -> Vec<Participant> {
    vec![
        participant::<order::Order>(),
        participant::<inventory::Inventory>(),
        participant::<payment::Payment>(),
        participant::<shipping::Shipping>(),
        participant::<notification::Notification>(),
    ]
}

/// Each service with the events that it reads.
pub(crate) fn reads() -> Vec<(&'static str, Vec<&'static str>)> {
    let events = |it: &Participant| it.consumes.iter().map(|step| step.event).collect();
    participants().iter().map(|it| (it.name, events(it))).collect()
}

/// Where the declarations and the table differ.
fn deviations(participants: &[Participant]) -> Vec<String> {
    let line = |event: &str, from: &str, readers: &BTreeSet<&str>| {
        format!("{event} by {from}, read by {readers:?}")
    };
    let emitted = participants.iter().flat_map(|it| it.emits.iter().map(|event| (*event, it.name)));
    let declared: BTreeSet<String> = emitted
        .map(|(event, from)| {
            let reads = |it: &&Participant| it.consumes.iter().any(|step| step.event == event);
            line(event, from, &participants.iter().filter(reads).map(|it| it.name).collect())
        })
        .collect();
    let table = TABLE.iter();
    let expected: BTreeSet<String> =
        table.map(|(event, from, by)| line(event, from, &by.iter().copied().collect())).collect();
    declared.symmetric_difference(&expected).cloned().collect()
}

/// Events that are read from a service that doesn't emit them, and claims about events that are
/// not the service's own.
fn unfounded(participants: &[Participant]) -> Vec<String> {
    let emits = |name: &str, event: &str| {
        participants.iter().any(|it| it.name == name && it.emits.contains(&event))
    };
    let mut found = Vec::new();
    for Participant { name, consumes, compensates, .. } in participants {
        for Step { event, from, leads_to } in consumes {
            if !emits(from, event) {
                found.push(format!("{name} reads {event} of {from}"));
            }
            let foreign = leads_to.iter().filter(|caused| !emits(name, caused));
            found.extend(foreign.map(|caused| format!("{name}: {event} leads to {caused}")));
        }
        for Compensates { event, undoes } in compensates {
            if !emits(name, event) || !emits(name, undoes) {
                found.push(format!("{name}: {event} undoes {undoes}"));
            }
        }
    }
    found
}

/// The events that are left when those without a cause are taken away, again and again: those of
/// a cycle, and what follows from it.
fn in_cycles(participants: &[Participant]) -> BTreeSet<&'static str> {
    let mut causes = BTreeMap::<&str, BTreeSet<&str>>::new();
    for Step { event, leads_to, .. } in participants.iter().flat_map(|it| &it.consumes) {
        causes.entry(event).or_default();
        for caused in leads_to {
            causes.entry(caused).or_default().insert(event);
        }
    }
    while let Some(first) = causes.iter().find(|(_, by)| by.is_empty()).map(|(event, _)| *event) {
        causes.remove(first);
        for by in causes.values_mut() {
            by.remove(first);
        }
    }
    causes.into_keys().collect()
}

/// Events with a schema and no emitter, or the other way round.
fn without_counterpart(
    participants: &[Participant],
    schemas: &BTreeSet<(String, String)>,
) -> Vec<String> {
    let emitted: BTreeSet<(String, String)> = participants
        .iter()
        .flat_map(|it| it.emits.iter().map(|event| (it.name.to_owned(), (*event).to_owned())))
        .collect();
    let differing = emitted.symmetric_difference(schemas);
    differing.map(|(service, event)| format!("{service}/{event}")).collect()
}

/// Events that are written by another schema than the newest.
fn by_old_schemas(
    participants: &[Participant],
    released: &[(String, String, String)],
) -> Vec<String> {
    let newest = |service: &str, event: &str| {
        let is_it = |(of, name, _): &&(String, String, String)| of == service && name == event;
        released.iter().find(is_it).map(|(_, _, schema)| schema.as_str())
    };
    let emitted = participants.iter().flat_map(|it| {
        it.emits.iter().zip(&it.schemas).map(move |(event, schema)| (it, *event, *schema))
    });
    let old = emitted.filter(|(it, event, schema)| newest(it.name, event) != Some(schema));
    old.map(|(it, event, _)| {
        format!(
            "{0} declares {event} by an older version: name the newest in emits!({0:?}, …)",
            it.name
        )
    })
    .collect()
}

fn schemas() -> BTreeSet<(String, String)> {
    let released = testkit::schemas::released().into_iter();
    released.map(|(service, event, _)| (service, event)).collect()
}

#[test]
fn the_services_keep_to_the_table() {
    assert_eq!(deviations(&participants()), [""; 0]);

    let mut planted = participants();
    planted[0].emits.retain(|event| *event != "OrderConfirmed");
    planted[1].consumes.pop();
    assert_eq!(deviations(&planted).len(), 3, "{:?}", deviations(&planted));
}

#[test]
fn what_is_read_is_emitted_and_claims_are_about_own_events() {
    assert_eq!(unfounded(&participants()), [""; 0]);

    let mut planted = participants();
    planted[0].consumes[0].from = "payment";
    planted[0].consumes[1].leads_to.push("PaymentRefunded");
    planted[2].compensates[0].undoes = "StockReserved";
    assert_eq!(unfounded(&planted).len(), 3, "{:?}", unfounded(&planted));
}

#[test]
fn the_graph_of_events_has_no_cycle() {
    assert_eq!(in_cycles(&participants()), BTreeSet::new());

    let mut planted = participants();
    let placed_again =
        Step { event: "OrderCancelled", from: "order", leads_to: vec!["OrderPlaced"] };
    planted[0].consumes.push(placed_again);
    assert!(in_cycles(&planted).contains("OrderPlaced"));
}

#[test]
fn every_event_has_a_schema_and_every_schema_an_emitter() {
    assert_eq!(without_counterpart(&participants(), &schemas()), [""; 0]);

    let mut planted = schemas();
    planted.insert(("order".to_owned(), "OrderForgotten".to_owned()));
    planted.remove(&("order".to_owned(), "OrderPlaced".to_owned()));
    let found = without_counterpart(&participants(), &planted);
    assert_eq!(found, ["order/OrderForgotten", "order/OrderPlaced"]);
}

#[test]
fn events_are_written_by_their_newest_schemas() {
    let mut released = testkit::schemas::released();
    assert_eq!(by_old_schemas(&participants(), &released), [""; 0]);

    released[0].2 = released[0].2.replace("record", "record ");
    let found = by_old_schemas(&participants(), &released);
    assert!(found.len() == 1 && found[0].contains(&released[0].1), "{found:?}");
}

#[test]
fn all_services_take_part() {
    let names: Vec<&str> = participants().iter().map(|it| it.name).collect();
    assert_eq!(names, SERVICES, "add the missing to participants() in this file");
}
