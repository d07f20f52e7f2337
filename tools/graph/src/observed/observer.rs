use std::collections::{BTreeMap, BTreeSet};

use contracts::{Envelope, InvalidEnvelope, TARGET_GROUP, frame_schema_id, headers};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::causes::causes;
use super::difference::{Difference, Example, Rule, Tally};
use super::numbers::numbers;
use super::sample::{Event, Sample};
use super::surroundings::Surroundings;
use crate::Graph;

/// Of how many events causes and numbers are looked at: 150 MB of them.
const EVENTS_MAX: usize = 1_000_000;
/// Of how many records that are no declared events it is remembered that they are there.
const STRANGERS_MAX: usize = 100_000;

/// The name of a header, and what it says.
pub type Header<'r> = (&'r str, Option<&'r [u8]>);

/// A record of a topic of events, as it is.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'r> {
    /// The service whose topic it is.
    pub owner: &'r str,
    /// The topic.
    pub topic: &'r str,
    /// Its partition there.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// When it was produced.
    pub at: Option<Timestamp>,
    /// Its key.
    pub key: Option<&'r [u8]>,
    /// What it says.
    pub payload: Option<&'r [u8]>,
    /// Its headers; `None` if they cannot be read.
    pub headers: Option<&'r [Header<'r>]>,
}

/// The ids that schemas have in the registry, by service and event type.
pub type SchemaIds = BTreeMap<(String, String), Vec<i32>>;

/// Takes in what is seen. Its memory has a bound, however much that is.
#[derive(Debug)]
pub struct Observer<'a> {
    pub(super) graph: Graph<'a>,
    /// What the services declare to emit, service by service.
    pub(super) kinds: Vec<(&'a str, &'a str)>,
    /// When each of these was seen last.
    pub(super) last: Vec<Option<Timestamp>>,
    /// The ids of the schemas of each of these; none if they are not known.
    ids: Vec<Vec<i32>>,
    pub(super) tally: Tally,
    sample: Sample,
    /// The ids of what is in the topics and is told of as it is: what follows from it has a cause.
    pub(super) strangers: BTreeSet<Uuid>,
    records: u64,
    readdressed: u64,
}

/// What was seen, and how that differs from what is declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Observed {
    /// How many records were looked at.
    pub records: u64,
    /// In what they differ.
    pub differences: Vec<Difference>,
    /// What was not looked at, each in a sentence.
    pub left_out: Vec<String>,
}

impl<'a> Observer<'a> {
    /// Holds what it sees against this graph. Events of which no schema id is known are not held
    /// against their schemas.
    pub fn new(graph: Graph<'a>, ids: &SchemaIds) -> Self {
        Self::with_room_for(EVENTS_MAX, graph, ids)
    }

    pub(super) fn with_room_for(max: usize, graph: Graph<'a>, ids: &SchemaIds) -> Self {
        let emitted = graph.emitted();
        let kinds: Vec<(&str, &str)> =
            emitted.map(|(service, it)| (service.service.as_str(), it.event.as_str())).collect();
        let last = vec![None; kinds.len()];
        let id = |(service, event): &(&str, &str)| {
            ids.get(&((*service).to_owned(), (*event).to_owned())).cloned().unwrap_or_default()
        };
        let ids = kinds.iter().map(id).collect();
        Self {
            graph,
            kinds,
            last,
            ids,
            tally: Tally::default(),
            sample: Sample::of(max),
            strangers: BTreeSet::new(),
            records: 0,
            readdressed: 0,
        }
    }

    /// Takes in a record. A dead letter that somebody has put back is one that was seen before.
    pub fn take(&mut self, seen: &Seen<'_>) {
        self.records += 1;
        let headers = seen.headers.unwrap_or_default();
        if headers.iter().any(|(name, _)| *name == TARGET_GROUP) {
            self.readdressed += 1;
            return;
        }
        match Envelope::parse(headers.iter().copied()) {
            Ok(envelope) => self.take_event(seen, &envelope),
            Err(invalid) => {
                self.add_stranger(headers.iter().find_map(|it| id_in(it)));
                let what =
                    format!("Records in {} are no events: {}.", seen.topic, broken(&invalid));
                self.note(seen, None, Rule::BrokenHeader, seen.topic, what);
            }
        }
    }

    fn take_event(&mut self, seen: &Seen<'_>, envelope: &Envelope) {
        let (id, event, owner) = (Some(envelope.id), &envelope.event_type, seen.owner);
        let path = || format!("{owner}/{event}");
        if seen.key != Some(envelope.saga.to_string().as_bytes()) {
            let what = format!("The key of {event} in {} is not its subject.", seen.topic);
            self.note(seen, id, Rule::BrokenHeader, &path(), what);
        }
        if envelope.source.strip_prefix('/') != Some(owner) {
            let what = format!("{} writes to {}, which is {owner}'s.", envelope.source, seen.topic);
            self.note(seen, id, Rule::ForeignSource, seen.topic, what);
            self.add_stranger(id);
            return;
        }
        let Some(kind) = self.kinds.iter().position(|kind| *kind == (owner, event)) else {
            let what = format!("{event} is in {}, and {owner} does not declare it.", seen.topic);
            self.note(seen, id, Rule::UndeclaredType, &path(), what);
            self.add_stranger(id);
            return;
        };
        self.last[kind] = self.last[kind].max(Some(envelope.time));
        self.take_schema(seen, envelope, kind);
        self.sample.add(Event {
            saga: envelope.saga.0,
            id: envelope.id,
            cause: envelope.causation_id.parse().ok(),
            kind: u16::try_from(kind).unwrap_or(u16::MAX),
            sequence: envelope.sequence,
            partition: seen.partition,
            offset: seen.offset,
            at: seen.at,
        });
    }

    fn add_stranger(&mut self, id: Option<Uuid>) {
        if self.strangers.len() < STRANGERS_MAX {
            self.strangers.extend(id);
        }
    }

    fn take_schema(&mut self, seen: &Seen<'_>, envelope: &Envelope, kind: usize) {
        let event = &envelope.event_type;
        let what = match frame_schema_id(seen.payload.unwrap_or_default()) {
            Err(_) => format!("{event} of {} has a payload that names no schema.", seen.owner),
            Ok(id) if self.ids[kind].is_empty() || self.ids[kind].contains(&id) => return,
            Ok(id) => {
                format!(
                    "{event} of {} is written by schema {id}, none of its versions.",
                    seen.owner
                )
            }
        };
        let path = format!("{}/{event}", seen.owner);
        self.note(seen, Some(envelope.id), Rule::UnknownSchema, &path, what);
    }

    fn note(&mut self, seen: &Seen<'_>, id: Option<Uuid>, rule: Rule, path: &str, what: String) {
        let Seen { topic, partition, offset, at, .. } = *seen;
        let example = || Some(Example { topic: topic.to_owned(), partition, offset, id });
        self.tally.add((rule, path, what), at, example);
    }

    /// How all that was taken in differs from what is declared.
    pub fn finish(mut self, around: &Surroundings<'_>) -> Observed {
        let one_in = self.sample.one_in();
        let mut events = std::mem::replace(&mut self.sample, Sample::of(0)).into_events();
        numbers(&mut self, &mut events, around);
        causes(&mut self, &events, around);
        around.compare(&mut self);
        let mut left_out = Vec::new();
        if one_in > 1 {
            left_out.push(format!(
                "Causes and numbers were looked at of one saga in {one_in}: memory holds no more."
            ));
        }
        if self.readdressed > 0 {
            left_out.push(format!("{} were dead letters that were put back.", self.readdressed));
        }
        left_out.extend(around.left_out());
        Observed { records: self.records, differences: self.tally.differences(), left_out }
    }

    /// Takes note of a difference that an event shows.
    pub(super) fn tell(
        &mut self,
        event: &Event,
        around: &Surroundings<'_>,
        (rule, what): (Rule, String),
    ) {
        let (service, kind) = self.kinds[usize::from(event.kind)];
        let example = || {
            Some(Example {
                topic: around.topics.events(service),
                partition: event.partition,
                offset: event.offset,
                id: Some(event.id),
            })
        };
        self.tally.add((rule, &format!("{service}/{kind}"), what), event.at, example);
    }
}

/// An event's id, where a header says it.
fn id_in((name, value): &Header<'_>) -> Option<Uuid> {
    let text = value.filter(|_| *name == headers::ID)?;
    Uuid::try_parse_ascii(text).ok()
}

/// What is wrong with headers, without what a record says: each record may say something else.
fn broken(invalid: &InvalidEnvelope) -> String {
    match invalid {
        InvalidEnvelope::Malformed { name, expected, .. } => {
            format!("header {name} is not {expected}")
        }
        other => other.to_string(),
    }
}
