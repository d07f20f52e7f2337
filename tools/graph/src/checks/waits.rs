//! Nobody waits for ever: what is waited for has a time, or a deadline ends the wait, or somebody
//! answers for it.

use std::collections::{BTreeMap, BTreeSet};

use contracts::{Declared, DeclaredConsumption, DeclaredStatus};

use crate::fate::Fate;
use crate::finding::{Check, Finding};
use crate::history::{Events, read, said};
use crate::{Graph, type_of};

pub(super) fn findings(graph: Graph<'_>) -> Vec<Finding> {
    let mut found = without_time(graph);
    let fate = Fate::of(graph);
    for service in graph.services() {
        let mut waits: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
        for status in waiting(service) {
            if fate.as_ref().is_some_and(|fate| fate.ends_the_wait(graph, service, status)) {
                continue;
            }
            for awaited in awaited(graph, service, status).filter(|it| !is_bounded(graph, it)) {
                let key = (awaited.event.as_str(), awaited.from.as_str());
                waits.entry(key).or_default().insert(&status.status);
            }
        }
        let finding = |((event, from), statuses)| endless(&service.service, event, from, &statuses);
        found.extend(waits.into_iter().map(finding));
    }
    found
}

/// Reactions that somebody waits for and that may take any time.
fn without_time(graph: Graph<'_>) -> Vec<Finding> {
    let is_without = |(_, read): &(&Declared, &DeclaredConsumption)| {
        !read.leads_to.is_empty() && !read.may_linger && read.within_s.is_none()
    };
    let finding = |(service, read): (&Declared, &DeclaredConsumption)| {
        let (name, event, led) = (&service.service, &read.event, read.leads_to.join(" or "));
        let what = format!("{event} leads {name} to {led}, and no time is declared for that.");
        Finding::wrong(Check::NoTime, name, event, what).mend(
            "Declare within how many seconds it happens before it is late, or that it may linger.",
        )
    };
    graph.read().filter(is_without).map(finding).collect()
}

/// The statuses in which a service waits for others. In those with calls it waits for the outside, and
/// the first is that of a saga it has never heard of.
fn waiting(service: &Declared) -> impl Iterator<Item = &DeclaredStatus> {
    service.statuses.iter().skip(1).filter(|it| !it.is_final && it.calls.is_empty())
}

/// What may still be said when a service has a status. What has been said already comes, whoever has
/// said it; it is only to be read.
fn awaited<'a>(
    graph: Graph<'a>,
    service: &'a Declared,
    status: &'a DeclaredStatus,
) -> impl Iterator<Item = &'a DeclaredConsumption> {
    let known = known_in(graph, status);
    service.consumes.iter().filter(move |it| {
        let event = it.event.as_str();
        !known.contains(event) && graph.go_together(&(&known | &graph.with_all_before([event])))
    })
}

/// Whether something that leads to this has a time, or somebody answers for who says it.
fn is_bounded(graph: Graph<'_>, awaited: &DeclaredConsumption) -> bool {
    let Some(emitter) = graph.service(&awaited.from) else { return false };
    let leads =
        |read: &&DeclaredConsumption| read.leads_to.iter().any(|led| type_of(led) == awaited.event);
    let mut reactions = emitter.consumes.iter().filter(leads);
    !emitter.owner.trim().is_empty() || reactions.any(|it| it.within_s.is_some())
}

impl<'a> Fate<'a> {
    /// Whether the deadline of the sagas ends what a service waits for in a status: while it runs, and
    /// of a service that hears of it, as long as it must be running.
    fn ends_the_wait(
        &self,
        graph: Graph<'a>,
        service: &'a Declared,
        status: &'a DeclaredStatus,
    ) -> bool {
        let running = &self.begins.until_deadline;
        if running.is_empty() {
            return false;
        }
        if service.service == self.decider.service {
            return status.status == *running;
        }
        let hears = service.consumes.iter().any(|it| self.verdicts.contains(it.event.as_str()));
        let known = known_in(graph, status);
        let own = |it: &&DeclaredStatus| graph.may_be(service, status, &known_in(graph, it));
        let open = self.decider.statuses.iter().skip(1).filter(|it| !it.is_final);
        let mut possible = open.filter(|it| graph.may_be(self.decider, it, &known)).filter(own);
        hears && possible.all(|it| it.status == *running)
    }
}

/// What has been said for sure when a service has this status.
fn known_in<'a>(graph: Graph<'a>, status: &'a DeclaredStatus) -> Events<'a> {
    graph.with_all_before(&read(status) | &said(status))
}

fn endless(service: &str, event: &str, from: &str, statuses: &BTreeSet<&str>) -> Finding {
    let statuses: Vec<String> = statuses.iter().map(|it| format!("{it:?}")).collect();
    let what = format!(
        "{service} waits for {event} of {from} in the status {}, and may wait for ever: no deadline \
         ends it, no time is declared for it, and nobody answers for {from}.",
        statuses.join(", ")
    );
    Finding::wrong(Check::EndlessWait, service, event, what).mend(format!(
        "Declare within how many seconds {from} says {event}, or who answers for {from}."
    ))
}
