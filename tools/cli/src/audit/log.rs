use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::ControlFlow;

use choreography::{Essentials, Fact, Service, Services};
use contracts::dead_letter_headers;
use contracts::{REDRIVE, TARGET_GROUP, Topics, headers};
use jiff::{SignedDuration, Timestamp};
use kafka::{PayloadError, Payloads, Scanned, Window, committed, partitions, scan};
use serde_json::Value;
use tokio::runtime::Handle;
use uuid::Uuid;

use super::error::AuditError;
use super::ledger::Place;
use crate::outcomes::began_at;

/// How much clocks may differ.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(5);

/// How far everything was before the databases were read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Before {
    /// By topic and partition, where it ended: what was before that, the databases know.
    ends: HashMap<(String, i32), i64>,
    /// The same of each service: what was before that, it has done with.
    committed: HashMap<Service, HashMap<(String, i32), i64>>,
}

impl Before {
    /// Asks Kafka. Blocks.
    pub(crate) fn ask(brokers: &str, topics: &Topics) -> Result<Self, AuditError> {
        let names = event_topics(topics);
        let mut before = Self::default();
        for service in Service::all() {
            let group = topics.group(service.name());
            before.committed.insert(service, committed(brokers, &group, &names)?);
        }
        for Window { topic, partition, to, .. } in partitions(brokers, &names)? {
            before.ends.insert((topic, partition), to);
        }
        Ok(before)
    }
}

pub(crate) fn event_topics(topics: &Topics) -> Vec<String> {
    Service::all().map(|service| topics.events(service.name())).collect()
}

/// An event, as compact as it goes: there are millions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    pub(crate) order: Uuid,
    pub(crate) id: Uuid,
    /// The how manyth record of the scan it is, to tell what came first within a partition.
    pub(crate) arrival: u32,
    /// By what the provider knows the call that it tells of; a hash.
    pub(crate) call: u32,
    pub(crate) sequence: u16,
    pub(crate) fact: Fact,
    /// It was published before the databases were read.
    pub(crate) early: bool,
    /// The services that had done with it before their databases were read.
    pub(crate) passed: Services,
    /// The services that have set it aside, or given it up.
    pub(crate) aside: Services,
    /// The services that have it in their inbox.
    pub(crate) seen: Services,
}

/// A dead letter that came back, for one service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Redriven {
    /// What the inbox knows it by.
    pub(crate) id: Uuid,
    pub(crate) order: Uuid,
    pub(crate) service: Service,
    pub(crate) passed: bool,
    pub(crate) aside: bool,
}

/// Money of which an event tells.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sum {
    pub(crate) order: Uuid,
    pub(crate) fact: Fact,
    /// By what the provider knows it; a hash.
    pub(crate) call: u32,
    pub(crate) amount: i64,
    /// Its ISO 4217 code; zeros if it is none.
    pub(crate) currency: [u8; 3],
}

/// A record that a service could not process.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) service: Option<Service>,
    /// Where it was.
    pub(crate) place: Option<Place>,
    /// What the inbox knows it by: the event's id, or that of an earlier redrive.
    pub(crate) ids: Vec<Uuid>,
    pub(crate) fact: String,
    pub(crate) order: String,
}

/// What the topics say.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) events: Vec<Event>,
    pub(crate) redriven: Vec<Redriven>,
    pub(crate) sums: Vec<Sum>,
    /// Events of which something cannot be read that the books need: order, event, its fact, the
    /// field.
    pub(crate) illegible: Vec<(Uuid, Uuid, Fact, String)>,
    pub(crate) letters: Vec<Letter>,
    /// Ids of events of types or sources that this audit does not know.
    pub(crate) strangers: Vec<Uuid>,
    /// Records of the events' topics that are no events, as far as this audit can tell.
    pub(crate) unreadable: u64,
    /// What is older than this, the topics may have forgotten; `None` if they remember everything.
    pub(crate) horizon: Option<Timestamp>,
}

impl Log {
    /// Whether the topics still have everything that goes back to this id.
    pub(crate) fn remembers(&self, id: Uuid) -> bool {
        self.horizon.is_none_or(|horizon| began_at(id).is_some_and(|time| time > horizon))
    }
}

/// Reads all topics.
pub(crate) struct Scribe<'s> {
    pub(crate) brokers: &'s str,
    pub(crate) topics: &'s Topics,
    pub(crate) before: &'s Before,
    /// By place, who has set the record aside or given it up.
    pub(crate) aside: &'s HashMap<Place, Services>,
    /// For how long the topics keep events, if not for ever.
    pub(crate) retention: Option<SignedDuration>,
    pub(crate) payloads: Payloads,
    pub(crate) runtime: Handle,
}

impl Scribe<'_> {
    /// Reads everything that the topics hold now. Blocks, and must not run on a thread that runs
    /// futures.
    pub(crate) fn read(mut self) -> Result<Log, AuditError> {
        let mut log = Log::default();
        let windows = partitions(self.brokers, &event_topics(self.topics))?;
        let records: i64 = windows.iter().map(|window| window.to - window.from).sum();
        log.events.reserve_exact(usize::try_from(records).unwrap_or_default());
        let mut trimmed: HashMap<(String, i32), bool> = HashMap::new();
        for Window { topic, partition, from, to } in &windows {
            if *from > 0 {
                trimmed.insert((topic.clone(), *partition), from == to);
            }
        }
        let mut horizons: Vec<Timestamp> =
            trimmed.values().filter(|empty| **empty).map(|_| self.forgotten()).collect();
        trimmed.retain(|_, empty| !*empty);
        let mut failure = None;
        scan(self.brokers, &windows, |record| {
            if !trimmed.is_empty()
                && trimmed.remove(&(record.topic.to_owned(), record.partition)).is_some()
            {
                horizons.extend(record.timestamp);
            }
            match self.take(record, &mut log) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        if let Some(error) = failure {
            return Err(error);
        }
        let horizon = horizons.into_iter().max();
        log.horizon = horizon.map(|at| at.checked_add(CLOCKS_DIFFER).unwrap_or(Timestamp::MAX));
        let letters = Service::all().map(|service| self.topics.dead_letters(service.name()));
        let letters: Vec<String> = letters.collect();
        scan(self.brokers, &partitions(self.brokers, &letters)?, |record| {
            log.letters.push(self.letter(record));
            ControlFlow::Continue(())
        })?;
        Ok(log)
    }

    /// From when on nothing was forgotten, of a partition that was forgotten whole.
    fn forgotten(&self) -> Timestamp {
        let now = Timestamp::now();
        self.retention.and_then(|kept| now.checked_sub(kept).ok()).unwrap_or(now)
    }

    fn take(&mut self, record: &Scanned<'_>, log: &mut Log) -> Result<(), AuditError> {
        let Some(Essentials { order, id, sequence, fact }) =
            Essentials::of(|name| record.header(name))
        else {
            log.unreadable += 1;
            log.strangers.extend(uuid(record, headers::ID));
            return Ok(());
        };
        let place = (record.topic.to_owned(), record.partition);
        let early = self.before.ends.get(&place).is_some_and(|end| record.offset < *end);
        let passed_by = |service: &Service| {
            let committed = self.before.committed.get(service).and_then(|all| all.get(&place));
            committed.is_some_and(|committed| record.offset < *committed)
        };
        let passed: Services = Service::all().filter(passed_by).collect();
        let aside = self.aside_at(record);
        if let Some(group) = text(record, TARGET_GROUP) {
            let service = Service::of_group(self.topics, group);
            let id = text(record, REDRIVE).and_then(|text| text.parse().ok()).unwrap_or(id);
            log.redriven.extend(service.map(|service| {
                let (passed, aside) = (passed.has(service), aside.has(service));
                Redriven { id, order, service, passed, aside }
            }));
            return Ok(());
        }
        let (fact, call) = self.look_into(record, (order, id, fact), log)?;
        let arrival = u32::try_from(log.events.len()).unwrap_or(u32::MAX);
        let seen = Services::default();
        log.events.push(Event {
            order,
            id,
            arrival,
            call,
            sequence,
            fact,
            early,
            passed,
            aside,
            seen,
        });
        Ok(())
    }

    /// What an event's payload says, as far as the books need it: the fact that it states, and the
    /// call that it tells of.
    fn look_into(
        &mut self,
        record: &Scanned<'_>,
        (order, id, fact): (Uuid, Uuid, Fact),
        log: &mut Log,
    ) -> Result<(Fact, u32), AuditError> {
        let wanted = fact.wanted();
        if wanted.is_nothing() {
            return Ok((fact, call_of(&Value::Null, id)));
        }
        let payload = self.payload(record)?;
        let provider_id = wanted.id.as_ref().map_or(&Value::Null, |field| &payload[field]);
        let call = call_of(provider_id, id);
        let mut stated = fact;
        if let Some(field) = &wanted.apart {
            match payload[field].as_str().and_then(|value| fact.told_apart(value)) {
                Some(told) => stated = told,
                None => log.illegible.push((order, id, fact, field.clone())),
            }
        }
        if wanted.amount {
            let money = &payload["amount"];
            match money["amount"].as_i64() {
                None => log.illegible.push((order, id, fact, "amount".to_owned())),
                Some(amount) => {
                    let currency = currency(&money["currency"]);
                    log.sums.push(Sum { order, fact, call, amount, currency });
                }
            }
        }
        Ok((stated, call))
    }

    fn aside_at(&self, record: &Scanned<'_>) -> Services {
        if self.aside.is_empty() {
            return Services::default();
        }
        let (topic, partition, offset) = (record.topic.to_owned(), record.partition, record.offset);
        self.aside.get(&Place { topic, partition, offset }).copied().unwrap_or_default()
    }

    /// What a record says, by the schema that it was written with; nothing if it cannot be read: it is
    /// somebody else's, which the services cannot read either.
    fn payload(&mut self, record: &Scanned<'_>) -> Result<Value, AuditError> {
        match self.runtime.block_on(self.payloads.read(record.payload)) {
            Ok(value) => Ok(value),
            Err(PayloadError::Garbage(_)) => Ok(Value::Null),
            Err(PayloadError::Registry(error)) => Err(error.into()),
        }
    }

    fn letter(&self, record: &Scanned<'_>) -> Letter {
        let group = text(record, dead_letter_headers::GROUP);
        let number = |name| text(record, name).and_then(|text| text.parse::<i64>().ok());
        let place = || {
            Some(Place {
                topic: text(record, dead_letter_headers::TOPIC)?.to_owned(),
                partition: number(dead_letter_headers::PARTITION)?.try_into().ok()?,
                offset: number(dead_letter_headers::OFFSET)?,
            })
        };
        let ids = [headers::ID, REDRIVE];
        let ids = ids.into_iter().filter_map(|name| text(record, name)?.parse().ok());
        Letter {
            topic: record.topic.to_owned(),
            partition: record.partition,
            offset: record.offset,
            service: group.and_then(|group| Service::of_group(self.topics, group)),
            place: place(),
            ids: ids.collect(),
            fact: text(record, headers::TYPE).unwrap_or("no event").to_owned(),
            order: text(record, headers::SUBJECT).unwrap_or("no order").to_owned(),
        }
    }
}

fn uuid(record: &Scanned<'_>, name: &str) -> Option<Uuid> {
    Uuid::try_parse_ascii(record.header(name)?).ok()
}

fn currency(code: &Value) -> [u8; 3] {
    code.as_str().and_then(|code| code.as_bytes().try_into().ok()).unwrap_or_default()
}

fn text<'r>(record: &Scanned<'r>, name: &str) -> Option<&'r str> {
    std::str::from_utf8(record.header(name)?).ok()
}

/// What a call is told apart by: the provider's id of it, or the event, of one that has none.
fn call_of(provider_id: &Value, event: Uuid) -> u32 {
    let mut hasher = DefaultHasher::new();
    match provider_id.as_str() {
        Some(id) => id.hash(&mut hasher),
        None => event.hash(&mut hasher),
    }
    // The lower half of a good hash is one, too.
    u32::try_from(hasher.finish() & u64::from(u32::MAX)).unwrap_or_default()
}
