//! Dead letters: what services could not process, by cause.

use std::collections::BTreeSet;

use askama::Template;
use cli::recovery::{Archive, Condition, Group, Letter, State};
use contracts::dead_letter_headers as dead;
use jiff::Timestamp;

use super::Frame;
use super::content::{ContentSheet, Reveal, round};
use crate::words::{ago, clock, now, some};

/// How many letters of a group are listed.
const LISTED_MAX: usize = 50;
/// How much of a cause stands in a command line.
const CAUSE_WORDS: usize = 60;

pub(crate) struct GroupSheet {
    service: String,
    types: String,
    cause: String,
    counts: String,
    first: String,
    last: String,
    command: String,
    /// What can be done about it, and where.
    acts: Vec<(String, &'static str)>,
    shown: String,
    letters: Vec<(String, String, String, &'static str, String)>,
    /// How it is with them as a whole, how that looks, and what it means.
    condition: &'static str,
    state: &'static str,
    hint: &'static str,
}

#[derive(Template)]
#[template(path = "letters.html")]
pub(crate) struct LettersPage {
    pub(crate) frame: Frame,
    sentence: String,
    open: usize,
    groups: Vec<GroupSheet>,
}

impl LettersPage {
    pub(crate) fn new(frame: Frame, archive: Option<&Archive>) -> Self {
        let Some(archive) = archive else {
            let sentence = "Reading the dead letters …".to_owned();
            return Self { frame, sentence, open: 0, groups: Vec::new() };
        };
        let groups = archive.groups(now());
        let open = |is_silent: bool| -> usize {
            let groups = groups.iter();
            let groups = groups.filter(|it| (it.condition == Condition::Silent) == is_silent);
            groups.map(Group::open).sum()
        };
        let (open, silent) = (open(false), open(true));
        let mut sentence = match (open, groups.len()) {
            (0, 0) => "There are no dead letters: whatever came was processed.".to_owned(),
            (0, _) if silent > 0 => "No dead letter needs anybody now.".to_owned(),
            (0, _) => "No dead letter is open: something was done about each.".to_owned(),
            (1, _) => "1 dead letter is open.".to_owned(),
            (open, _) => format!("{} are open.", some(open, "dead letter")),
        };
        if silent > 0 {
            let more = if open > 0 { " more" } else { "" };
            let is = if silent == 1 { "is" } else { "are" };
            sentence = format!("{sentence} {silent}{more} {is} silenced.");
        }
        let groups = groups.into_iter().map(sheet).collect();
        Self { frame, sentence, open, groups }
    }
}

fn sheet(group: Group<'_>) -> GroupSheet {
    let open = group.open();
    let Group { service, cause, letters: all, condition } = group;
    let service = service.to_owned();
    let died = || all.iter().map(|(letter, _)| letter.died_at);
    let types: BTreeSet<&str> = all
        .iter()
        .map(|(letter, _)| letter.event_type().unwrap_or("a record without a type"))
        .collect();
    let (first, newest) = (died().min().unwrap_or_default(), died().max().unwrap_or_default());
    let mut words: String = cause.chars().take(CAUSE_WORDS).collect();
    if words.len() < cause.len() {
        // Whole words: what stands for what is masked is one.
        words.truncate(words.rfind(' ').unwrap_or(words.len()));
    }
    let quoted = words.replace('\'', r"'\''");
    let listed = all.iter().rev().take(LISTED_MAX).map(|(letter, state)| {
        (
            letter.id.to_string(),
            letter.event_type().unwrap_or("a record without a type").to_owned(),
            letter.order().map(|order| order.to_string()).unwrap_or_default(),
            if state.is_open() { "stuck" } else { "open" },
            ago(letter.died_at),
        )
    });
    let shown = if all.len() > LISTED_MAX {
        format!("The newest {LISTED_MAX} of {}", all.len())
    } else {
        some(all.len(), "letter")
    };
    GroupSheet {
        types: types.into_iter().collect::<Vec<_>>().join(", "),
        counts: format!("{open} open of {}", all.len()),
        first: ago(first),
        last: ago(newest),
        condition: condition.name(),
        state: match condition {
            Condition::CameBack | Condition::New | Condition::Open => "stuck",
            Condition::PuttingBack => "late",
            Condition::Silent | Condition::Closed => "open",
        },
        hint: match condition {
            Condition::CameBack => {
                "letters of this kind were dealt with before, and there are some again"
            }
            Condition::New => "the first died within the last hour",
            Condition::PuttingBack => "somebody is at it",
            Condition::Silent => "nobody is called until there is one more",
            Condition::Open | Condition::Closed => "",
        },
        acts: if open > 0 { of_cause(&service, &cause, condition) } else { Vec::new() },
        command: format!("farandole dlq redrive --service {service} --cause '{quoted}' --dry-run"),
        shown,
        letters: listed.collect(),
        service,
        cause,
    }
}

/// Where letters are put back, or left dead.
fn of_cause(service: &str, cause: &str, condition: Condition) -> Vec<(String, &'static str)> {
    let silence = match condition {
        Condition::Silent => ("unsilence", "End the silence …"),
        _ => ("silence", "Silence …"),
    };
    [("redrive", "Put back …"), ("discard", "Leave dead …"), silence]
        .map(|(what, words)| {
            (address(&[("do", what), ("service", service), ("cause", cause)]), words)
        })
        .to_vec()
}

fn address(query: &[(&str, &str)]) -> String {
    format!("/act?{}", serde_urlencoded::to_string(query).unwrap_or_default())
}

/// What can be done about a letter in this state, and where.
fn of_letter(id: &str, state: &State<'_>) -> Vec<(String, &'static str)> {
    let acts: &[(&str, &'static str)] = match state {
        State::Open => &[("redrive", "Put back …"), ("discard", "Leave dead …")],
        State::Discarded(_) => &[("undiscard", "Open again …")],
        State::Redriven { .. } | State::CopyOf(_) => &[],
    };
    acts.iter().map(|(what, words)| (address(&[("do", what), ("letter", id)]), *words)).collect()
}

/// Why it failed, and when. Of many errors the letter has the first and the latest.
fn tries(letter: &Letter) -> Vec<(String, String)> {
    let time = |name: &str| {
        let at = letter.header(name)?.parse::<Timestamp>().ok()?;
        Some(format!("at {}", clock(at)))
    };
    let errors = letter.errors();
    let last = errors.len().saturating_sub(1);
    let at = |at: usize| match at {
        0 => time(dead::FIRST_FAILED_AT),
        at if at == last => time(dead::LAST_FAILED_AT),
        _ => None,
    };
    errors.into_iter().enumerate().map(|(n, error)| (error, at(n).unwrap_or_default())).collect()
}

#[derive(Template)]
#[template(path = "letter.html")]
pub(crate) struct LetterPage {
    pub(crate) frame: Frame,
    id: String,
    sentence: String,
    is_open: bool,
    advice: String,
    command: String,
    acts: Vec<(String, &'static str)>,
    facts: Vec<(&'static str, String)>,
    order: String,
    /// Each error, and when that was, as far as the letter knows.
    tries: Vec<(String, String)>,
    rounds: Vec<[String; 4]>,
    content: ContentSheet,
    reveal: Reveal,
}

impl LetterPage {
    pub(crate) fn new(
        frame: Frame,
        letter: &Letter,
        state: &State<'_>,
        content: ContentSheet,
        reveal: Reveal,
    ) -> Self {
        let id = letter.id.to_string();
        let event = letter.event_type().unwrap_or("a record without a type");
        let service = &letter.id.service;
        let (advice, command) = match state {
            State::Open => (
                "Mend what the errors say, then put it back: the service processes it once more, and \
                 once only. Try it first: the dry run says what would be done."
                    .to_owned(),
                format!("farandole dlq redrive {id} --dry-run"),
            ),
            State::Redriven { came_back: Some(again), .. } => (
                format!("It was put back, and has failed again: it is {again} now."),
                format!("farandole dlq show {again}"),
            ),
            State::Redriven { act, .. } => (
                match act {
                    Some(act) => format!(
                        "It was put back by {} at {}.",
                        act.operation.began.by,
                        clock(act.at)
                    ),
                    None => "It was put back.".to_owned(),
                },
                format!("farandole dlq show {id}"),
            ),
            State::Discarded(act) => (
                format!(
                    "{} has decided that it stays dead, at {}: {}",
                    act.operation.began.by,
                    clock(act.at),
                    act.operation.began.reason.as_deref().unwrap_or("no reason was given")
                ),
                format!("farandole dlq undiscard {id} --reason …"),
            ),
            State::CopyOf(first) => (
                format!("It is {first} once more: whatever is done to the one is done to both."),
                format!("farandole dlq show {first}"),
            ),
        };
        let mut facts =
            vec![("died", format!("{} ({} ago)", clock(letter.died_at), ago(letter.died_at)))];
        if let Some(attempts) = letter.attempts() {
            let times = usize::try_from(attempts).unwrap_or(usize::MAX);
            facts.push(("tried", some(times, "time")));
        }
        if let Some(source) = letter.source() {
            facts.push(("came from", source.to_string()));
        }
        Self {
            frame,
            sentence: format!("{service} could not process {event}: {}.", state.name()),
            is_open: state.is_open(),
            advice,
            command,
            acts: of_letter(&id, state),
            facts,
            order: letter.order().map(|order| order.to_string()).unwrap_or_default(),
            tries: tries(letter),
            rounds: letter.history().iter().map(round).collect(),
            content,
            reveal,
            id,
        }
    }
}
