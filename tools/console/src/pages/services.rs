//! How the services are, and one of them.

use askama::Template;
use cli::status::{Finding, Health, Service};
use jiff::Timestamp;

use super::Frame;
use crate::looks::Fleet;
use crate::words::{ago, now, thousands};

/// What is on its way is no news: work that is younger than this has no age on the page, in seconds.
const NEWS_AFTER_S: i64 = 5;
/// Work that is older than this is late, in seconds.
const LATE_AFTER_S: i64 = 30;

/// A service in the table.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) state: &'static str,
    pub(crate) answers: String,
    pub(crate) cells: Vec<Cell>,
}

/// A number of the table.
pub(crate) struct Cell {
    /// The column's name, for where a table is a list.
    pub(crate) of: &'static str,
    pub(crate) text: String,
    /// How long that is so, where that matters.
    pub(crate) since: String,
    pub(crate) late: bool,
    /// Where more is told of it; empty if nowhere.
    pub(crate) href: &'static str,
}

/// How a service answers: a state, and words.
pub(crate) fn answer(health: &Health) -> (&'static str, String) {
    match health {
        Health::Ready { .. } => ("good", "ready".to_owned()),
        Health::NotReady { reasons, .. } => {
            let parts: Vec<&str> = reasons.keys().map(String::as_str).collect();
            ("stuck", format!("not ready: {}", parts.join(", ")))
        }
        Health::Silent { .. } => ("stuck", "does not answer".to_owned()),
        Health::Away { .. } => ("stuck", "is not there".to_owned()),
        Health::Odd { .. } => ("stuck", "something else answers".to_owned()),
    }
}

pub(crate) fn row(service: &Service) -> Row {
    let (state, answers) = answer(&service.health);
    let database = service.database.known();
    let outbox = database.and_then(|it| it.outbox.known());
    let retries = database.and_then(|it| it.retries.known());
    let calls = database.and_then(|it| it.calls.known());
    let gaps = database.and_then(|it| it.gaps.known());
    let group = service.group.known();
    let open = calls.map(|calls| calls.iter().map(|step| step.open).sum::<i64>());
    let oldest = calls.and_then(|calls| calls.iter().filter_map(|step| step.since).min());
    let failing = retries.map(|queue| queue.groups.iter().map(|group| group.records).sum::<i64>());
    let failing_since = retries.and_then(|it| it.groups.iter().filter_map(|it| it.first).min());
    let missing = gaps.map(|gaps| i64::try_from(gaps.len()).unwrap_or(i64::MAX));
    let instances = database.and_then(|it| it.instances.known()).copied();
    let mut members = cell("instances", instances, None);
    members.late = instances == Some(0);
    let numbers = vec![
        members,
        cell("unread", group.map(|it| it.unread), group.and_then(|it| it.unread_since)),
        cell("to publish", outbox.map(|it| it.events), outbox.and_then(|it| it.since)),
        cell("tried again", failing, failing_since),
        cell("calls open", open, oldest),
        Cell { late: missing.is_some_and(|it| it > 0), ..cell("missing", missing, None) },
    ];
    Row { name: service.name, state, answers, cells: numbers }
}

fn cell(of: &'static str, count: Option<i64>, since: Option<Timestamp>) -> Cell {
    let Some(count) = count else {
        let (text, since) = ("not seen".to_owned(), String::new());
        return Cell { of, text, since, late: false, href: "" };
    };
    let age = since.filter(|_| count > 0).map(|since| now().duration_since(since));
    let is_news = age.is_some_and(|age| age.as_secs() >= NEWS_AFTER_S);
    Cell {
        of,
        text: thousands(usize::try_from(count).unwrap_or_default()),
        since: since.filter(|_| is_news).map(ago).unwrap_or_default(),
        late: age.is_some_and(|age| age.as_secs() >= LATE_AFTER_S),
        href: match of {
            "missing" if count > 0 => "/gaps",
            "calls open" | "tried again" if count > 0 => "/calls",
            _ => "",
        },
    }
}

#[derive(Template)]
#[template(path = "service.html")]
pub(crate) struct ServicePage {
    pub(crate) frame: Frame,
    name: &'static str,
    about: String,
    owner: String,
    state: &'static str,
    sentence: String,
    findings: Vec<Finding>,
    rows: Vec<Row>,
    consumes: Vec<(String, String, String, String)>,
    details: Vec<(String, String)>,
}

impl ServicePage {
    /// `None` if there is no such service.
    pub(crate) fn new(frame: Frame, fleet: &Fleet, name: &str) -> Option<Self> {
        let declared = declarations::fleet().service(name)?;
        let service = fleet.facts.services.iter().find(|service| service.name == name)?;
        let (state, answers) = answer(&service.health);
        let mut details = vec![("listens on".to_owned(), service.url.clone())];
        details.extend(said(&service.health));
        let consumes = declared.consumes.iter().map(|it| {
            let within = match it.within_s {
                Some(seconds) => format!("{seconds} s"),
                None if it.may_linger => "any time".to_owned(),
                None => String::new(),
            };
            (it.event.clone(), it.from.clone(), it.leads_to.join(" or "), within)
        });
        Some(Self {
            frame,
            name: service.name,
            about: declared.about.clone(),
            owner: declared.owner.clone(),
            state,
            sentence: sentence(service, &answers),
            findings: of_service(&fleet.verdict.findings, name),
            rows: vec![row(service)],
            consumes: consumes.collect(),
            details,
        })
    }
}

fn of_service(findings: &[Finding], name: &str) -> Vec<Finding> {
    findings.iter().filter(|finding| finding.service == Some(name)).cloned().collect()
}

fn sentence(service: &Service, answers: &str) -> String {
    match &service.health {
        Health::Ready { .. } => format!("{} is ready.", service.name),
        Health::NotReady { reasons, .. } => {
            let reasons: Vec<String> =
                reasons.iter().map(|(part, reason)| format!("{part}: {reason}")).collect();
            format!("{} is not ready: {}", service.name, reasons.join("; "))
        }
        Health::Silent { within_s } => {
            format!("{} has not answered within {within_s} s.", service.name)
        }
        Health::Away { reason } => format!("{} is not there: {reason}.", service.name),
        Health::Odd { reason } => format!("{} {answers}: {reason}.", service.name),
    }
}

/// What it tells of itself, beside whether it is ready.
fn said(health: &Health) -> Vec<(String, String)> {
    let (Health::Ready { details } | Health::NotReady { details, .. }) = health else {
        return Vec::new();
    };
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Object(of) => {
            let parts: Vec<String> = of
                .iter()
                .map(|(name, value)| match value {
                    serde_json::Value::String(text) => format!("{name} {text}"),
                    other => format!("{name} {other}"),
                })
                .collect();
            parts.join(", ")
        }
        other => other.to_string(),
    };
    details.iter().map(|(name, value)| (name.clone(), text(value))).collect()
}
