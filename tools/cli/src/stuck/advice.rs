use std::collections::BTreeMap;

use choreography::Awaited;

use super::order::StuckOrder;
use super::work::Work;
use crate::gaps::{Gap, Verdict};

/// Says what to do about each move.
pub(super) fn add(order: &mut StuckOrder) {
    let id = order.order_id.to_string();
    let unpublished: BTreeMap<&str, Vec<String>> =
        order.services.iter().map(|work| (work.service, work.unpublished.clone())).collect();
    let published = |event: &str, from: &str| {
        unpublished.get(from).is_none_or(|events| !events.iter().any(|it| it == event))
    };
    for work in &mut order.services {
        if work.instances == Some(0) {
            work.next.push(format!("no instance of {} is running: start one", work.service));
        }
        for awaited in &work.awaits {
            let advice = match *awaited {
                Awaited::Event { event, from } if !published(event, from) => {
                    format!("{from} has not published {event} yet: farandole status tells why")
                }
                Awaited::Event { event, from } => read(&id, work, event, from),
                Awaited::Call { step } => call(&id, work, step),
                Awaited::Deadline => {
                    "it does so within seconds when it runs: farandole status".to_owned()
                }
                Awaited::Unclear => "the states contradict each other: farandole audit".to_owned(),
            };
            // Several events may be held up by the same thing.
            if !work.next.contains(&advice) {
                work.next.push(advice);
            }
        }
    }
}

/// What keeps an event from being read.
fn read(order: &str, work: &Work, event: &str, from: &str) -> String {
    let service = work.service;
    let is_it = |there: &Option<String>| there.as_deref().is_none_or(|there| there == event);
    let source = format!("/{from}");
    let lost = |gap: &Gap| gap.verdict == Verdict::Lost && gap.source == source;
    if let Some(letter) = work.dead_letters.iter().find(|letter| is_it(&letter.event)) {
        return format!("mend what its error says, then: farandole dlq redrive {}", letter.id);
    }
    match &work.parked {
        Some(parked) if parked.dead => format!(
            "it is on its way to the dead letters; then: farandole dlq list --order {order}"
        ),
        Some(_) => format!(
            "mend what its error says, it is tried again by itself; when given up: farandole dlq \
             list --order {order}"
        ),
        None if work.missing.iter().any(lost) => {
            format!("an event of {from} is lost: farandole gaps --service {service}")
        }
        None if work.instances == Some(0) => format!("{service} reads it when it runs"),
        None => format!(
            "not read yet, or never said: farandole status tells how {service} is, and farandole \
             orders show {order} what was said"
        ),
    }
}

/// What keeps a call from having an outcome.
fn call(order: &str, work: &Work, step: &str) -> String {
    if work.calls.iter().any(|call| call.step == step && call.parked) {
        format!("it is parked: farandole calls unpark {order}/{step}, or settle")
    } else if work.calls.iter().any(|call| call.step == step) {
        format!(
            "it is repeated by itself until the provider answers, unless it is parked; ask the \
             provider what became of idempotency key {order}/{step}, and say so by farandole calls \
             settle"
        )
    } else {
        format!("nothing says that {step} is to be called: farandole audit")
    }
}
