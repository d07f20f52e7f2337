use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::finding::{Check, Finding};
use crate::{Graph, type_of};

/// What each event leads to at once, with who reads it.
type Steps<'a> = BTreeMap<&'a str, BTreeMap<&'a str, &'a str>>;

/// A finding for each set of events that lead to each other: the shortest way around.
pub(super) fn findings(graph: Graph<'_>) -> Vec<Finding> {
    let mut steps = Steps::new();
    for (service, read) in graph.read() {
        let leads = steps.entry(read.event.as_str()).or_default();
        leads.extend(read.leads_to.iter().map(|led| (type_of(led), service.service.as_str())));
    }
    let mut found = Vec::new();
    let mut told: BTreeSet<&str> = BTreeSet::new();
    for event in steps.keys() {
        if told.contains(event) {
            continue;
        }
        let Some(around) = shortest_around(&steps, event) else { continue };
        found.push(finding(event, &around));
        let is_of_it = |it: &&str| graph.leads_to(event, it) && graph.leads_to(it, event);
        told.extend(steps.keys().copied().filter(is_of_it));
    }
    found
}

/// The shortest chain of events from this one back to it, each with the service that says it.
fn shortest_around<'a>(steps: &Steps<'a>, start: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let mut before: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    let mut ahead = VecDeque::from([start]);
    while let Some(event) = ahead.pop_front() {
        for (led, by) in steps.get(event).into_iter().flatten() {
            if before.contains_key(led) {
                continue;
            }
            before.insert(led, (event, by));
            ahead.push_back(led);
        }
    }
    let mut around = Vec::new();
    let mut event = start;
    loop {
        let (cause, by) = *before.get(event)?;
        around.push((event, by));
        event = cause;
        if event == start {
            around.reverse();
            return Some(around);
        }
    }
}

fn finding(start: &str, around: &[(&str, &str)]) -> Finding {
    let steps: Vec<String> = around.iter().map(|(event, by)| format!("{event} ({by})")).collect();
    let what = format!("Events lead back to themselves: {start} → {}.", steps.join(" → "));
    let by = around.last().map_or("", |(_, by)| by);
    Finding::wrong(Check::Cycle, by, start, what).mend(
        "A saga must end: take one of these steps out, or have it say an event of another type.",
    )
}
