//! All orders: whose move it is, how they ended, which hang; and a list.

use std::collections::BTreeSet;
use std::time::Duration;

use askama::Template;
use cli::stuck::Stuck;
use jiff::SignedDuration;
use projection::{Board, Row, Waiting, stage};

use super::query::Query;
use super::{Frame, awaited, short};
use crate::model::Missing;
use crate::words::{ago, clock, doubt, some, spell, thousands};

/// How many orders a page lists.
pub(crate) const LISTED: u16 = 50;
/// How many newer ones are counted.
pub(crate) const NEWER_MAX: u16 = 100;

/// Orders that hang for the same.
pub(crate) struct GroupRow {
    service: &'static str,
    awaits: String,
    orders: String,
    since: String,
    last: String,
    example: String,
    short: String,
}

/// The orders whose move is a service's.
pub(crate) struct Column {
    name: &'static str,
    href: String,
    orders: String,
    late: i64,
    oldest: String,
    /// Widths in twentieths: of those who wait less than 1 s, 10 s, 1 min, 10 min, and longer.
    ages: Vec<(usize, &'static str)>,
}

/// One way to end.
pub(crate) struct End {
    pub(crate) href: String,
    pub(crate) name: String,
    pub(crate) orders: String,
    pub(crate) state: &'static str,
    /// In twentieths of all.
    pub(crate) share: usize,
}

/// An order in the list.
pub(crate) struct OrderRow {
    id: String,
    short: String,
    placed: String,
    state: &'static str,
    stage: String,
    moves: Vec<(&'static str, String)>,
    since: String,
    usual: String,
    is_late: bool,
    total: String,
    way: i32,
}

/// What the list shows.
#[derive(Default)]
pub(crate) struct List {
    pub(crate) rows: Vec<Row>,
    /// How many came since the first of them.
    pub(crate) newer: usize,
    /// Whether there are more.
    pub(crate) goes_on: bool,
}

#[derive(Template)]
#[template(path = "orders.html")]
pub(crate) struct OrdersPage {
    pub(crate) frame: Frame,
    sentence: String,
    is_late: bool,
    missing: String,
    doubt: String,
    groups: Vec<GroupRow>,
    columns: Vec<Column>,
    ends: Vec<End>,
    tabs: Vec<(String, String, bool)>,
    chips: Vec<(String, String)>,
    orders: Vec<OrderRow>,
    newer: String,
    older: String,
    newest: String,
    orphans: Vec<(String, String)>,
}

impl OrdersPage {
    pub(crate) fn new(
        frame: Frame,
        stuck: Option<&Stuck>,
        board: Result<&Board, &Missing>,
        list: &List,
        query: &Query,
    ) -> Self {
        let orphans = stuck.into_iter().flat_map(|stuck| &stuck.orphans).map(|orphan| {
            let known: Vec<String> = orphan
                .known_by
                .iter()
                .map(|(service, status)| format!("{service}: {status}"))
                .collect();
            (orphan.order_id.to_string(), known.join(", "))
        });
        let known = board.ok();
        let late = known.map_or(0, Board::late_orders);
        let first = Query { after: None, upto: None, ..query.clone() };
        let older = list.rows.last().filter(|_| list.goes_on);
        let older = older.map(|row| Query { after: Some(row.id), ..query.clone() }.address());
        let newest = query.after.is_some().then(|| first.address());
        Self {
            frame,
            sentence: sentence(known, stuck),
            is_late: late > 0 || stuck.is_some_and(|stuck| stuck.all() > 0),
            missing: board.err().map(Missing::sentence).unwrap_or_default(),
            doubt: known.and_then(doubt).unwrap_or_default(),
            groups: stuck.into_iter().flat_map(groups).collect(),
            columns: known.map(columns).unwrap_or_default(),
            ends: known.map(|board| ends(board.ends())).unwrap_or_default(),
            tabs: tabs(query, known),
            chips: query.chips(),
            orders: list.rows.iter().map(|row| order(row, known)).collect(),
            newer: match list.newer {
                0 => String::new(),
                newer if newer >= usize::from(NEWER_MAX) => format!("more than {newer} new orders"),
                newer => some(newer, "new order"),
            },
            older: older.unwrap_or_default(),
            newest: newest.unwrap_or_else(|| first.address()),
            orphans: orphans.collect(),
        }
    }
}

fn sentence(board: Option<&Board>, stuck: Option<&Stuck>) -> String {
    let hang = stuck.map_or(0, Stuck::all);
    let hangs = match hang {
        0 => String::new(),
        1 => " 1 has not changed for a minute.".to_owned(),
        _ => format!(" {} have not changed for a minute.", thousands(hang)),
    };
    let Some(board) = board else {
        return match (stuck, hang) {
            (None, _) => "Looking for orders that hang …".to_owned(),
            (Some(_), 0) => {
                "No order hangs: each has changed within the last minute, or waits for \
                             nothing."
                    .to_owned()
            }
            (Some(_), 1) => "1 order has not changed for a minute.".to_owned(),
            (Some(_), _) => format!("{} have not changed for a minute.", some(hang, "order")),
        };
    };
    let count = |count: i64| usize::try_from(count).unwrap_or_default();
    let (under_way, late) = (count(board.under_way()), count(board.late_orders()));
    match (under_way, late) {
        (0, _) => format!("No order is under way.{hangs}"),
        (1, 0) => format!("1 order is under way, and not late.{hangs}"),
        (_, 0) => format!("{} are under way, and none is late.{hangs}", some(under_way, "order")),
        (1, _) => format!("1 order is under way, and late.{hangs}"),
        (_, _) => {
            let late = thousands(late);
            format!("{} are under way, {late} of them late.{hangs}", some(under_way, "order"))
        }
    }
}

fn groups(stuck: &Stuck) -> impl Iterator<Item = GroupRow> {
    stuck.groups.iter().map(|group| {
        let example = group.example.to_string();
        GroupRow {
            service: group.service,
            awaits: awaited(&group.awaits),
            orders: thousands(group.orders),
            since: ago(group.since),
            last: ago(group.last),
            short: short(&example).to_owned(),
            example,
        }
    })
}

/// How many twentieths that is of all; one at least if it is any.
fn twentieths(part: i64, of: i64) -> usize {
    let share = usize::try_from(part * 20 / of.max(1)).unwrap_or_default();
    share.max(usize::from(part > 0)).min(20)
}

fn columns(board: &Board) -> Vec<Column> {
    let waiting = board.waiting();
    let fleet = declarations::fleet().names().filter(|name| {
        choreography::Service::named(name).is_some_and(choreography::Service::is_awaited)
            || waiting.contains_key(name)
    });
    let nothing = Waiting::default();
    let column = |name: &'static str| {
        let Waiting { orders, late, oldest_s, ages } = waiting.get(name).unwrap_or(&nothing);
        let states = ["fresh", "fresh", "soft", "aged", "old"];
        let ages = ages.iter().zip(states).map(|(age, state)| (twentieths(*age, *orders), state));
        let query = Query { service: Some(name.to_owned()), ..Query::default() };
        Column {
            name,
            href: query.address(),
            orders: thousands(usize::try_from(*orders).unwrap_or_default()),
            late: *late,
            oldest: match orders {
                0 => "nothing waits".to_owned(),
                _ if *oldest_s < 1.0 => "since a moment".to_owned(),
                _ => format!("the first for {}", seconds(*oldest_s)),
            },
            ages: ages.filter(|(width, _)| *width > 0).collect(),
        }
    };
    fleet.chain(waiting.contains_key("nobody").then_some("nobody")).map(column).collect()
}

fn seconds(seconds: f64) -> String {
    spell(SignedDuration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default())
}

/// How so many orders ended: how, why, and how many.
pub(crate) fn ends(all: Vec<(String, String, i64)>) -> Vec<End> {
    let total: i64 = all.iter().map(|(_, _, orders)| orders).sum();
    let end = |(end, reason, orders): (String, String, i64)| {
        let state = match (end.as_str(), reason.as_str()) {
            ("completed", _) => "good",
            (_, "timed_out") => "late",
            _ => "open",
        };
        let name = match reason.as_str() {
            "" => end.clone(),
            reason => format!("{end}: {}", reason.replace('_', " ")),
        };
        let reason = Some(reason).filter(|reason| !reason.is_empty());
        End {
            href: Query { end: Some(end), reason, ..Query::default() }.address(),
            name,
            orders: thousands(usize::try_from(orders).unwrap_or_default()),
            state,
            share: twentieths(orders, total),
        }
    };
    all.into_iter().map(end).collect()
}

/// What is asked for most: all of it, what is under way or late, and how orders end here.
fn tabs(query: &Query, board: Option<&Board>) -> Vec<(String, String, bool)> {
    let only = |only: Option<&str>, end: Option<&str>| Query {
        only: only.map(str::to_owned),
        end: end.map(str::to_owned),
        ..Query::default()
    };
    let current = Query { after: None, upto: None, ..query.clone() };
    let mut tabs = vec![
        ("All".to_owned(), only(None, None)),
        ("Under way".to_owned(), only(Some("open"), None)),
        ("Late".to_owned(), only(Some("late"), None)),
    ];
    let ends = board.into_iter().flat_map(Board::ends).map(|(end, ..)| end);
    let ends: BTreeSet<String> = ends.chain(query.end.clone()).collect();
    tabs.extend(ends.into_iter().rev().map(|end| (capital(&end), only(None, Some(&end)))));
    tabs.into_iter().map(|(name, tab)| (name, tab.address(), tab == current)).collect()
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

fn order(row: &Row, board: Option<&Board>) -> OrderRow {
    let id = row.id.to_string();
    let stage = stage(row.way.said);
    let reason = row.reason.as_ref().map(|reason| format!(": {}", reason.replace('_', " ")));
    // As far as the topics were read: who is behind does not take others to be late.
    let as_of = board.and_then(|board| board.reading.as_of).unwrap_or(row.moved);
    let waited = as_of.duration_since(row.moved);
    let usual = board.and_then(|board| board.usual_p99(stage.next.iter()));
    let late = board.into_iter().flat_map(Board::late_after);
    let late: Option<Duration> =
        late.filter(|late| late.way == row.way.number).map(|late| late.after).next();
    let is_late = !stage.is_at_rest
        && late.is_some_and(|late| waited > SignedDuration::try_from(late).unwrap_or_default());
    let moves = stage.moves.iter().map(|it| (it.service, super::awaited(&it.awaits)));
    let mark = match (stage.is_at_rest, stage.end(), is_late) {
        (true, "completed", _) => "good",
        (false, _, true) => "late",
        _ => "open",
    };
    OrderRow {
        short: short(&id).to_owned(),
        id,
        placed: clock(row.began),
        state: mark,
        stage: format!("{}{}", stage.end(), reason.unwrap_or_default()),
        moves: moves.collect(),
        since: if stage.is_at_rest { String::new() } else { spell(waited) },
        usual: match usual {
            Some(usual) if !stage.is_at_rest => {
                format!("usually {}", spell(SignedDuration::try_from(usual).unwrap_or_default()))
            }
            _ => String::new(),
        },
        is_late,
        total: row.total.as_ref().map(ToString::to_string).unwrap_or_default(),
        way: row.way.number,
    }
}
