//! How orders end, what was given up, and what could not be seen.

use std::time::Duration;

use super::{Verdict, old};
use crate::age::ago;
use crate::database::variable;
use crate::status::{Facts, Letters, Seen};

/// From so many orders, and so much of all that ended, it is trouble that their time was up.
const LAPSED_MIN: i64 = 5;
const LAPSED_PERCENT: i64 = 5;
/// Orders that lapsed longer ago than this are over.
const LAPSES_PASS: Duration = Duration::from_mins(1);

/// Orders that lapse in masses. When that is over, it is worth a word and no more.
pub(super) fn orders(facts: &Facts, verdict: &mut Verdict) {
    let Some(orders) = facts.orders.known() else { return };
    let lapsed = orders.timed_out();
    let ended = orders.completed + orders.cancelled.values().sum::<i64>();
    if lapsed < LAPSED_MIN || lapsed * 100 < ended * LAPSED_PERCENT {
        return;
    }
    let what = format!(
        "{lapsed} orders were cancelled in the last {} min because their time was up, the last {} ago{}",
        orders.within_s / 60,
        orders.last_lapse.map(ago).unwrap_or_default(),
        waited(&orders.lapsed_waiting_for)
    );
    if old(orders.last_lapse, LAPSES_PASS) {
        verdict.notes.push(what);
    } else {
        verdict.finds(
            None,
            what,
            &["mend what is named above; what has lapsed stays cancelled (docs/operations.md, \"Orders \
               lapse in masses\")"],
        );
    }
}

/// What lapsed orders waited for.
pub(crate) fn waited(causes: &[(String, usize)]) -> String {
    match causes {
        [] => String::new(),
        [(one, _)] => format!(", all waited for {one}"),
        several => {
            let parts: Vec<String> =
                several.iter().map(|(cause, count)| format!("{cause} {count}")).collect();
            format!(", waited for: {}", parts.join(", "))
        }
    }
}

pub(super) fn letters(letters: &Seen<Vec<Letters>>, verdict: &mut Verdict) {
    let Some([first, rest @ ..]) = letters.known().map(Vec::as_slice) else { return };
    let all: usize = first.open + rest.iter().map(|one| one.open).sum::<usize>();
    let are = if all == 1 { "1 dead letter is" } else { "dead letters are" };
    let count = if all == 1 { String::new() } else { format!("{all} ") };
    let what = format!(
        "{count}{are} open; {}{} of {}: {}",
        if rest.is_empty() { "" } else { "most, " },
        first.open,
        first.service,
        first.cause
    );
    verdict.finds(None, what, &["farandole dlq list"]);
}

pub(super) fn unknown(facts: &Facts, verdict: &mut Verdict) {
    for service in &facts.services {
        let name = service.name;
        let mut see = |what: &str, reason: Option<&str>| {
            if let Some(reason) = reason {
                verdict.cannot_see(what, name, reason);
            }
        };
        see("consumer group", service.group.reason());
        see("database", service.database.reason());
        if let Some(database) = service.database.known() {
            see("sessions", database.sessions.reason());
            see("instances", database.instances.reason());
            see("outbox", database.outbox.reason());
            see("open calls", database.calls.reason());
            see("retries", database.retries.reason());
            see("missing events", database.gaps.reason());
        }
    }
    if let Some(reason) = facts.orders.reason() {
        verdict.unknown.push(format!("how orders ended: {reason}"));
    }
    if let Some(reason) = facts.dead_letters.reason() {
        verdict.unknown.push(format!("the dead letters: {reason}"));
    }
    if !facts.databases_not_given.is_empty() {
        let variables: Vec<String> =
            facts.databases_not_given.iter().map(|name| variable(name)).collect();
        verdict.unknown.push(format!("databases: set {}", variables.join(", ")));
    }
}
