//! Whether everything adds up, as an audit found it.

use askama::Template;
use cli::{AuditReport, Check};

use super::Frame;
use crate::looks::Glance;
use crate::words::{ago, clock, some};

pub(crate) struct CheckRow {
    state: &'static str,
    rule: &'static str,
    result: String,
    lines: Vec<String>,
    next: &'static str,
}

fn row(check: &Check) -> CheckRow {
    let (open, young) = (check.count - check.young, check.young);
    let state = match (open, check.always) {
        _ if check.unchecked => "late",
        (0, _) => "good",
        (_, true) => "stuck",
        (_, false) => "late",
    };
    let result = match (open, young) {
        (0, 0) if check.unchecked => "not checked".to_owned(),
        (0, 0) => String::new(),
        (0, young) => format!("{young} under way"),
        (open, _) if check.always => some(open, "violation"),
        (open, _) => format!("{open} open"),
    };
    let mut lines = check.lines.clone();
    let hidden = open - lines.len().min(open);
    if hidden > 0 {
        lines.push(format!("and {hidden} more"));
    }
    CheckRow { state, rule: check.rule, result, lines, next: check.next }
}

#[derive(Template)]
#[template(path = "books.html")]
pub(crate) struct BooksPage {
    pub(crate) frame: Frame,
    sentence: String,
    is_wrong: bool,
    is_under_way: bool,
    groups: Vec<(&'static str, &'static str, Vec<CheckRow>)>,
    notes: Vec<String>,
    unknown: Vec<String>,
}

impl BooksPage {
    pub(crate) fn new(frame: Frame, audit: &Glance<AuditReport>, is_under_way: bool) -> Self {
        let mut unknown: Vec<String> = audit
            .trouble
            .iter()
            .map(|why| format!("The last audit was broken off: {why}."))
            .collect();
        let Some(report) = &audit.seen else {
            let sentence = "Nobody has audited the books since the console was started.".to_owned();
            let (groups, notes) = (Vec::new(), Vec::new());
            let is_wrong = false;
            return Self { frame, sentence, is_wrong, is_under_way, groups, notes, unknown };
        };
        let violated = report.checks.iter().filter(|it| it.always && it.count > 0).count();
        let at = format!("as of {}, {} ago", clock(audit.at), ago(audit.at));
        let orders: usize = report.orders.iter().map(|(_, count)| count).sum();
        let of = format!("{} and {}", some(orders, "order"), some(report.events, "event"));
        let at_rest = report.checks.iter().filter(|it| !it.always && it.count > it.young).count();
        let sentence = match (violated, report.unknown.is_empty(), at_rest) {
            (1.., ..) => format!(
                "{} what always must: {at}.",
                if violated == 1 {
                    "1 thing is not".to_owned()
                } else {
                    format!("{violated} things are not")
                }
            ),
            (0, false, _) => format!("Everything adds up as far as could be seen, {at}."),
            (0, true, 0) => format!("Everything adds up: {of}, {at}."),
            (0, true, _) => {
                format!("What always must hold does: {of}, {at}. The fleet was not at rest.")
            }
        };
        unknown.extend(report.unknown.iter().cloned());
        let of = |always: bool| {
            let checks = report.checks.iter().filter(|check| check.always == always);
            checks.map(row).collect::<Vec<_>>()
        };
        let groups = vec![
            ("Always", "must hold at every moment, also under load", of(true)),
            ("At rest", "need not hold while something is in flight", of(false)),
        ];
        Self {
            frame,
            sentence,
            is_wrong: violated > 0,
            is_under_way,
            groups,
            notes: report.notes.clone(),
            unknown,
        }
    }
}

/// A form by which one is had made.
#[derive(Template)]
#[template(path = "audit.html")]
pub(crate) struct AuditPage {
    pub(crate) frame: Frame,
    pub(crate) forbidden: &'static str,
}
