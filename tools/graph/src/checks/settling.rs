//! When a saga has ended, each part of it ends as well.

use std::collections::{BTreeMap, BTreeSet};

use contracts::{Declared, DeclaredStatus};

use crate::Graph;
use crate::fate::{Fate, end_of};
use crate::finding::{Check, Finding};
use crate::history::{Events, read, said};

/// Statuses in which a service stays although the saga has ended: they don't count as settled, and
/// nothing more comes that the service reads. Those with calls end with the outcome of the call.
pub(super) fn findings(graph: Graph<'_>) -> Vec<Finding> {
    let Some(fate) = Fate::of(graph) else { return Vec::new() };
    let ended: Vec<(&DeclaredStatus, Events<'_>)> = fate
        .decider
        .statuses
        .iter()
        .filter(|it| it.is_final)
        .map(|it| (it, graph.with_all_before(&read(it) | &said(it))))
        .collect();
    let mut found = Vec::new();
    for service in graph.services() {
        let mut stuck: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let waiting = service.statuses.iter().skip(1).filter(|it| it.calls.is_empty());
        for status in waiting {
            for (end, known) in &ended {
                let name = end_of(&end.status);
                let stays = |settled: &Vec<String>| {
                    !settled.contains(&status.status)
                        && !comes_more(service, status, known)
                        && graph.may_be(service, status, known)
                        && graph.may_be(fate.decider, end, &graph.with_all_before(read(status)))
                };
                if service.settles.get(name).is_some_and(stays) {
                    stuck.entry(name).or_default().insert(&status.status);
                }
            }
        }
        found.extend(stuck.iter().map(|(end, statuses)| finding(service, end, statuses)));
    }
    found
}

/// Whether something has been said for sure that the service reads and has not read.
fn comes_more(service: &Declared, status: &DeclaredStatus, known: &Events<'_>) -> bool {
    let read = read(status);
    let mut events = service.consumes.iter().map(|it| it.event.as_str());
    events.any(|event| known.contains(event) && !read.contains(event))
}

fn finding(service: &Declared, end: &str, statuses: &BTreeSet<&str>) -> Finding {
    let name = &service.service;
    let statuses: Vec<String> = statuses.iter().map(|it| format!("{it:?}")).collect();
    let what = format!(
        "{name} may stay in the status {} when a saga has ended as {end}: it reads nothing that ends its \
         part.",
        statuses.join(", ")
    );
    Finding::wrong(Check::Unsettled, name, "", what).mend(format!(
        "Have {name} read the event by which that is decided; or declare that the status settles {end}."
    ))
}
