//! Somebody who writes into the topics and should not: copies of real events, out of order and
//! late; events of orders that are not this fleet's; and what nobody can read.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use contracts::dead_letter_headers;
use contracts::headers;
use fastrand::Rng;
use kafka::{AdminError, Bounds, Scanned, Window, scan, windows};
use testkit::Sandbox;
use testkit::raw::{self, RawRecord};
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use uuid::Uuid;

use super::faults::{Counts, deal};
use crate::architecture::reads;

/// How many records are looked at to take some of them.
const STRETCH: i64 = 60;
/// The most copies at once.
const COPIES_MAX: usize = 20;
/// How often events are looked for, while there are none or Kafka is away.
const TRIES: usize = 20;
/// How long a record is sent again while Kafka does not take it.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the outsider does with a real event, beside saying it and others again, in another order.
#[derive(Debug, Clone, Copy)]
enum Deed {
    /// Says it of an order that is not this fleet's, where nothing follows from it.
    Tell,
    /// The same, where nobody can make anything of it.
    Mislead,
    /// Spoils it.
    Spoil(fn(&mut RawRecord)),
}

const DEEDS: [(&str, Deed); 15] = [
    ("a stranger's order cancelled", Deed::Tell),
    ("poison: a stranger's order paid", Deed::Mislead),
    ("poison: truncated", Deed::Spoil(|record| _ = payload(record).pop())),
    ("poison: more than the value", Deed::Spoil(|record| payload(record).push(0))),
    ("poison: too long", Deed::Spoil(|record| payload(record).resize(1_000_000, 0))),
    ("poison: empty", Deed::Spoil(|record| payload(record).clear())),
    ("poison: without a payload", Deed::Spoil(|record| record.payload = None)),
    ("poison: another format", Deed::Spoil(|record| payload(record)[0] = 1)),
    ("poison: unknown schema", Deed::Spoil(|record| payload(record)[1] = 0x7f)),
    ("poison: without headers", Deed::Spoil(|record| record.headers.clear())),
    ("poison: without an id", Deed::Spoil(|record| record.set_header(headers::ID, None))),
    ("poison: without a type", Deed::Spoil(|record| record.set_header(headers::TYPE, None))),
    ("poison: no time", Deed::Spoil(|record| record.set_header(headers::TIME, Some("noon")))),
    ("poison: another key", Deed::Spoil(|record| key(record).insert(0, b'!'))),
    (
        "poison: a header's name not text",
        // Kafka makes text of the name where it compresses the record anew; that has no type, either.
        Deed::Spoil(|record| {
            record.set_header(headers::TYPE, None);
            record.headers.insert(0, (vec![0xff, 0xfe], None));
        }),
    ),
];

fn payload(record: &mut RawRecord) -> &mut Vec<u8> {
    record.payload.get_or_insert_default()
}

fn key(record: &mut RawRecord) -> &mut Vec<u8> {
    record.key.get_or_insert_default()
}

/// Where a record lies: topic, partition and offset.
pub(crate) type Place = (String, i32, i64);

/// What the outsider has done.
pub(crate) struct Outsider {
    sandbox: Sandbox,
    broker: String,
    /// By topic: whose events it has.
    topics: BTreeMap<String, String>,
    /// Which event types there are, and who emits each.
    types: HashMap<String, String>,
    pub(crate) counts: Counts,
    /// How many events were said again.
    copies: usize,
    /// Orders that are not this fleet's.
    pub(crate) strangers: HashSet<Uuid>,
    /// What cannot be processed: by key, the services that find that out.
    poison: HashMap<Vec<u8>, BTreeSet<&'static str>>,
}

impl Outsider {
    /// `broker` is Kafka's own address.
    pub(crate) fn new(sandbox: Sandbox, broker: String) -> Self {
        let released = testkit::schemas::released().into_iter();
        let types: HashMap<String, String> =
            released.map(|(service, event_type, _)| (event_type, service)).collect();
        let topics =
            types.values().map(|service| (sandbox.topics.events(service), service.clone()));
        let topics = topics.collect();
        let (counts, copies, strangers, poison) = Default::default();
        Self { sandbox, broker, topics, types, counts, copies, strangers, poison }
    }

    /// Goes about it until the time has come.
    pub(crate) async fn go_about(mut self, rng: Rng, until: Instant) -> Self {
        let counts = deal(rng, until, &DEEDS, async |deed, rng| self.act(deed, rng).await).await;
        self.counts = counts;
        self.counts.insert("copies of events, in another order".to_owned(), self.copies);
        self
    }

    /// Does one thing, unless there is no event to do it with for long.
    async fn act(&mut self, deed: Deed, rng: &mut Rng) -> bool {
        let Some(mut events) = self.some_events(deed, rng).await else { return false };
        rng.shuffle(&mut events);
        for event in &events[..rng.usize(..=events.len().min(COPIES_MAX))] {
            self.publish(event).await;
            self.copies += 1;
        }
        let Some(mut record) = events.into_iter().find(|event| suits(event, deed)) else {
            return false;
        };
        let order = Uuid::now_v7();
        self.strangers.insert(order);
        record.key = Some(order.to_string().into_bytes());
        record.set_header(headers::SUBJECT, Some(&order.to_string()));
        record.set_header(headers::ID, Some(&Uuid::now_v7().to_string()));
        record.set_header(headers::SEQUENCE, Some("1"));
        if let Deed::Spoil(spoil) = deed {
            spoil(&mut record);
        }
        if !matches!(deed, Deed::Tell) {
            self.poison.insert(record.key.clone().unwrap(), self.readers(&record));
        }
        self.publish(&record).await;
        true
    }

    /// The services that take a record for one of theirs: by its type, and as long as none can be
    /// told, all that read the topic.
    fn readers(&self, record: &RawRecord) -> BTreeSet<&'static str> {
        let told = record.headers.iter().map_while(|(name, value)| {
            Some((std::str::from_utf8(name).ok()?, std::str::from_utf8(value.as_deref()?).ok()?))
        });
        let event_type = told.into_iter().find(|(name, _)| *name == headers::TYPE);
        let emitter = &self.topics[&record.topic];
        let concerns = |read: &&str| match event_type {
            Some((_, event_type)) => *read == event_type,
            None => self.types[*read] == *emitter,
        };
        let readers = reads().into_iter().filter(|(_, types)| types.iter().any(&concerns));
        readers.map(|(service, _)| service).collect()
    }

    async fn publish(&self, record: &RawRecord) {
        let began = Instant::now();
        while let Err(error) = raw::publish(&self.broker, record).await {
            assert!(began.elapsed() < PATIENCE, "{}: Kafka takes no record: {error}", record.topic);
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Real events from some place in the topics, and among them one such as this deed needs.
    async fn some_events(&self, deed: Deed, rng: &mut Rng) -> Option<Vec<RawRecord>> {
        for _ in 0..TRIES {
            if let Ok(mut events) = self.stretch(deed, rng).await {
                events.retain(|event| self.is_real(event));
                if events.iter().any(|event| suits(event, deed)) {
                    return Some(events);
                }
            }
            sleep(Duration::from_millis(500)).await;
        }
        None
    }

    async fn stretch(&self, deed: Deed, rng: &mut Rng) -> Result<Vec<RawRecord>, AdminError> {
        let topics = match deed {
            Deed::Tell => vec![self.sandbox.topics.events("order")],
            Deed::Mislead => vec![self.sandbox.topics.events("payment")],
            Deed::Spoil(_) => self.topics.keys().cloned().collect(),
        };
        let (brokers, mut rng) = (self.sandbox.stack.kafka_brokers.clone(), rng.fork());
        let stretch = move || {
            let windows = windows(&brokers, &topics, Bounds::Everything)?;
            let Some(Window { topic, partition, from, to }) = rng.choice(windows) else {
                return Ok(Vec::new());
            };
            let from = rng.i64(from..to);
            let window = Window { topic, partition, from, to: to.min(from + STRETCH) };
            let mut records = Vec::new();
            scan(&brokers, &[window], |record| {
                records.extend(copy_of(record));
                ControlFlow::Continue(())
            })?;
            Ok(records)
        };
        spawn_blocking(stretch).await.unwrap()
    }

    fn is_real(&self, event: &RawRecord) -> bool {
        let key = event.key.as_deref().unwrap_or_default();
        let order = std::str::from_utf8(key).ok().and_then(|text| text.parse().ok());
        order.is_some_and(|order| !self.strangers.contains(&order))
    }

    /// Which dead letters there must be: the places of all poison, by the groups it concerns.
    pub(crate) async fn expected(&self) -> BTreeSet<(String, Place)> {
        let topics = self.topics.keys().cloned().collect();
        let mut expected = BTreeSet::new();
        let mut found = HashSet::new();
        for record in all(&self.sandbox, topics).await {
            let Some(services) = self.poison.get(&record.key) else { continue };
            found.insert(record.key);
            for service in services {
                expected.insert((self.sandbox.topics.group(service), record.place.clone()));
            }
        }
        assert_eq!(found.len(), self.poison.len(), "all poison is in the topics");
        expected
    }
}

/// Whether an event serves the deed.
fn suits(event: &RawRecord, deed: Deed) -> bool {
    let is = |event_type: &str| {
        let of = |name: &[u8]| name == headers::TYPE.as_bytes();
        let value = event.headers.iter().find(|(name, _)| of(name)).and_then(|it| it.1.as_deref());
        value == Some(event_type.as_bytes())
    };
    match deed {
        Deed::Tell => is("OrderCancelled"),
        Deed::Mislead => is("PaymentCharged") || is("PaymentFailed"),
        Deed::Spoil(_) => true,
    }
}

fn copy_of(record: &Scanned<'_>) -> Option<RawRecord> {
    let headers = record.headers.as_ref()?.iter();
    Some(RawRecord {
        topic: record.topic.to_owned(),
        partition: record.partition,
        key: record.key.map(<[u8]>::to_vec),
        payload: record.payload.map(<[u8]>::to_vec),
        headers: headers
            .map(|(name, value)| (name.as_bytes().to_vec(), value.map(<[u8]>::to_vec)))
            .collect(),
    })
}

/// A record as it lies in a topic.
struct Lying {
    place: Place,
    key: Vec<u8>,
    /// Of a dead letter: whose it is, and where it came from.
    source: Option<(String, Place)>,
}

async fn all(sandbox: &Sandbox, topics: Vec<String>) -> Vec<Lying> {
    let brokers = sandbox.stack.kafka_brokers.clone();
    let look = move || {
        let mut records = Vec::new();
        scan(&brokers, &windows(&brokers, &topics, Bounds::Everything)?, |record| {
            records.push(Lying {
                place: (record.topic.to_owned(), record.partition, record.offset),
                key: record.key.unwrap_or_default().to_vec(),
                source: source_of(record),
            });
            ControlFlow::Continue(())
        })?;
        Ok::<_, AdminError>(records)
    };
    spawn_blocking(look).await.unwrap().unwrap()
}

fn source_of(record: &Scanned<'_>) -> Option<(String, Place)> {
    let text = |name| Some(std::str::from_utf8(record.header(name)?).unwrap().to_owned());
    let number = |name| text(name).map(|text| text.parse::<i64>().unwrap());
    let partition = i32::try_from(number(dead_letter_headers::PARTITION)?).unwrap();
    let place =
        (text(dead_letter_headers::TOPIC)?, partition, number(dead_letter_headers::OFFSET)?);
    Some((text(dead_letter_headers::GROUP)?, place))
}

/// How many times each dead letter is there.
pub(crate) async fn dead_letters(sandbox: &Sandbox) -> BTreeMap<(String, Place), usize> {
    let services = reads().into_iter();
    let topics = services.map(|(service, _)| sandbox.topics.dead_letters(service)).collect();
    let mut dead = BTreeMap::new();
    for letter in all(sandbox, topics).await {
        let source = letter.source.expect("a dead letter tells where it comes from");
        *dead.entry(source).or_default() += 1;
    }
    dead
}
