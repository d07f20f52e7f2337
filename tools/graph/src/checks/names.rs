//! What is named must be there: events, emitters, readers.

use std::collections::BTreeSet;

use contracts::{Declared, DeclaredCompensation, DeclaredConsumption};

use crate::fate::Fate;
use crate::finding::{Check, Finding};
use crate::history::{said, sayable};
use crate::relations::{emits, reads};
use crate::{Graph, type_of};

pub(super) fn findings(graph: Graph<'_>) -> Vec<Finding> {
    let mut found = beginnings(graph);
    for service in graph.services() {
        found.extend(unfounded(graph, service));
        found.extend(foreign(service));
        if service.owner.trim().is_empty() {
            let what = format!("Nobody answers for {}.", service.service);
            found.push(
                Finding::wrong(Check::NoOwner, &service.service, "", what)
                    .mend("Declare its owner: a team, by the name under which it is found."),
            );
        }
    }
    found.extend(unread(graph));
    found.extend(emitted_twice(graph));
    found.extend(uncaused(graph));
    found
}

fn beginnings(graph: Graph<'_>) -> Vec<Finding> {
    let begin: Vec<&str> = graph
        .services()
        .iter()
        .filter(|it| it.begins.is_some())
        .map(|it| it.service.as_str())
        .collect();
    let mut found = Vec::new();
    let mend = "Declare for one service by which of its events the sagas begin.";
    if begin.len() != 1 {
        let whose = if begin.is_empty() { "No service".to_owned() } else { begin.join(" and ") };
        let what = format!("{whose} declares that sagas begin with it.");
        found.push(Finding::wrong(Check::Beginning, "", "", what).mend(mend));
    }
    for service in graph.services() {
        let Some(begins) = &service.begins else { continue };
        if !emits(service, &begins.event) {
            let (service, event) = (&service.service, &begins.event);
            let what = format!("Sagas are to begin with {event} of {service}, which has no such.");
            found.push(Finding::wrong(Check::Beginning, service, event, what).mend(mend));
        }
    }
    found
}

/// What is read from a service that does not emit it.
fn unfounded(graph: Graph<'_>, reader: &Declared) -> Vec<Finding> {
    let is_unfounded = |read: &&DeclaredConsumption| {
        !graph.service(&read.from).is_some_and(|from| emits(from, &read.event))
    };
    let finding = |read: &DeclaredConsumption| {
        let (reader, DeclaredConsumption { event, from, .. }) = (&reader.service, read);
        let (who, mend) = match graph.emitter(event) {
            Some(emitter) => (
                format!("{} emits that", emitter.service),
                format!("Have {reader} read it from {}.", emitter.service),
            ),
            None => (
                "nobody emits that".to_owned(),
                match closest(graph, event) {
                    Some(close) => format!("Is {close} meant?"),
                    None => format!("Take it out of what {reader} reads, or have {from} emit it."),
                },
            ),
        };
        let what = format!("{reader} reads {event} from {from}, but {who}.");
        Finding::wrong(Check::UnfoundedRead, reader, event, what).mend(mend)
    };
    reader.consumes.iter().filter(is_unfounded).map(finding).collect()
}

/// The event that is written most like this one, if there is one that could be meant.
fn closest<'a>(graph: Graph<'a>, event: &str) -> Option<&'a str> {
    let distance = |other: &str| edits(event, other);
    let types = graph.emitted().map(|(_, it)| it.event.as_str());
    types.min_by_key(|other| distance(other)).filter(|other| distance(other) * 3 <= event.len())
}

/// How many letters must be put in, taken out or changed to make one text the other.
fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (to, there) in other.iter().enumerate() {
            let cheapest =
                (diagonal + usize::from(letter != *there)).min(row[to].min(row[to + 1]) + 1);
            diagonal = std::mem::replace(&mut row[to + 1], cheapest);
        }
    }
    row[other.len()]
}

/// Claims of a service about events that are not its own.
fn foreign(service: &Declared) -> Vec<Finding> {
    let name = &service.service;
    let mut found = Vec::new();
    for DeclaredConsumption { event, leads_to, .. } in &service.consumes {
        for led in leads_to.iter().map(|led| type_of(led)).filter(|led| !emits(service, led)) {
            let what = format!("{event} is to lead {name} to {led}, which {name} does not emit.");
            found.push(Finding::wrong(Check::ForeignEffect, name, led, what).mend(format!(
                "Take {led} out of what {event} leads to, or declare it among what {name} emits."
            )));
        }
    }
    for DeclaredCompensation { event, undoes } in &service.compensates {
        for foreign in [event, undoes].into_iter().filter(|it| !emits(service, it)) {
            let what = format!(
                "{event} of {name} is to undo {undoes}, but {name} does not emit {foreign}."
            );
            found.push(
                Finding::wrong(Check::ForeignCompensation, name, foreign, what)
                    .mend("A service undoes its own work: name two of its own events."),
            );
        }
    }
    found
}

fn unread(graph: Graph<'_>) -> Vec<Finding> {
    let finding = |(service, emitted): (&Declared, &contracts::DeclaredEvent)| {
        let (name, event) = (&service.service, &emitted.event);
        let readers: Vec<&str> =
            graph.readers(name, event).map(|(reader, _)| reader.service.as_str()).collect();
        match (readers.is_empty(), emitted.is_end) {
            (true, false) => {
                let what = format!("{name} emits {event}, and nobody reads it.");
                Some(Finding::wrong(Check::Unread, name, event, what).mend(
                    "Declare it an end if nobody needs to; otherwise somebody has to read it.",
                ))
            }
            (false, true) => {
                let readers = readers.join(", ");
                let what = format!("{event} of {name} is declared an end, and {readers} reads it.");
                let mend = "Take the end out of its declaration.";
                Some(Finding::note(Check::ReadEnd, name, event, what).mend(mend))
            }
            _ => None,
        }
    };
    graph.emitted().filter_map(finding).collect()
}

fn emitted_twice(graph: Graph<'_>) -> Vec<Finding> {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut found = Vec::new();
    for (service, emitted) in graph.emitted() {
        let (name, event) = (&service.service, &emitted.event);
        if seen.insert(event) {
            continue;
        }
        let first = graph.emitter(event).map_or("", |it| &it.service);
        let what = if first == name {
            format!("{name} declares twice that it emits {event}.")
        } else {
            format!("Both {first} and {name} emit {event}.")
        };
        found.push(Finding::wrong(Check::TwoEmitters, name, event, what).mend(
            "An event has one service that answers for it: give the other a name of its own.",
        ));
    }
    found
}

/// Events that nothing leads to. Sagas begin with one; and a service may say of its own accord what is
/// true of a saga of which it need have read nothing, such as that its time was up.
fn uncaused(graph: Graph<'_>) -> Vec<Finding> {
    let own_accord = own_accord(graph);
    let is_uncaused = |service: &Declared, event: &str| {
        let led = service.consumes.iter().flat_map(|read| &read.leads_to);
        let undoes = service.compensates.iter().any(|it| it.event == event);
        // Of those another check says more.
        let is_known = undoes || own_accord.contains(event);
        !is_known && !led.into_iter().any(|led| type_of(led) == event)
    };
    let finding = |service: &Declared, event: &str| {
        let name = &service.service;
        let what = format!("Nothing that {name} reads leads to {event}.");
        Finding::wrong(Check::Uncaused, name, event, what)
            .mend(format!("Declare it where {name} says what it reads: that it leads to {event}."))
    };
    let emitted = graph.emitted().map(|(service, it)| (service, it.event.as_str()));
    let uncaused = emitted.filter(|(service, event)| is_uncaused(service, event));
    uncaused.map(|(service, event)| finding(service, event)).collect()
}

/// What the service that begins the sagas says without having read anything: by a request, because a
/// time was up, or because an operator has decided.
pub(crate) fn own_accord(graph: Graph<'_>) -> BTreeSet<&str> {
    let Some(Fate { decider, begins, .. }) = Fate::of(graph) else { return BTreeSet::new() };
    let unasked = decider.statuses.iter().filter(|it| it.has_read.is_empty());
    unasked.flat_map(said).chain([begins.event.as_str()]).collect()
}

/// Statuses that speak of events that the service does not read or emit, and places that name a status
/// which it does not have.
pub(super) fn stale(graph: Graph<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for service in graph.services() {
        let name = &service.service;
        let mut events: BTreeSet<(&str, &str)> = BTreeSet::new();
        for status in &service.statuses {
            let read = status.has_read.iter().map(String::as_str);
            events.extend(read.filter(|it| !reads(service, it)).map(|it| (it, "read")));
            let emitted = sayable(status).into_iter();
            events.extend(emitted.filter(|it| !emits(service, it)).map(|it| (it, "emit")));
        }
        let mend = "Run make render; of a service that is not in this tree, see to its statuses.";
        for (event, verb) in events {
            let what = format!("Statuses of {name} speak of {event}, which it does not {verb}.");
            found.push(Finding::wrong(Check::StaleStatus, name, event, what).mend(mend));
        }
        let has = |status: &str| service.statuses.iter().any(|it| it.status == status);
        for status in named_statuses(service).filter(|it| !it.is_empty() && !has(it)) {
            let what = format!("{name} names the status {status:?}, which it does not have.");
            found.push(Finding::wrong(Check::StaleStatus, name, "", what).mend(mend));
        }
    }
    found
}

/// The statuses that a service names outside of their list.
fn named_statuses(service: &Declared) -> impl Iterator<Item = &str> {
    let settled = service.settles.values().flatten().map(String::as_str);
    let begins = service.begins.iter();
    settled.chain(
        begins
            .flat_map(|it| [it.until_deadline.as_str(), it.timed_out.as_str(), it.undone.as_str()]),
    )
}
