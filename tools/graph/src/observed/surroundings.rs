use std::collections::{BTreeMap, BTreeSet};

use contracts::{Declared, Topics};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::causes::made_at;
use super::difference::{Rule, Tally};
use super::observer::Observer;
use super::sample::Event;

/// After how long a declared type that was not seen is told of.
const UNSEEN: SignedDuration = SignedDuration::from_hours(30 * 24);
/// After how long a reader that does not come further is told of. A batch takes seconds, and who retries
/// an order goes on with the others.
const STILL: SignedDuration = SignedDuration::from_mins(5);
/// How much clocks may differ, and how long a look at all topics may take.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);

/// What is known beside the events.
#[derive(Debug, Clone)]
pub struct Surroundings<'a> {
    /// When it was looked.
    pub now: Timestamp,
    /// The names of topics and groups.
    pub topics: Topics,
    /// How much was read of the topic of each service. One that is not there was not read.
    pub readings: BTreeMap<String, Reading>,
    /// The groups that read topics of events.
    pub groups: Vec<ReaderGroup>,
    /// What running services declare, an entry for each instance.
    pub running: &'a [Declared],
    /// The ids of what led to events and is no event: what operators have decided.
    pub decisions: BTreeSet<Uuid>,
    /// What is wrong with topics and subjects: which, and what.
    pub unfit: Vec<(String, String)>,
}

/// How much was read of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Nothing was ever written to it.
    Empty,
    /// Everything that was ever written to it.
    Whole,
    /// What is younger than this: it has no more, or no more was asked for.
    Since(Timestamp),
}

/// A consumer group, as the brokers know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReaderGroup {
    /// Its name.
    pub name: String,
    /// The services of whose topics it has read something.
    pub reads: BTreeSet<String>,
    /// How many records of these it has not read.
    pub unread: i64,
    /// When the oldest of them was produced, if that is known.
    pub unread_since: Option<Timestamp>,
}

impl Surroundings<'_> {
    /// Whether a topic was read from its first event.
    pub(super) fn is_read_whole(&self, service: &str) -> bool {
        self.readings.get(service) == Some(&Reading::Whole)
    }

    /// Whether something that was not read may have led to this: it may be older than what was read,
    /// newer, or have been decided by an operator.
    pub(super) fn may_have_caused(&self, event: &Event) -> bool {
        let Some(cause) = event.cause else { return false };
        if self.decisions.contains(&cause) {
            return true;
        }
        let begin = self.readings.values().filter_map(|it| match it {
            Reading::Empty | Reading::Whole => None,
            Reading::Since(time) => Some(*time),
        });
        let near = |time: Timestamp, margin| time.checked_add(margin).unwrap_or(time);
        let begin = begin.max().map(|time| near(time, MARGIN));
        let end = near(self.now, -MARGIN);
        let Some(made_at) = made_at(cause) else { return false };
        begin.is_some_and(|begin| made_at < begin) || made_at > end
    }

    /// What was not looked at, each in a sentence.
    pub(super) fn left_out(&self) -> Vec<String> {
        let part = |(service, reading): (&String, &Reading)| match reading {
            Reading::Empty | Reading::Whole => None,
            Reading::Since(time) => {
                Some(format!("{} was read from {time:.0} on.", self.topics.events(service)))
            }
        };
        self.readings.iter().filter_map(part).collect()
    }

    /// Holds all that is no event against what is declared.
    pub(super) fn compare(&self, observer: &mut Observer<'_>) {
        self.compare_types(observer);
        self.compare_groups(observer);
        compare_instances(self.running, &mut observer.tally);
        for (path, what) in &self.unfit {
            observer.tally.state(Rule::Unfit, path, what.clone(), None);
        }
    }

    fn compare_types(&self, observer: &mut Observer<'_>) {
        let long_ago = self.now.checked_sub(UNSEEN).unwrap_or(Timestamp::MIN);
        let days = UNSEEN.as_hours() / 24;
        for ((service, event), last) in observer.kinds.iter().zip(&observer.last) {
            let reading = self.readings.get(*service);
            let (Some(reading), true) = (reading, last.is_none_or(|it| it < long_ago)) else {
                continue;
            };
            let far = match (last, reading) {
                (Some(last), _) => format!("not seen for {days} days, but last at {last:.0}"),
                (None, Reading::Empty | Reading::Whole) => "never seen".to_owned(),
                (None, Reading::Since(time)) if *time <= long_ago => {
                    format!("not seen for {days} days")
                }
                (None, Reading::Since(time)) => {
                    format!("not seen since {time:.0}; what is older was not read, or is gone")
                }
            };
            let what = format!("{event} of {service} was {far}.");
            observer.tally.state(Rule::UnseenType, &format!("{service}/{event}"), what, *last);
        }
    }

    fn compare_groups(&self, observer: &mut Observer<'_>) {
        let services = observer.graph.services();
        for group in &self.groups {
            let declared = services.iter().find(|it| self.topics.group(&it.service) == group.name);
            let reads = |from: &&String| {
                declared.is_some_and(|it| it.consumes.iter().any(|read| read.from == **from))
            };
            for topic in group.reads.iter().filter(|from| !reads(from)) {
                let topic = self.topics.events(topic);
                let what = match declared {
                    Some(it) => format!("{} reads {topic}, and does not declare it.", it.service),
                    None => format!(
                        "The group {} reads {topic}, and no service declares it.",
                        group.name
                    ),
                };
                observer.tally.state(Rule::UndeclaredReader, &group.name, what, None);
            }
        }
        for service in services.iter().filter(|it| !it.consumes.is_empty()) {
            let name = self.topics.group(&service.service);
            let group = self.groups.iter().find(|it| it.name == name);
            self.compare_reader(service, group, &mut observer.tally);
        }
    }

    /// Says what a service does not read that it declares to read. A topic in which nothing was ever
    /// written has no readers that show.
    fn compare_reader(&self, service: &Declared, group: Option<&ReaderGroup>, tally: &mut Tally) {
        let name = &service.service;
        let sources: BTreeSet<&String> = service.consumes.iter().map(|read| &read.from).collect();
        let reads = |from: &String| group.is_some_and(|group| group.reads.contains(from));
        let has_any =
            |from: &String| self.readings.get(from).is_some_and(|it| *it != Reading::Empty);
        let missed = sources.into_iter().filter(|from| has_any(from) && !reads(from));
        let missed: Vec<String> = missed.map(|from| self.topics.events(from)).collect();
        if !missed.is_empty() {
            let topics = missed.join(" and ");
            let what = format!("{name} declares to read {topics}, and its group never has.");
            tally.state(Rule::SilentReader, name, what, None);
        }
        let Some(ReaderGroup { unread, unread_since: Some(since), .. }) = group else { return };
        if *unread > 0 && self.now.duration_since(*since) > STILL {
            let what = format!("{name} does not come further: {unread} records are unread.");
            tally.state(Rule::SilentReader, name, what, Some(*since));
        }
    }
}

/// Says where instances of a service do not declare the same.
fn compare_instances(running: &[Declared], tally: &mut Tally) {
    let mut first: BTreeMap<&str, &Declared> = BTreeMap::new();
    for instance in running {
        let other = *first.entry(&instance.service).or_insert(instance);
        let parts = differing(other, instance);
        if !parts.is_empty() {
            let name = &instance.service;
            let what = format!(
                "{} and {} of {name} declare differently: {}.",
                called(other),
                called(instance),
                parts.join(", ")
            );
            tally.state(Rule::DifferingInstances, name, what, None);
        }
    }
}

/// An instance, by its version and its own name.
fn called(instance: &Declared) -> String {
    let version = instance.version.as_deref().unwrap_or("an unknown version");
    match &instance.instance {
        Some(name) => format!("{name} ({version})"),
        None => version.to_owned(),
    }
}

/// The parts in which two declarations differ. Which instance it is, and of which version, is what may.
fn differing(one: &Declared, other: &Declared) -> Vec<String> {
    let parts = |declared: &Declared| {
        let bare = Declared { version: None, instance: None, ..declared.clone() };
        match serde_json::to_value(bare) {
            Ok(serde_json::Value::Object(parts)) => parts,
            _ => serde_json::Map::new(),
        }
    };
    let (one, other) = (parts(one), parts(other));
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    names.into_iter().filter(|name| one.get(*name) != other.get(*name)).cloned().collect()
}
