//! What services do again until it succeeds: calls to the outside, and events that could not be processed.

use askama::Template;
use cli::calls::OpenCall;
use cli::retries::Retries;
use cli::status::{Calls, Database};
use jiff::{SignedDuration, Timestamp};

use super::{Frame, short};
use crate::looks::{Fleet, OpenCalls};
use crate::words::{ago, now, some, spell};

/// A call that is open for longer is late.
const LATE_AFTER: SignedDuration = SignedDuration::from_secs(30);

pub(crate) struct StepRow {
    service: &'static str,
    step: String,
    open: i64,
    followed: i64,
    since: String,
    is_late: bool,
    error: String,
}

pub(crate) struct CallRow {
    service: &'static str,
    step: String,
    order: String,
    to: String,
    state: &'static str,
    is: &'static str,
    tries: i32,
    since: String,
    next: String,
    error: String,
}

pub(crate) struct RetryRow {
    service: &'static str,
    records: String,
    types: String,
    since: String,
    tries: String,
    next: String,
    order: String,
    short: String,
    cause: String,
}

#[derive(Template)]
#[template(path = "calls.html")]
pub(crate) struct CallsPage {
    pub(crate) frame: Frame,
    sentence: String,
    unknown: Vec<String>,
    steps: Vec<StepRow>,
    listed: String,
    calls: Vec<CallRow>,
    retries: Vec<RetryRow>,
}

impl CallsPage {
    pub(crate) fn new(frame: Frame, fleet: Option<&Fleet>, open: Option<&OpenCalls>) -> Self {
        let services = || fleet.into_iter().flat_map(|fleet| &fleet.facts.services);
        let known = || services().filter_map(|it| Some((it.name, it.database.known()?)));
        let steps: Vec<StepRow> = known().flat_map(steps).collect();
        let retries: Vec<RetryRow> = known().flat_map(retries).collect();
        let count: i64 = steps.iter().map(|step| step.open).sum();
        let failing: i64 = known().filter_map(|(_, it)| Some(it.retries.known()?.failing())).sum();
        let mut unknown: Vec<String> = services()
            .filter(|it| it.database.known().is_none())
            .map(|it| format!("It cannot be seen what {} does again.", it.name))
            .collect();
        unknown.extend(open.into_iter().flat_map(|open| open.unknown.iter().cloned()));
        let sentence = match (fleet, count, failing) {
            (None, ..) => "Asking the services what they do again …".to_owned(),
            (_, 0, 0) => "No call is open, and nothing is tried again.".to_owned(),
            (_, calls, 0) => format!("{}, and no event is tried again.", are_open(calls)),
            (_, 0, failing) => format!("No call is open; {}.", are_tried(failing)),
            (_, calls, failing) => format!("{}, and {}.", are_open(calls), are_tried(failing)),
        };
        let calls = open.map(|open| open.calls.as_slice()).unwrap_or_default();
        let listed = match open.map_or(0, |open| open.more) {
            0 => "One by one, the oldest first".to_owned(),
            more => format!("The oldest, one by one; {} more", some(more, "call")),
        };
        let calls = calls.iter().map(call).collect();
        Self { frame, sentence, unknown, steps, listed, calls, retries }
    }
}

fn are_open(calls: i64) -> String {
    let calls = usize::try_from(calls).unwrap_or_default();
    format!("{} {} open", some(calls, "call"), if calls == 1 { "is" } else { "are" })
}

fn are_tried(events: i64) -> String {
    let events = usize::try_from(events).unwrap_or_default();
    format!("{} {} tried again", some(events, "event"), if events == 1 { "is" } else { "are" })
}

fn steps((service, database): (&'static str, &Database)) -> Vec<StepRow> {
    let row = |it: &Calls| StepRow {
        service,
        step: it.step.clone(),
        open: it.open,
        followed: it.followed,
        since: it.since.map(ago).unwrap_or_default(),
        is_late: it.since.is_some_and(|at| now().duration_since(at) > LATE_AFTER),
        error: it.last_error.clone().unwrap_or_default(),
    };
    let steps = database.calls.known().into_iter().flatten();
    steps.filter(|it| it.open > 0).map(row).collect()
}

fn call(it: &OpenCall) -> CallRow {
    let is = it.state();
    CallRow {
        service: it.service,
        step: it.step.clone(),
        order: it.order_id.to_string(),
        to: it.destination.clone().unwrap_or_default(),
        state: match is {
            "open" => "late",
            "parked" => "open",
            _ => "stuck",
        },
        is,
        tries: it.attempts,
        since: ago(it.since),
        next: if is == "open" { until(it.due_at) } else { String::new() },
        error: it.last_error.clone().unwrap_or_default(),
    }
}

fn retries((service, database): (&'static str, &Database)) -> Vec<RetryRow> {
    let row = |it: &Retries| {
        let order = it.example.map(|order| order.to_string()).unwrap_or_default();
        RetryRow {
            service,
            records: some(usize::try_from(it.records).unwrap_or_default(), "record"),
            types: it.types.iter().map(String::as_str).collect::<Vec<_>>().join(", "),
            since: it.first.map(ago).unwrap_or_default(),
            tries: some(usize::try_from(it.attempts).unwrap_or_default(), "time"),
            next: match it.next {
                Some(next) => format!("the next time {}", until(next)),
                None => "given up: on the way to the dead letters".to_owned(),
            },
            short: short(&order).to_owned(),
            order,
            cause: it.cause.clone(),
        }
    };
    database.retries.known().into_iter().flat_map(|queue| &queue.groups).map(row).collect()
}

/// In how long that is.
fn until(then: Timestamp) -> String {
    let left = then.duration_since(now());
    if left.is_positive() { format!("in {}", spell(left)) } else { "now".to_owned() }
}
