//! What is wrong, by what was seen. Pure but for the clock.

use std::time::Duration;

use farandole_cli::database::{lock, variable};
use farandole_cli::gaps::Verdict as GapVerdict;
use jiff::Timestamp;
use serde::Serialize;

use super::facts::{Database, Facts, Group, Health, Letters, Seen, Service};
use crate::age::ago;

/// What is younger than this is under way.
const UNDER_WAY: Duration = Duration::from_secs(30);
/// How long a call may have no outcome before a person should know: providers have bad minutes.
const CALL_PATIENCE: Duration = Duration::from_mins(10);
/// From so many orders, and so much of all that ended, it is trouble that their time was up.
const LAPSED_MIN: i64 = 5;
const LAPSED_PERCENT: i64 = 5;
/// What the details of a service's readiness say when there is nothing to say.
const AS_EVER: [&str; 2] = ["running", "followed"];
/// A record that was tried so often is not only unlucky.
const ATTEMPTS_MIN: i32 = 3;
const RETRIES_MIN: i64 = 5;

/// What is to be made of what was seen.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// What needs a person, what is likely to be the cause of the rest first.
    pub(super) findings: Vec<Finding>,
    /// What is worth knowing.
    pub(super) notes: Vec<String>,
    /// What could not be seen, and why.
    pub(super) unknown: Vec<String>,
}

/// Something that needs a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) service: Option<&'static str>,
    pub(super) what: String,
    /// What to do.
    pub(super) next: Vec<String>,
}

impl Finding {
    /// With whose it is.
    pub(super) fn sentence(&self) -> String {
        match self.service {
            Some(service) => format!("{service}: {}", self.what),
            None => self.what.clone(),
        }
    }
}

impl Verdict {
    pub(super) fn is_well(&self) -> bool {
        self.findings.is_empty()
    }

    /// One sentence for all of it.
    pub(super) fn summary(&self) -> String {
        match (self.findings.as_slice(), self.unknown.len()) {
            ([], 0) => "All is well: the five services are ready and up to date.".to_owned(),
            ([], _) => {
                "Nothing is wrong as far as can be seen, but not all can be seen.".to_owned()
            }
            ([one], _) => format!("Something is wrong: {}.", one.sentence()),
            ([first, more @ ..], _) => {
                format!("Something is wrong: {}; and {} more.", first.sentence(), more.len())
            }
        }
    }

    fn finds(&mut self, service: impl Into<Option<&'static str>>, what: String, next: &[&str]) {
        let next = next.iter().map(ToString::to_string).collect();
        self.findings.push(Finding { service: service.into(), what, next });
    }

    fn notes(&mut self, service: &str, what: &str) {
        self.notes.push(format!("{service}: {what}"));
    }

    /// Takes note of what could not be seen; that five services share it is said once.
    fn cannot_see(&mut self, what: &str, service: &str, reason: &str) {
        let of_all = format!("{what}: {reason}");
        let mine = format!("{service}'s {of_all}");
        if let Some(other) = self.unknown.iter_mut().find(|other| other.ends_with(&of_all)) {
            *other = format!("several services' {of_all}");
        } else {
            self.unknown.push(mine);
        }
    }
}

pub(super) fn judge(facts: &Facts) -> Verdict {
    let mut verdict = Verdict::default();
    for service in &facts.services {
        locks(service, &mut verdict);
    }
    if nobody_answers(facts) {
        let addresses: Vec<&str> =
            facts.services.iter().map(|service| service.url.as_str()).collect();
        let what = format!("none of the five services answers ({})", addresses.join(", "));
        verdict.finds(None, what, &[
            "is this the machine, and are these the ports? ORDER_URL and so on say where they listen",
            "is the machine, or the network, up and not overloaded? uptime; then start the services",
        ]);
    } else {
        for service in &facts.services {
            answer(service, &mut verdict);
        }
    }
    misaddressed(facts, &mut verdict);
    for service in &facts.services {
        work(service, &mut verdict);
    }
    orders(facts, &mut verdict);
    letters(&facts.dead_letters, &mut verdict);
    for service in &facts.services {
        gaps(service, &mut verdict);
        calls(service, &mut verdict);
        circuits(service, &mut verdict);
    }
    unknown(facts, &mut verdict);
    verdict
}

fn old(since: Option<Timestamp>, limit: Duration) -> bool {
    since.is_some_and(|since| Timestamp::now().duration_since(since).unsigned_abs() > limit)
}

/// Who keeps others out of the database.
fn locks(service: &Service, verdict: &mut Verdict) {
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

/// What all have in common is said once.
fn nobody_answers(facts: &Facts) -> bool {
    let answers =
        |service: &Service| !matches!(service.health, Health::Silent { .. } | Health::Away { .. });
    !facts.services.iter().any(answers)
}

/// Whether it answers and is ready, and whether somebody reads for it.
fn answer(service: &Service, verdict: &mut Verdict) {
    let name = service.name;
    let reads = service.group.known().map(reading).unwrap_or_default();
    match &service.health {
        Health::Ready { .. } => {}
        Health::NotReady { reasons, .. } => {
            let reasons: Vec<String> =
                reasons.iter().map(|(part, reason)| format!("{part}: {reason}")).collect();
            let what = format!("is not ready ({}){reads}", reasons.join("; "));
            let locked = verdict.findings.iter().any(|one| one.service == Some(name));
            let next = if locked {
                "what holds its database up is named above"
            } else {
                "bring back what it names; the service then goes on by itself (docs/operations.md, \
                 \"A service is not ready\")"
            };
            verdict.finds(name, what, &[next]);
        }
        Health::Silent { within_s } => {
            let what = format!(
                "takes connections at {}, but does not answer within {within_s} s: its process is \
                 stopped or hangs{reads}",
                service.url
            );
            let look = format!(
                "ps -o pid,stat,etime -C {name}: T in STAT is a stopped process, kill -CONT PID"
            );
            let end = "otherwise kill -9 and start it again, which is safe at every moment";
            verdict.finds(name, what, &[&look, end]);
        }
        Health::Away { reason } => {
            let what = format!("nobody answers at {} ({reason}){reads}", service.url);
            let start = "start it; its last line in the log says why it ended".to_string();
            let set = format!("if it listens elsewhere, set {}_URL", name.to_uppercase());
            verdict.finds(name, what, &[&start, &set]);
        }
        Health::Odd { reason } => {
            let set = format!("set {}_URL to where the service listens", name.to_uppercase());
            verdict.finds(name, format!("{} {reason}{reads}", service.url), &[&set]);
        }
    }
}

/// Of a group without members.
fn reading(group: &Group) -> String {
    match (group.members, group.unread_since) {
        (0, Some(since)) => format!(
            "; nobody reads for it, and {} from {since:.0} on wait, for {}",
            some(group.unread, "record"),
            ago(since)
        ),
        (0, None) => "; nobody reads for it".to_owned(),
        _ => String::new(),
    }
}

/// A service that is ready has a member in its group, and a sign of life in its database; otherwise
/// what is looked at belongs to another fleet, as a rule for all services alike.
fn misaddressed(facts: &Facts, verdict: &mut Verdict) {
    let ready = |service: &&Service| matches!(service.health, Health::Ready { .. });
    let alone = |service: &&Service| service.group.known().is_some_and(|it| it.members == 0);
    let alone: Vec<&Service> = facts.services.iter().filter(ready).filter(alone).collect();
    if !alone.is_empty() {
        let waiting = alone.iter().find_map(|service| service.group.known()).map(reading);
        let what = format!(
            "{} ready, but nobody is in the consumer group{}",
            names(&alone),
            waiting.unwrap_or_default()
        );
        verdict.finds(None, what, &["is TOPIC_PREFIX the services'? otherwise restart them"]);
    }
    let dead = |service: &&Service| {
        let instances = service.database.known().and_then(|it| it.instances.known());
        instances == Some(&0)
    };
    let dead: Vec<&Service> = facts.services.iter().filter(ready).filter(dead).collect();
    if !dead.is_empty() {
        let variables: Vec<String> = dead.iter().map(|service| variable(service.name)).collect();
        let what = format!(
            "{} ready, but no instance is alive in what {} names",
            names(&dead),
            variables.join(", ")
        );
        let next = "do these databases, and the services that answer, belong to one fleet? otherwise \
                    restart them";
        verdict.finds(None, what, &[next]);
    }
}

/// Such as `order, payment: say that they are`.
fn names(services: &[&Service]) -> String {
    let names: Vec<&str> = services.iter().map(|service| service.name).collect();
    let say = if names.len() == 1 { "says that it is" } else { "say that they are" };
    format!("{}: {say}", names.join(", "))
}

/// `1 event`, `2 events`.
fn some(count: i64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Whether it publishes, reads, and gets on with what it reads.
fn work(service: &Service, verdict: &mut Verdict) {
    let name = service.name;
    let database = service.database.known();
    if let Some(outbox) = database.and_then(|it| it.outbox.known())
        && old(outbox.since, UNDER_WAY)
    {
        let since = outbox.since.map(ago).unwrap_or_default();
        let what =
            format!("cannot publish {}, the oldest for {since}", some(outbox.events, "event"));
        verdict.finds(name, what, &[
            "its log says what Kafka answers; if other services do publish, Kafka is there:",
            "farandole topics create --check shows quotas that hold clients back, and the topics",
        ]);
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

/// Orders that lapse in masses.
fn orders(facts: &Facts, verdict: &mut Verdict) {
    let Some(orders) = facts.orders.known() else { return };
    let lapsed = orders.timed_out();
    let ended = orders.completed + orders.cancelled.values().sum::<i64>();
    if lapsed >= LAPSED_MIN && lapsed * 100 >= ended * LAPSED_PERCENT {
        let what = format!(
            "{} cancelled in the last {} min because their time was up{}",
            if lapsed == 1 { "1 order was".to_owned() } else { format!("{lapsed} orders were") },
            orders.within_s / 60,
            waited(&orders.lapsed_waiting_for)
        );
        verdict.finds(None, what, &[
            "mend what is named above; what has lapsed stays cancelled (docs/operations.md, \"Orders \
             lapse in masses\")",
        ]);
    }
}

/// What lapsed orders waited for.
pub(super) fn waited(causes: &[(String, usize)]) -> String {
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

fn letters(letters: &Seen<Vec<Letters>>, verdict: &mut Verdict) {
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

fn gaps(service: &Service, verdict: &mut Verdict) {
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

fn calls(service: &Service, verdict: &mut Verdict) {
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
                "the call {} of {} cancelled orders is followed until the provider answers: \
                 farandole calls list",
                calls.step, calls.followed
            );
            verdict.notes(name, &what);
        }
    }
}

/// What a service says beside being ready or not.
fn circuits(service: &Service, verdict: &mut Verdict) {
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

fn unknown(facts: &Facts, verdict: &mut Verdict) {
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
