use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::process::ExitCode;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::text::{ago, letters, shortened};
use crate::connections::Connections;
use crate::print::{one_line, print, print_json};
use crate::recovery::{Archive, Filter, Letter, LetterId, State};
use crate::table::table;

/// How much of a cause a table shows.
const CAUSE_WIDTH: usize = 70;

#[derive(clap::Args)]
pub(crate) struct List {
    /// What letters of a service have in common to be counted together
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = GroupBy::Cause)]
    group_by: GroupBy,
    /// Also those about which something was done
    #[arg(long)]
    all: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    filter: Filter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum GroupBy {
    /// Why they failed last, without ids and numbers
    Cause,
    /// The type of event
    Type,
    /// Nothing but the service
    Service,
    /// Each letter by itself
    None,
}

/// Letters that have something in common.
#[derive(Debug, Serialize)]
struct Group {
    service: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    types: BTreeSet<String>,
    /// Of the open letters of one cause it is the group's condition.
    state: &'static str,
    #[serde(skip)]
    is_open: bool,
    count: usize,
    oldest: Timestamp,
    newest: Timestamp,
    example: LetterId,
}

pub(crate) async fn run(list: List, connections: &Connections) -> anyhow::Result<ExitCode> {
    let now = Timestamp::now();
    let (services, since) = (list.filter.services(), list.filter.since(now));
    let archive = Archive::read(connections, &services, since).await?;
    let found: Vec<(&Letter, State<'_>)> = archive
        .letters()
        .filter(|(letter, state)| (list.all || state.is_open()) && list.filter.fits(letter, now))
        .collect();
    let open = found.iter().filter(|(_, state)| state.is_open()).count();
    if list.json {
        print_json(&match list.group_by {
            GroupBy::None => json!({ "open": open, "letters": each(&found) }),
            by => json!({ "open": open, "groups": groups(&found, by, &archive, now) }),
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    let summary = summary(&list.filter, &found, open);
    if found.is_empty() {
        print(&summary)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = match list.group_by {
        GroupBy::None => rows(&found, now),
        by => group_rows(&groups(&found, by, &archive, now), now),
    };
    print(&format!("{rows}\n\n{summary}"))?;
    Ok(ExitCode::SUCCESS)
}

fn groups(
    found: &[(&Letter, State<'_>)],
    by: GroupBy,
    archive: &Archive,
    now: Timestamp,
) -> Vec<Group> {
    let conditions: HashMap<(String, String), &str> = archive
        .groups(now)
        .into_iter()
        .map(|group| ((group.service.to_owned(), group.cause), group.condition.name()))
        .collect();
    let state_of = |letter: &Letter, state: &State<'_>, cause: Option<&String>| {
        let key = cause.filter(|_| state.is_open());
        let key = key.map(|cause| (letter.id.service.clone(), cause.clone()));
        key.and_then(|key| conditions.get(&key)).copied().unwrap_or(state.name())
    };
    let mut groups: BTreeMap<_, Group> = BTreeMap::new();
    for (letter, state) in found {
        let event_type = letter.event_type().unwrap_or("-").to_owned();
        let cause = (by == GroupBy::Cause).then(|| letter.cause());
        let grouped_type = (by == GroupBy::Type).then(|| event_type.clone());
        let state_name = state_of(letter, state, cause.as_ref());
        let key = (letter.id.service.clone(), cause.clone(), grouped_type, state_name);
        let group = groups.entry(key).or_insert_with(|| Group {
            service: letter.id.service.clone(),
            cause,
            types: BTreeSet::new(),
            state: state_name,
            is_open: state.is_open(),
            count: 0,
            oldest: letter.died_at,
            newest: letter.died_at,
            example: letter.id.clone(),
        });
        group.types.insert(event_type);
        group.count += 1;
        group.newest = letter.died_at;
        group.example = letter.id.clone();
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    // Those that are most first; they matter most.
    groups.sort_by_key(|group| (!group.is_open, std::cmp::Reverse(group.count)));
    groups
}

fn group_rows(groups: &[Group], now: Timestamp) -> String {
    let header = ["SERVICE", "LETTERS", "STATE", "CAUSE", "TYPES", "OLDEST", "NEWEST", "EXAMPLE"];
    let row = |group: &Group| {
        let types: Vec<&str> = group.types.iter().map(String::as_str).collect();
        [
            group.service.clone(),
            group.count.to_string(),
            group.state.to_owned(),
            group
                .cause
                .as_ref()
                .map_or_else(|| "(any)".to_owned(), |it| shortened(&one_line(it), CAUSE_WIDTH)),
            types.join(","),
            ago(group.oldest, now),
            ago(group.newest, now),
            group.example.to_string(),
        ]
    };
    table(header, groups.iter().map(row))
}

fn rows(found: &[(&Letter, State<'_>)], now: Timestamp) -> String {
    let row = |(letter, state): &(&Letter, State<'_>)| {
        let errors = letter.errors();
        let error = one_line(errors.last().map_or("", String::as_str));
        [
            letter.id.to_string(),
            state.name().to_owned(),
            letter.event_type().unwrap_or("-").to_owned(),
            letter.order().map_or_else(|| "-".to_owned(), |order| order.to_string()),
            letter.attempts().map_or_else(|| "-".to_owned(), |attempts| attempts.to_string()),
            ago(letter.died_at, now),
            shortened(&error, CAUSE_WIDTH),
        ]
    };
    let header = ["LETTER", "STATE", "TYPE", "ORDER", "ATTEMPTS", "DIED", "ERROR"];
    table(header, found.iter().map(row))
}

fn each(found: &[(&Letter, State<'_>)]) -> Vec<serde_json::Value> {
    let one = |(letter, state): &(&Letter, State<'_>)| {
        json!({
            "letter": letter.id,
            "state": state.name(),
            "type": letter.event_type(),
            "event_id": letter.event_id(),
            "order_id": letter.order(),
            "attempts": letter.attempts(),
            "died_at": letter.died_at,
            "cause": letter.cause(),
            "error": letter.errors().last(),
        })
    };
    found.iter().map(one).collect()
}

/// How many, and what to do next.
fn summary(filter: &Filter, found: &[(&Letter, State<'_>)], open: usize) -> String {
    let words = filter.words();
    let Some((example, _)) = found.iter().rev().find(|(_, state)| state.is_open()) else {
        let fitting = if words.is_empty() { "" } else { " that fits" };
        return format!("No dead letter{fitting} is open. What was done: farandole dlq log");
    };
    let all = if words.is_empty() { "--all-open" } else { &words };
    let are = if open == 1 { "is" } else { "are" };
    format!(
        "{} {are} open. Next: farandole dlq show {}\n  or: farandole dlq redrive {all} --dry-run",
        letters(open),
        example.id,
    )
}
