//! Every step that does something has a compensation, and every failure that can come after it leads
//! there.

use std::collections::BTreeSet;

use contracts::{Declared, DeclaredStatus};

use crate::fate::Fate;
use crate::finding::{Check, Finding};
use crate::history::{Events, read, said};
use crate::relations::reads;
use crate::{Graph, type_of};

pub(super) fn findings(graph: Graph<'_>) -> Vec<Finding> {
    let Some(fate) = Fate::of(graph) else { return Vec::new() };
    let mut found = unled(graph);
    for (service, emitted) in graph.emitted() {
        let done = emitted.event.as_str();
        let compensations: Vec<&str> = service
            .compensates
            .iter()
            .filter(|it| it.undoes == done)
            .map(|it| it.event.as_str())
            .collect();
        let unsettled = unsettled(service, &fate, done);
        if compensations.is_empty() && unsettled.is_none() {
            continue;
        }
        let causes = causes_of_failure(graph, &fate, done);
        match unsettled {
            Some((status, end)) if compensations.is_empty() && !causes.is_empty() => {
                found.push(uncompensated(service, done, status, end));
            }
            _ => found.extend(
                causes
                    .iter()
                    .filter(|_| !compensations.is_empty())
                    .filter(|cause| !compensations.iter().any(|it| graph.leads_to(cause, it)))
                    .filter(|_| compensations.iter().any(|it| is_led(service, it)))
                    .map(|cause| unreached(graph, &fate, service, done, &compensations, cause)),
            ),
        }
    }
    found
}

fn is_led(service: &Declared, event: &str) -> bool {
    service.consumes.iter().any(|read| read.leads_to.iter().any(|led| type_of(led) == event))
}

/// Compensations that nothing leads to.
fn unled(graph: Graph<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for service in graph.services() {
        for it in service.compensates.iter().filter(|it| !is_led(service, &it.event)) {
            let (name, event, undoes) = (&service.service, &it.event, &it.undoes);
            let what =
                format!("{event} is to undo {undoes}, and nothing {name} reads leads to it.");
            let check = Check::UnreachedCompensation;
            found.push(Finding::wrong(check, name, event, what).mend(format!(
                "Declare which event leads {name} to {event}: that by which a failure is decided."
            )));
        }
    }
    found
}

/// A status and an end by a failure, if this event leaves something to be undone: a status in which
/// the service has said it, and which does not count as settled when a saga has ended like that.
fn unsettled<'a>(service: &'a Declared, fate: &Fate<'a>, done: &str) -> Option<(&'a str, &'a str)> {
    let settles = service.settles.iter();
    let mut bad = settles.filter(|(end, _)| fate.bad_ends.contains(end.as_str()));
    bad.find_map(|(end, settled)| {
        let said_in = service.statuses.iter().filter(|status| said(status).contains(done));
        let mut open = said_in.filter(|status| !settled.contains(&status.status));
        Some((open.next()?.status.as_str(), end.as_str()))
    })
}

/// The events by which a saga can fail of which this one was said: what the decider has read of sagas
/// that failed like that, or else what it says then of its own accord.
fn causes_of_failure<'a>(graph: Graph<'a>, fate: &Fate<'a>, done: &'a str) -> BTreeSet<&'a str> {
    let events = graph.with_all_before([done]);
    let can_fail = |status: &&&'a DeclaredStatus| graph.may_be(fate.decider, status, &events);
    let causes = |status: &'a DeclaredStatus| -> Events<'a> {
        let failures = &read(status) & &fate.failures;
        if failures.is_empty() { &said(status) & &fate.verdicts } else { failures }
    };
    fate.failed.iter().filter(can_fail).flat_map(|status| causes(status)).collect()
}

fn uncompensated(service: &Declared, done: &str, status: &str, end: &str) -> Finding {
    let name = &service.service;
    let what = format!(
        "{done} of {name} leaves something to be undone, and no compensation is declared: in the \
         status {status:?} its part is not settled when a saga has ended as {end}."
    );
    Finding::wrong(Check::NoCompensation, name, done, what).mend(format!(
        "Declare which event of {name} undoes {done}; or, if there is nothing to undo, that {status:?} \
         settles {end}."
    ))
}

/// Says where the chain from a failure to the compensation breaks off.
fn unreached(
    graph: Graph<'_>,
    fate: &Fate<'_>,
    service: &Declared,
    done: &str,
    compensations: &[&str],
    cause: &str,
) -> Finding {
    let (name, decider) = (&service.service, &fate.decider.service);
    let undoing = compensations.join(" or ");
    let is_decided =
        fate.verdicts.contains(cause) || fate.verdicts.iter().any(|it| graph.leads_to(cause, it));
    let (why, mend) = if !is_decided {
        let verdicts = list(&fate.verdicts);
        let does =
            if reads(fate.decider, cause) { "does nothing about it" } else { "does not read it" };
        (
            format!("{decider} {does}"),
            format!("Have {cause} lead {decider} to {verdicts}, and declare that."),
        )
    } else if !fate.verdicts.iter().any(|it| reads(service, it)) {
        let verdicts = list(&fate.verdicts);
        (
            format!("{name} does not read {verdicts}, by which {decider} decides that"),
            format!("Have {name} read {verdicts}, and declare that it leads to {undoing}."),
        )
    } else {
        let verdicts = list(&fate.verdicts);
        (
            format!("{name} reads {verdicts}, but declares that something else leads to {undoing}"),
            format!("Declare that {verdicts} leads {name} to {undoing}."),
        )
    };
    let failing = if fate.verdicts.contains(cause) {
        format!("When {decider} gives a saga up after {done}")
    } else {
        format!("When {cause} comes after {done}")
    };
    let what = format!("{failing}, nothing leads to {undoing}: {why}.");
    Finding::wrong(Check::UnreachedCompensation, name, done, what).mend(mend)
}

fn list(events: &Events<'_>) -> String {
    let events: Vec<&str> = events.iter().copied().collect();
    if events.is_empty() { "an event that decides it".to_owned() } else { events.join(" or ") }
}
