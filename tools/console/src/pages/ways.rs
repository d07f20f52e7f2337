//! The ways that orders go: which events each has, how many orders, and how long they take.

use std::collections::BTreeSet;

use askama::Template;
use choreography::Fact;
use jiff::SignedDuration;
use projection::{Board, WayCount, stage};

use super::query::Query;
use super::{Frame, percent};
use crate::model::Missing;
use crate::words::{doubt, some, spell, thousands};

/// How many ways are told of one by one.
const WAYS_MAX: usize = 60;

/// A type of event, as a column.
pub(crate) struct Column {
    name: &'static str,
    service: &'static str,
}

pub(crate) struct WayRow {
    name: String,
    state: &'static str,
    orders: String,
    share: String,
    median: String,
    p99: String,
    /// For each column, whether the way has its event.
    has: Vec<bool>,
    href: String,
}

#[derive(Template)]
#[template(path = "ways.html")]
pub(crate) struct WaysPage {
    pub(crate) frame: Frame,
    sentence: String,
    missing: String,
    doubt: String,
    columns: Vec<Column>,
    ways: Vec<WayRow>,
    more: usize,
    /// How long each reaction takes: what is said, by whom, half of them, 99 of 100.
    reactions: Vec<(&'static str, &'static str, String, String, String)>,
}

impl WaysPage {
    pub(crate) fn new(frame: Frame, board: Result<&Board, &Missing>) -> Self {
        let known = board.ok();
        let at_rest: Vec<&WayCount> = known.into_iter().flat_map(Board::at_rest).collect();
        let columns = columns(&at_rest);
        let all: i64 = at_rest.iter().map(|count| count.orders).sum();
        let rows = at_rest.iter().take(WAYS_MAX).map(|count| row(count, &columns, all));
        let sentence = match at_rest.as_slice() {
            [] => "No order has come to its end within a day.".to_owned(),
            [_] => "All orders of the last day went one way.".to_owned(),
            [first, ..] => format!(
                "Orders of the last day went {} ways; {} of them went the most usual one.",
                thousands(at_rest.len()),
                percent(first.orders, all)
            ),
        };
        Self {
            frame,
            sentence,
            missing: board.err().map(Missing::sentence).unwrap_or_default(),
            doubt: known.and_then(doubt).unwrap_or_default(),
            ways: rows.collect(),
            more: at_rest.len().saturating_sub(WAYS_MAX),
            reactions: known.map(reactions).unwrap_or_default(),
            columns: columns
                .into_iter()
                .map(|fact| Column { name: fact.name(), service: fact.source().name() })
                .collect(),
        }
    }
}

/// The facts of these ways, in the order of the dance.
fn columns(ways: &[&WayCount]) -> Vec<Fact> {
    let facts: BTreeSet<Fact> = ways.iter().flat_map(|count| count.way.said.iter()).collect();
    let mut facts: Vec<Fact> = facts.into_iter().collect();
    facts.sort_by_key(|fact| (declarations::fleet().depth(fact.event_type()), *fact));
    facts
}

fn quantile(count: &WayCount, share: f64) -> String {
    let told = count.took.quantile(share);
    told.map(|it| spell(SignedDuration::try_from(it).unwrap_or_default())).unwrap_or_default()
}

fn row(count: &WayCount, columns: &[Fact], all: i64) -> WayRow {
    let stage = stage(count.way.said);
    let end = stage.end();
    let name = match count.reason.as_str() {
        "" => end.to_owned(),
        reason => format!("{end}: {}", reason.replace('_', " ")),
    };
    let reason = Some(count.reason.clone()).filter(|reason| !reason.is_empty());
    WayRow {
        name,
        state: if end == "completed" { "good" } else { "open" },
        orders: thousands(usize::try_from(count.orders).unwrap_or_default()),
        share: percent(count.orders, all),
        median: quantile(count, 0.5),
        p99: quantile(count, 0.99),
        has: columns.iter().map(|fact| count.way.said.has(*fact)).collect(),
        href: Query { way: Some(count.way.number), reason, ..Query::default() }.address(),
    }
}

fn reactions(board: &Board) -> Vec<(&'static str, &'static str, String, String, String)> {
    let mut facts: Vec<_> = board.usual.iter().filter(|(_, took)| took.total() > 0).collect();
    facts.sort_by_key(|(fact, _)| (declarations::fleet().depth(fact.event_type()), **fact));
    facts
        .into_iter()
        .map(|(fact, took)| {
            let at = |share| {
                let took = took.quantile(share).unwrap_or_default();
                spell(SignedDuration::try_from(took).unwrap_or_default())
            };
            let times = usize::try_from(took.total()).unwrap_or_default();
            (fact.name(), fact.source().name(), at(0.5), at(0.99), some(times, "time"))
        })
        .collect()
}
