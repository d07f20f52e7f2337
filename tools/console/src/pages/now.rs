//! How the fleet is at the moment.

use askama::Template;
use cli::outcomes::Outcomes;
use cli::status::{Finding, Seen};
use cli::stuck::Stuck;
use projection::Board;

use super::orders::{self, End};
use super::services::{Row, row};
use super::{Frame, awaited, short};
use crate::draw::spark;
use crate::looks::Fleet;
use crate::words::{ago, doubt, now, some, thousands};

/// One sentence for all of it.
pub(crate) enum Sentence {
    /// Nothing is known yet.
    Asking,
    Well(String),
    /// Nothing is wrong, as far as can be seen.
    Blind(String),
    Wrong(String),
}

/// Orders that hang for the same.
pub(crate) struct Hanging {
    count: String,
    what: String,
    since: String,
    example: String,
    short: String,
}

/// How orders have ended lately.
pub(crate) struct Ends {
    minutes: u64,
    ends: Vec<End>,
}

#[derive(Template)]
#[template(path = "now.html")]
pub(crate) struct NowPage {
    pub(crate) frame: Frame,
    sentence: Sentence,
    findings: Vec<Finding>,
    hanging: Vec<Hanging>,
    flow: Option<Flow>,
    outcomes: Option<Ends>,
    rows: Vec<Row>,
    notes: Vec<String>,
    unknown: Vec<String>,
}

/// How orders go, as the read model counts them.
pub(crate) struct Flow {
    under_way: String,
    late: i64,
    doubt: String,
    /// What is said in each minute, and by whom: how often in the last whole one, and a picture of the hour.
    rates: Vec<(String, &'static str, String, String)>,
}

fn flow(board: &Board) -> Flow {
    let mut facts: Vec<&str> = board.flow.iter().map(|it| it.fact.event_type()).collect();
    facts.sort_by_key(|event| (declarations::fleet().depth(event), *event));
    facts.dedup();
    let rate = |event: &str| {
        let rates = board.per_minute(event, now());
        let last = rates.iter().rev().nth(1).copied().unwrap_or_default();
        let service = choreography::Fact::of_type(event).map_or("", |fact| fact.source().name());
        let last = thousands(usize::try_from(last).unwrap_or_default());
        (event.to_owned(), service, last, spark(event, &rates))
    };
    Flow {
        under_way: some(usize::try_from(board.under_way()).unwrap_or_default(), "order"),
        late: board.late_orders(),
        doubt: doubt(board).unwrap_or_default(),
        rates: facts.into_iter().map(rate).collect(),
    }
}

impl NowPage {
    pub(crate) fn new(
        frame: Frame,
        fleet: Option<&Fleet>,
        stuck: Option<&Stuck>,
        board: Option<&Board>,
    ) -> Self {
        let Some(Fleet { facts, verdict }) = fleet else {
            return Self {
                frame,
                sentence: Sentence::Asking,
                findings: Vec::new(),
                hanging: Vec::new(),
                flow: None,
                outcomes: None,
                rows: Vec::new(),
                notes: Vec::new(),
                unknown: Vec::new(),
            };
        };
        let hanging: Vec<Hanging> =
            stuck.iter().flat_map(|stuck| &stuck.groups).map(hanging).collect();
        let summary = verdict.summary();
        let hang = stuck.map_or(0, Stuck::all);
        let sentence = match (verdict.is_well(), hang) {
            (false, _) => Sentence::Wrong(summary),
            (true, 1..) => Sentence::Blind(format!("{} not go on.", hangs(hang))),
            (true, 0) if verdict.unknown.is_empty() => Sentence::Well(summary),
            (true, 0) => Sentence::Blind(summary),
        };
        Self {
            frame,
            sentence,
            findings: verdict.findings.clone(),
            hanging,
            flow: board.map(flow),
            outcomes: match &facts.orders {
                Seen::Known(outcomes) => Some(ends(outcomes)),
                _ => None,
            },
            rows: facts.services.iter().map(row).collect(),
            notes: verdict.notes.clone(),
            unknown: verdict.unknown.clone(),
        }
    }
}

fn hangs(orders: usize) -> String {
    format!("{} {}", some(orders, "order"), if orders == 1 { "does" } else { "do" })
}

fn hanging(group: &cli::stuck::Group) -> Hanging {
    let example = group.example.to_string();
    let waits = if group.orders == 1 { "waits" } else { "wait" };
    Hanging {
        count: some(group.orders, "order"),
        what: format!("{waits} for {}: it is {}'s move", awaited(&group.awaits), group.service),
        since: ago(group.since),
        short: short(&example).to_owned(),
        example,
    }
}

fn ends(outcomes: &Outcomes) -> Ends {
    let mut reasons: Vec<(&String, &i64)> = outcomes.cancelled.iter().collect();
    reasons.sort_by_key(|(reason, count)| (std::cmp::Reverse(**count), (*reason).clone()));
    let cancelled =
        reasons.into_iter().map(|(reason, count)| ("cancelled", reason.as_str(), *count));
    let all = std::iter::once(("completed", "", outcomes.completed)).chain(cancelled);
    let all = all.map(|(end, reason, count)| (end.to_owned(), reason.to_owned(), count));
    Ends { minutes: outcomes.within_s / 60, ends: orders::ends(all.collect()) }
}
