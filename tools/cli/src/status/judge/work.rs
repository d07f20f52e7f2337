//! Whether a service gets on: with its database, with publishing and reading, with what fails, with calls.

use std::time::Duration;

use super::{UNDER_WAY, Verdict, old, some};
use crate::age::ago;
use crate::database::{lock, variable};
use crate::gaps::Verdict as GapVerdict;
use crate::status::{Database, Health, Seen, Service};

/// How long a call may have no outcome before a person should know: providers have bad minutes.
const CALL_PATIENCE: Duration = Duration::from_mins(10);
/// What the details of a service's readiness say when there is nothing to say.
const AS_EVER: [&str; 3] = ["running", "followed", "none"];
/// A record that was tried so often is not only unlucky.
const ATTEMPTS_MIN: i32 = 3;
const RETRIES_MIN: i64 = 5;

/// Who keeps others out of the database.
pub(super) fn locks(service: &Service, verdict: &mut Verdict) {
    let Some(Database { sessions: Seen::Known(sessions), .. }) = service.database.known() else {
        return;
    };
    for session in sessions {
        if !session.is_in_the_way() {
            let what = format!(
                "{session} keeps a transaction open and does nothing; what it has locked stays \
                 locked, and a migration would wait for it"
            );
            verdict.notes(service.name, &what);
            continue;
        }
        let waiting = match session.blocks {
            0 => String::new(),
            1 => "; one session waits for it".to_owned(),
            some => format!("; {some} sessions wait for it"),
        };
        let end = format!(
            "end that session, do not restart Postgres: psql \"${}\" -c 'SELECT \
             pg_terminate_backend({})'",
            variable(service.name),
            session.pid
        );
        verdict.finds(service.name, format!("{}{waiting}", lock(session)), &[&end]);
    }
}

/// Whether it publishes, reads, and gets on with what it reads.
pub(super) fn work(service: &Service, quota: Option<f64>, verdict: &mut Verdict) {
    let name = service.name;
    let database = service.database.known();
    if let Some(outbox) = database.and_then(|it| it.outbox.known())
        && old(outbox.since, UNDER_WAY)
    {
        let since = outbox.since.map(ago).unwrap_or_default();
        let what =
            format!("cannot publish {}, the oldest for {since}", some(outbox.events, "event"));
        match quota {
            Some(bytes) => verdict.finds(
                name,
                format!("{what}: Kafka holds it back by a quota of {bytes:.0} bytes/s"),
                &["farandole topics create --producer-byte-rate none; who set it: farandole dlq log"],
            ),
            None => verdict.finds(
                name,
                what,
                &[
                    "its log says what Kafka answers; if other services do publish, Kafka is there",
                    "farandole topics create --check compares the topics with what they should be",
                ],
            ),
        }
    }
    if let Some(group) = service.group.known()
        && group.members > 0
        && old(group.unread_since, UNDER_WAY)
    {
        let since = group.unread_since.map(ago).unwrap_or_default();
        let what = format!("is behind by {}, the oldest for {since}", some(group.unread, "record"));
        verdict.finds(
            name,
            what,
            &["what keeps it is named above, or in its log; if it is only \
             busy, start another instance"],
        );
    }
    let Some(queue) = database.and_then(|it| it.retries.known()) else { return };
    for group in &queue.groups {
        let since = group.first.map(ago).unwrap_or_default();
        let what = format!(
            "tries {} again, the first for {since}, the last {} ago: {}",
            some(group.records, "record"),
            group.last.map(ago).unwrap_or_default(),
            group.error
        );
        let lasts = old(group.first, UNDER_WAY) || group.attempts >= ATTEMPTS_MIN;
        if lasts || queue.failing() >= RETRIES_MIN {
            verdict.finds(name, what, &[
                "mend what the error says, then they go through by themselves: farandole retries list",
            ]);
        } else {
            verdict.notes(name, &what);
        }
    }
}

pub(super) fn gaps(service: &Service, verdict: &mut Verdict) {
    let Some(gaps) = service.database.known().and_then(|it| it.gaps.known()) else { return };
    let count = |wanted| gaps.iter().filter(|gap| gap.verdict == wanted).count();
    let (lost, dead, waiting) =
        (count(GapVerdict::Lost), count(GapVerdict::Dead), count(GapVerdict::Waiting));
    if lost + dead > 0 {
        let what = format!("misses events: {lost} lost, {dead} among the dead letters");
        verdict.finds(service.name, what, &["farandole gaps"]);
    }
    if waiting > 0 {
        verdict.notes(service.name, &format!("looks for {waiting} events that it misses"));
    }
}

pub(super) fn calls(service: &Service, verdict: &mut Verdict) {
    let name = service.name;
    for calls in service.database.known().and_then(|it| it.calls.known()).into_iter().flatten() {
        let open = calls.open - calls.followed;
        let since = calls.since.map(ago).unwrap_or_default();
        let error = calls.last_error.as_ref().map(|error| format!(": {error}"));
        let what = format!(
            "{} to {} without an outcome, the oldest for {since}{}",
            some(open, "call"),
            calls.step,
            error.unwrap_or_default()
        );
        if open > 0 && old(calls.since, CALL_PATIENCE) {
            verdict.finds(
                name,
                what,
                &["they are repeated by themselves; ask the provider: \
                 farandole calls list"],
            );
        } else if open > 0 && old(calls.since, UNDER_WAY) {
            verdict.notes(name, &what);
        }
        if calls.followed > 0 {
            let what = format!(
                "the call {} of {} is followed until the provider answers: farandole calls list",
                calls.step,
                some(calls.followed, "cancelled order")
            );
            verdict.notes(name, &what);
        }
    }
}

/// Calls that are not made. That nobody could be told is for a person to decide on, and for no alarm.
pub(super) fn held(service: &Service, verdict: &mut Verdict) {
    let Some(held) = service.database.known().and_then(|it| it.held.known()) else { return };
    for (how, count) in held {
        let calls = some(*count, "call");
        let what = match how.as_str() {
            "parked" => format!("{calls} parked: farandole calls list --parked"),
            _ => format!("{calls} given up: farandole calls list --given-up"),
        };
        verdict.notes(service.name, &what);
    }
}

/// What a service says beside being ready or not.
pub(super) fn circuits(service: &Service, verdict: &mut Verdict) {
    let (Health::Ready { details } | Health::NotReady { details, .. }) = &service.health else {
        return;
    };
    let circuits = details.get("circuits").and_then(|it| it.as_object()).into_iter().flatten();
    let open: Vec<&str> = circuits
        .filter(|(_, state)| state.as_str().is_some_and(|state| state != "closed"))
        .map(|(circuit, _)| circuit.as_str())
        .collect();
    if !open.is_empty() {
        let what = format!("calls are held back until the other side answers: {}", open.join(", "));
        verdict.notes(service.name, &what);
    }
    for (name, detail) in details {
        if let Some(text) = detail.as_str().filter(|text| !AS_EVER.contains(text)) {
            verdict.notes(service.name, &format!("{name}: {text}"));
        }
    }
}
