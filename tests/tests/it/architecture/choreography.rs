//! The choreography, as the services declare it.

use std::collections::BTreeSet;

use contracts::Declared;
use declarations::fleet;
use graph::{Check, Graph};

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

/// Each service with the events that it reads.
pub(crate) fn reads() -> Vec<(&'static str, Vec<&'static str>)> {
    let events = |it: &'static Declared| it.consumes.iter().map(|step| step.event.as_str());
    let all = fleet().services().iter();
    all.map(|it| (it.service.as_str(), events(it).collect())).collect()
}

/// Where the declarations and the table differ: what to do about each row.
fn deviations(participants: &[Declared]) -> Vec<String> {
    let line = |event: &str, from: &str, readers: &BTreeSet<&str>| {
        let readers: Vec<&str> = readers.iter().copied().collect();
        format!("| {event} | {from} | {} |", readers.join(", "))
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
    let missing = declared.difference(&expected).map(|row| format!("add the row {row}"));
    let wrong =
        expected.difference(&declared).map(|row| format!("no service does {row}: correct it"));
    missing.chain(wrong).collect()
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
fn the_graph_of_events_is_well() {
    assert_eq!(Graph::of(fleet().services()).findings(), []);

    let mut planted = participants();
    "payment".clone_into(&mut planted[0].consumes[0].from);
    let found = Graph::of(&planted).findings();
    assert!(found.iter().any(|it| it.check == Check::UnfoundedRead), "{found:#?}");
}

#[test]
fn every_event_has_a_schema_and_every_schema_an_emitter() {
    assert_eq!(Graph::of(fleet().services()).without_counterpart(&schemas()), []);

    let mut planted = schemas();
    planted.insert(("order".to_owned(), "OrderForgotten".to_owned()));
    assert_eq!(Graph::of(fleet().services()).without_counterpart(&planted).len(), 1);
}
