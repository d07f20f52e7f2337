//! What operators do and have done about letters, calls and orders.

use askama::Template;
use cli::recovery::{Archive, Kind, Operation};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Frame;
use crate::acts::{Doing, MANY, Plan, Wanted};
use crate::words::{ago, clock, some};

/// How many operations are listed.
const LISTED_MAX: usize = 100;

/// A form, with what would be done.
#[derive(Template)]
#[template(path = "act.html")]
pub(crate) struct ActPage {
    pub(crate) frame: Frame,
    sentence: String,
    /// Why it was not done, if it was tried.
    objection: String,
    /// Why whoever looks may not.
    forbidden: String,
    wanted: Wanted,
    letter: String,
    service: String,
    cause: String,
    plan: Plan,
    operation: Uuid,
    button: &'static str,
    is_redrive: bool,
    is_many: bool,
    canary: u32,
    rate: u32,
}

impl ActPage {
    pub(crate) fn new(
        frame: Frame,
        wanted: Wanted,
        plan: Plan,
        objection: Option<String>,
        forbidden: Option<&'static str>,
    ) -> Self {
        let is_redrive = wanted.kind() == Some(Kind::Redrive);
        let letters = some(plan.letters, "letter");
        let letters = match plan.orders {
            0 => letters,
            orders => format!("{letters} of {}", some(orders, "order")),
        };
        let (sentence, button) = match wanted.kind() {
            Some(Kind::Redrive) => {
                (format!("{letters} would be put back, for the service that failed."), "Put back")
            }
            Some(Kind::Discard) => (
                format!("{letters} would stay dead. Nothing is deleted, and it can be undone."),
                "Leave dead",
            ),
            Some(Kind::Silence) => (
                format!(
                    "{letters} would be silenced: they stay open, and nobody is called until there is one \
                     more of their kind."
                ),
                "Silence",
            ),
            Some(Kind::Unsilence) => {
                (format!("{letters} would be silenced no more."), "End the silence")
            }
            _ => (format!("{letters} would be open again."), "Open again"),
        };
        Self {
            frame,
            sentence,
            objection: objection.unwrap_or_default(),
            forbidden: forbidden.unwrap_or_default().to_owned(),
            letter: wanted.letter.clone().unwrap_or_default(),
            service: wanted.service.clone().unwrap_or_default(),
            cause: wanted.cause.clone().unwrap_or_default(),
            // One and the same form is taken once.
            operation: wanted.operation.unwrap_or_else(Uuid::now_v7),
            button,
            is_redrive,
            is_many: plan.letters > MANY,
            canary: wanted.canary.unwrap_or(if plan.letters > 1 { 3 } else { 0 }),
            rate: wanted.rate.unwrap_or(50),
            wanted,
            plan,
        }
    }
}

/// An operation, whoever has begun it.
pub(crate) struct Row {
    id: String,
    what: &'static str,
    asked_for: String,
    by: String,
    reason: String,
    at: String,
    done: String,
    outcome: String,
    state: &'static str,
}

fn row(operation: &Operation) -> Row {
    let began = &operation.began;
    let ended = operation.ended.as_ref();
    Row {
        id: began.operation.to_string(),
        what: began.kind.name(),
        asked_for: began.asked_for.clone(),
        by: began.by.clone(),
        reason: began.reason.clone().unwrap_or_default(),
        at: format!("{} ({} ago)", clock(began.at), ago(began.at)),
        done: format!("{} of {}", operation.done, began.letters),
        outcome: ended.map_or_else(
            || "under way, or interrupted: the same command goes on with it".to_owned(),
            |ended| ended.outcome.clone(),
        ),
        state: match ended {
            None => "late",
            Some(_) if operation.done == began.letters => "good",
            Some(_) => "open",
        },
    }
}

#[derive(Template)]
#[template(path = "operations.html")]
pub(crate) struct OperationsPage {
    pub(crate) frame: Frame,
    sentence: String,
    operations: Vec<Row>,
}

impl OperationsPage {
    pub(crate) fn new(frame: Frame, archive: Option<&Archive>) -> Self {
        let all = archive.map(|archive| archive.log.operations());
        let sentence = match all.map(<[Operation]>::len) {
            None => "Reading what operators did …".to_owned(),
            Some(0) => {
                "Nobody has put anything back, discarded or decided anything yet.".to_owned()
            }
            Some(count) => format!("{} so far, the newest first.", some(count, "operation")),
        };
        let newest = all.into_iter().flatten().rev().take(LISTED_MAX);
        Self { frame, sentence, operations: newest.map(row).collect() }
    }
}

#[derive(Template)]
#[template(path = "operation.html")]
pub(crate) struct OperationPage {
    pub(crate) frame: Frame,
    sentence: String,
    is_under_way: bool,
    is_bad: bool,
    facts: Vec<(&'static str, String)>,
    /// In twentieths.
    share: usize,
}

impl OperationPage {
    /// Of one that was begun here, or that is in the log; `None` if it is neither.
    pub(crate) fn new(
        frame: Frame,
        doing: Option<&Doing>,
        operation: Option<&Operation>,
    ) -> Option<Self> {
        let Some(doing) = doing else {
            let row = row(operation?);
            let facts = vec![
                ("by", row.by),
                ("why", row.reason),
                ("asked for", row.asked_for),
                ("began", row.at),
                ("done", row.done),
            ];
            let is_under_way = operation?.ended.is_none();
            let sentence = format!("{}: {}.", row.what, row.outcome);
            return Some(Self { frame, sentence, is_under_way, is_bad: false, facts, share: 0 });
        };
        let progress = doing.progress();
        let began = &doing.began;
        let what = began.kind.name();
        let (sentence, is_bad) = match &progress.outcome {
            None => (format!("{what}: {}.", progress.phase), false),
            Some(ending) => (format!("{what}: {}.", ending.sentence), !ending.is_good),
        };
        let letters = began.letters;
        let facts = vec![
            ("by", began.by.clone()),
            ("why", began.reason.clone().unwrap_or_default()),
            ("asked for", began.asked_for.clone()),
            ("began", format!("{} ({} ago)", clock(began.at), ago(began.at))),
            ("done", format!("{} of {letters}", progress.put_back)),
        ];
        let share = (progress.put_back * 20).checked_div(letters).unwrap_or(20).min(20);
        let is_under_way = progress.outcome.is_none();
        Some(Self { frame, sentence, is_under_way, is_bad, facts, share })
    }
}

/// The same, for programs.
pub(crate) fn operation_as_json(
    doing: Option<&Doing>,
    operation: Option<&Operation>,
) -> Option<Value> {
    let began = doing.map(|doing| &doing.began).or(operation.map(|it| &it.began))?;
    Some(json!({
        "operation": began.operation,
        "kind": began.kind.name(),
        "at": began.at,
        "by": began.by,
        "reason": began.reason,
        "asked_for": began.asked_for,
        "letters": began.letters,
        "progress": doing.map(Doing::progress),
        "logged": operation.map(|it| json!({
            "done": it.done,
            "ended_at": it.ended.as_ref().map(|ended| ended.at),
            "outcome": it.ended.as_ref().map(|ended| ended.outcome.clone()),
        })),
    }))
}
