use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use contracts::operations::LetterId;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::archive::{Archive, State};
use super::letter::Letter;
use crate::OrderId;
use crate::masking::MASK;

/// Which letters are meant; all of it must fit.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(id = "filter", multiple = true)]
#[command(next_help_heading = "Filters")]
pub struct Filter {
    /// Only what this service could not process; may be given several times
    #[arg(long = "service", value_name = "NAME", value_parser = service)]
    services: Vec<String>,
    /// Only events of this type, such as OrderPlaced; may be given several times
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Only events of this order
    #[arg(long, value_name = "ID")]
    order: Option<OrderId>,
    /// Only what died longer ago than this, such as 30m, 12h or 7d
    #[arg(long, value_name = "TIME", value_parser = crate::age::parse)]
    older_than: Option<Duration>,
    /// Only what died within this time
    #[arg(long, value_name = "TIME", value_parser = crate::age::parse)]
    newer_than: Option<Duration>,
    /// Only what failed last with an error that has this text in it, as it is or as `list` shows
    /// it; case does not matter
    #[arg(long, value_name = "TEXT")]
    cause: Option<String>,
}

fn service(name: &str) -> Result<String, String> {
    let services = services();
    let found = services.iter().find(|service| *service == name);
    found
        .cloned()
        .ok_or_else(|| format!("there is no such service; there are {}", services.join(", ")))
}

/// A letter's id, of one of the services.
pub fn letter_id(text: &str) -> Result<LetterId, String> {
    let id: LetterId = text.parse()?;
    service(&id.service)?;
    Ok(id)
}

fn services() -> Vec<String> {
    crate::services().map(str::to_owned).collect()
}

impl Filter {
    /// The services that it speaks of.
    pub fn services(&self) -> Vec<String> {
        if self.services.is_empty() { services() } else { self.services.clone() }
    }

    /// What died before this does not fit.
    pub fn since(&self, now: Timestamp) -> Option<Timestamp> {
        now.checked_sub(self.newer_than?).ok()
    }

    /// Whether a letter is meant, as of `now`.
    pub fn fits(&self, letter: &Letter, now: Timestamp) -> bool {
        let age = Duration::try_from(now.duration_since(letter.died_at)).unwrap_or_default();
        let of = |wanted: &[String], is: Option<&str>| {
            wanted.is_empty() || wanted.iter().any(|wanted| Some(wanted.as_str()) == is)
        };
        of(&self.services, Some(&letter.id.service))
            && of(&self.types, letter.event_type())
            && self.order.is_none_or(|order| letter.order() == Some(order))
            && self.older_than.is_none_or(|limit| age > limit)
            && self.newer_than.is_none_or(|limit| age <= limit)
            && self.cause.as_ref().is_none_or(|text| failed_with(letter, &text.to_lowercase()))
    }

    /// The words of the command line that say the same.
    pub fn words(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        let mut word = |flag: &str, value: String| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
            let quoted = !value.chars().all(plain);
            let value = if quoted { format!("'{}'", value.replace('\'', r"'\''")) } else { value };
            words.push(format!("{flag} {value}"));
        };
        let span = |time: Duration| format!("{}s", time.as_secs());
        self.services.iter().for_each(|name| word("--service", name.clone()));
        self.types.iter().for_each(|name| word("--type", name.clone()));
        self.order.iter().for_each(|order| word("--order", order.to_string()));
        self.older_than.iter().for_each(|time| word("--older-than", span(*time)));
        self.newer_than.iter().for_each(|time| word("--newer-than", span(*time)));
        self.cause.iter().for_each(|text| word("--cause", text.clone()));
        words.join(" ")
    }
}

fn failed_with(letter: &Letter, text: &str) -> bool {
    let errors = letter.errors();
    let last = errors.last().map(|error| error.to_lowercase()).unwrap_or_default();
    has_parts(&last, text) || has_parts(&letter.cause().to_lowercase(), text)
}

/// Whether a text has all of another in it, whatever stands where that was masked.
fn has_parts(text: &str, wanted: &str) -> bool {
    let rest = wanted
        .split(MASK)
        .try_fold(text, |rest, part| rest.find(part).map(|at| &rest[at + part.len()..]));
    rest.is_some()
}

/// What something is to be done about.
#[derive(Debug, Clone, clap::Args)]
pub struct Selection {
    /// Letters by their ids, such as payment/0/17
    #[arg(value_name = "ID", value_parser = letter_id, conflicts_with_all = ["filter", "all_open"],
          required_unless_present_any = ["filter", "all_open"])]
    ids: Vec<LetterId>,
    /// All that are open
    #[arg(long, conflicts_with = "filter")]
    all_open: bool,
    #[command(flatten)]
    filter: Filter,
}

/// The letters that a selection comes to.
#[derive(Default)]
pub struct Chosen<'a> {
    /// Oldest first, so that an order's are in order.
    pub letters: Vec<&'a Letter>,
    /// What was asked for by name, and why nothing is done about it.
    pub left_out: Vec<(LetterId, String)>,
}

/// Where some letters go when they are put back.
#[derive(Debug)]
pub struct Target<'a> {
    /// The group that reads them again.
    pub group: String,
    /// The topic that they go to.
    pub topic: String,
    /// How many.
    pub letters: usize,
    /// The types of their events; `None` of those that name none.
    pub types: BTreeSet<Option<&'a str>>,
}

impl Chosen<'_> {
    /// Where they go when they are put back, by group and topic.
    pub fn targets(&self) -> Vec<Target<'_>> {
        let mut targets: BTreeMap<(String, String), Target<'_>> = BTreeMap::new();
        for letter in &self.letters {
            let group = letter.group().unwrap_or_default().to_owned();
            let topic = letter.source().map(|source| source.topic).unwrap_or_default();
            let target = targets.entry((group.clone(), topic.clone())).or_insert_with(|| Target {
                group,
                topic,
                letters: 0,
                types: BTreeSet::new(),
            });
            target.letters += 1;
            target.types.insert(letter.event_type());
        }
        targets.into_values().collect()
    }

    /// What was left out, for programs.
    pub fn left_out_as_json(&self) -> Vec<Value> {
        self.left_out.iter().map(|(id, why)| json!({"letter": id, "why": why})).collect()
    }

    /// The services whose letters they are.
    pub fn services(&self) -> BTreeSet<&str> {
        self.letters.iter().map(|letter| letter.id.service.as_str()).collect()
    }
}

impl Selection {
    /// Of these letters.
    pub fn of(ids: Vec<LetterId>) -> Self {
        Self { ids, all_open: false, filter: Filter::default() }
    }

    /// Of those of a service that failed for this cause.
    pub fn of_cause(service: &str, cause: &str) -> Self {
        let filter = Filter {
            services: vec![service.to_owned()],
            cause: Some(cause.to_owned()),
            ..Filter::default()
        };
        Self { ids: Vec::new(), all_open: false, filter }
    }

    /// The services whose letters are to be read for it.
    pub fn services(&self) -> Vec<String> {
        self.filter.services()
    }

    /// Chooses among the letters that are open; with `again` also among those named by their ids
    /// about which something was done before.
    pub fn choose<'a>(&self, archive: &'a Archive, now: Timestamp, again: bool) -> Chosen<'a> {
        if self.ids.is_empty() {
            let open = archive.letters().filter(|(_, state)| state.is_open());
            let fitting = open.filter(|(letter, _)| self.filter.fits(letter, now));
            return Chosen {
                letters: fitting.map(|(letter, _)| letter).collect(),
                ..Chosen::default()
            };
        }
        let mut chosen = Chosen::default();
        for id in &self.ids {
            match archive.find(id) {
                None => chosen.left_out.push((id.clone(), "there is no such letter".to_owned())),
                Some((letter, state)) => match objection(state, again) {
                    None => chosen.letters.push(letter),
                    Some(why) => chosen.left_out.push((id.clone(), why)),
                },
            }
        }
        chosen.letters.sort_by(|a, b| (a.died_at, &a.id).cmp(&(b.died_at, &b.id)));
        chosen.letters.dedup_by(|a, b| a.id == b.id);
        chosen
    }

    /// Whether it speaks of this letter, as far as its id tells.
    pub fn may_mean(&self, id: &LetterId) -> bool {
        self.ids.is_empty() || self.ids.contains(id)
    }

    /// Chooses among the letters that are discarded.
    pub fn choose_discarded<'a>(&self, archive: &'a Archive, now: Timestamp) -> Chosen<'a> {
        let mut chosen = Chosen::default();
        let discarded = |state: &State<'_>| matches!(state, State::Discarded(_));
        if self.ids.is_empty() {
            let fitting = archive.letters().filter(|(letter, state)| {
                discarded(state) && !self.all_open && self.filter.fits(letter, now)
            });
            chosen.letters = fitting.map(|(letter, _)| letter).collect();
            return chosen;
        }
        for id in &self.ids {
            match archive.find(id) {
                None => chosen.left_out.push((id.clone(), "there is no such letter".to_owned())),
                Some((letter, state)) if discarded(&state) => chosen.letters.push(letter),
                Some((_, state)) => {
                    chosen.left_out.push((id.clone(), format!("it is {}", state.name())));
                }
            }
        }
        chosen
    }

    /// The words of the command line that say the same.
    pub fn words(&self) -> String {
        if self.all_open {
            return "--all-open".to_owned();
        }
        let ids: Vec<String> = self.ids.iter().map(ToString::to_string).collect();
        if ids.is_empty() { self.filter.words() } else { ids.join(" ") }
    }
}

/// Why nothing is to be done about a letter in this state.
fn objection(state: State<'_>, again: bool) -> Option<String> {
    match state {
        State::Open => None,
        State::CopyOf(first) => Some(format!("it is a copy of {first}")),
        // Putting it back once more would apply the event twice, once for each of the two.
        State::Redriven { came_back: Some(id), .. } => {
            Some(format!("it was redriven, and came back as {id}"))
        }
        State::Redriven { .. } | State::Discarded(_) if again => None,
        State::Redriven { act, .. } => {
            let by = act.map_or("somebody", |act| act.operation.began.by.as_str());
            Some(format!("it was redriven by {by}; --again does so once more"))
        }
        State::Discarded(act) => {
            let by = &act.operation.began.by;
            Some(format!("it was discarded by {by}; farandole dlq undiscard takes that back"))
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::letter::tests::letter;
    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        selection: Selection,
    }

    fn parse(line: &str) -> Result<Selection, clap::Error> {
        let words = std::iter::once("test").chain(line.split_whitespace());
        Line::try_parse_from(words).map(|line| line.selection)
    }

    fn fits(line: &str) -> bool {
        // The letter died at 03:04:06.
        let now = "2026-01-02T04:04:06Z".parse().unwrap();
        let letter = letter("payment/0/17", &["odd", "Schema id 42 is unknown"]);
        parse(line).unwrap().filter.fits(&letter, now)
    }

    #[test]
    fn each_filter_must_fit() {
        for line in [
            "--service payment",
            "--service order --service payment",
            "--type OrderPlaced --service payment",
            "--order 0198c0de-0000-7000-8000-0123456789ab",
            "--older-than 59m --newer-than 2h",
            "--cause schema",
            "--cause 42",
            "--cause <n>",
            "--cause id(redacted)is",
            "--cause (redacted)unknown",
        ] {
            assert!(fits(line), "{line}");
        }
        for line in [
            "--service order",
            "--type OrderCancelled --service payment",
            "--order 0198c0de-0000-7000-8000-000000000000",
            "--older-than 1h",
            "--newer-than 59m",
            "--cause odd",
            "--cause is(redacted)schema",
        ] {
            assert!(!fits(line), "{line}");
        }
    }

    #[test]
    fn a_selection_says_what_is_meant_and_only_once() {
        for line in ["payment/0/17 order/1/2", "--all-open", "--type OrderPlaced"] {
            assert_eq!(parse(line).unwrap().words(), line);
        }
        for line in [
            "",
            "payment",
            "payment/0/17 --all-open",
            "payment/0/17 --service payment",
            "--all-open --service payment",
            "--service nobody",
            "--older-than soon",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        let odd = Filter { cause: Some("it's odd".to_owned()), ..Filter::default() };
        assert_eq!(odd.words(), r"--cause 'it'\''s odd'");
    }
}
