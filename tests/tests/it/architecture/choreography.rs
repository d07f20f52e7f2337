//! The choreography, as the services declare it.

use std::collections::{BTreeMap, BTreeSet};

use contracts::{Declared, DeclaredCompensation, DeclaredConsumption};
use declarations::fleet;

use super::files::document;

/// The specification: every event, who emits it, and who reacts.
const SPECIFICATION: &str = "docs/choreography.md";

/// The rows of its table: event, emitter, readers.
fn table(text: &str) -> Vec<(&str, &str, BTreeSet<&str>)> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix('|'));
    let rows = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    rows.filter(|cells| cells.len() == 3 && cells[0] != "event")
        .map(|cells| {
            let readers = cells[2].split(',').map(str::trim).filter(|name| !name.is_empty());
            (cells[0], cells[1], readers.collect())
        })
        .collect()
}

/// What the services declare, which their own tests hold equal to what they do.
fn participants() -> Vec<Declared> {
    fleet().services().to_vec()
}

fn emits(service: &Declared, event: &str) -> bool {
    service.emits.iter().any(|emitted| emitted.event == event)
}

/// Each service with the events that it reads.
pub(crate) fn reads() -> Vec<(&'static str, Vec<&'static str>)> {
    let events = |it: &'static Declared| it.consumes.iter().map(|step| step.event.as_str());
    let all = fleet().services().iter();
    all.map(|it| (it.service.as_str(), events(it).collect())).collect()
}

/// Where the declarations and the table differ.
fn deviations(participants: &[Declared]) -> Vec<String> {
    let line = |event: &str, from: &str, readers: &BTreeSet<&str>| {
        format!("{event} by {from}, read by {readers:?}")
    };
    let emitted = participants.iter().flat_map(|it| it.emits.iter().map(move |event| (it, event)));
    let declared: BTreeSet<String> = emitted
        .map(|(from, emitted)| {
            let event = &emitted.event;
            let reads = |it: &&Declared| it.consumes.iter().any(|step| step.event == *event);
            let readers = participants.iter().filter(reads).map(|it| it.service.as_str());
            line(event, &from.service, &readers.collect())
        })
        .collect();
    let specified = document(SPECIFICATION);
    let expected: BTreeSet<String> =
        table(&specified).iter().map(|(event, from, by)| line(event, from, by)).collect();
    declared.symmetric_difference(&expected).cloned().collect()
}

/// Events that are read from a service that doesn't emit them, and claims about events that are
/// not the service's own.
fn unfounded(participants: &[Declared]) -> Vec<String> {
    let is_emitted = |name: &str, event: &str| {
        participants.iter().any(|it| it.service == name && emits(it, event))
    };
    let mut found = Vec::new();
    for participant in participants {
        let Declared { service, consumes, compensates, .. } = participant;
        for DeclaredConsumption { event, from, leads_to, .. } in consumes {
            if !is_emitted(from, event) {
                found.push(format!("{service} reads {event} of {from}"));
            }
            let foreign = leads_to.iter().filter(|caused| !emits(participant, caused));
            found.extend(foreign.map(|caused| format!("{service}: {event} leads to {caused}")));
        }
        for DeclaredCompensation { event, undoes } in compensates {
            if !emits(participant, event) || !emits(participant, undoes) {
                found.push(format!("{service}: {event} undoes {undoes}"));
            }
        }
    }
    found
}

/// The events that are left when those without a cause are taken away, again and again: those of
/// a cycle, and what follows from it.
fn in_cycles(participants: &[Declared]) -> BTreeSet<&str> {
    let mut causes = BTreeMap::<&str, BTreeSet<&str>>::new();
    let steps = participants.iter().flat_map(|it| &it.consumes);
    for DeclaredConsumption { event, leads_to, .. } in steps {
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
    participants: &[Declared],
    schemas: &BTreeSet<(String, String)>,
) -> Vec<String> {
    let emitted: BTreeSet<(String, String)> = participants
        .iter()
        .flat_map(|it| it.emits.iter().map(|event| (it.service.clone(), event.event.clone())))
        .collect();
    let differing = emitted.symmetric_difference(schemas);
    differing.map(|(service, event)| format!("{service}/{event}")).collect()
}

fn schemas() -> BTreeSet<(String, String)> {
    let released = testkit::schemas::released().into_iter();
    released.map(|(service, event, _)| (service, event)).collect()
}

#[test]
fn the_services_keep_to_the_specification() {
    let found = deviations(&participants());
    assert!(found.is_empty(), "{SPECIFICATION} and the declarations differ: {found:#?}");

    let mut planted = participants();
    planted[0].emits.retain(|emitted| emitted.event != "OrderConfirmed");
    planted[1].consumes.pop();
    assert_eq!(deviations(&planted).len(), 3, "{:?}", deviations(&planted));
}

#[test]
fn what_is_read_is_emitted_and_claims_are_about_own_events() {
    assert_eq!(unfounded(&participants()), [""; 0]);

    let mut planted = participants();
    "payment".clone_into(&mut planted[0].consumes[0].from);
    planted[0].consumes[1].leads_to.push("PaymentRefunded".to_owned());
    "StockReserved".clone_into(&mut planted[2].compensates[0].undoes);
    assert_eq!(unfounded(&planted).len(), 3, "{:?}", unfounded(&planted));
}

#[test]
fn the_graph_of_events_has_no_cycle() {
    assert!(in_cycles(&participants()).is_empty());

    let mut planted = participants();
    planted[0].consumes.push(DeclaredConsumption {
        event: "OrderCancelled".to_owned(),
        from: "order".to_owned(),
        leads_to: vec!["OrderPlaced".to_owned()],
        within_s: None,
        may_linger: false,
        schema: serde_json::Value::Null,
    });
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
