//! What services have said of one order, and what they could not process of it: in the topics.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use contracts::{TARGET_GROUP, Topics, headers};
use jiff::{SignedDuration, Timestamp};
use kafka::{AdminError, Bounds, Scanned, Window, scan, windows};
use serde::Serialize;

use super::letters::letter;
use super::work::{DeadLetter, text};
use crate::OrderId;
use crate::outcomes::CLOCKS_DIFFER;

/// How long to look. Events come in the order of time, so the first are found first.
const LOOK_LIMIT: Duration = Duration::from_secs(5);
/// How far apart clocks are as a rule, at most.
const CLOCKS_AGREE: SignedDuration = SignedDuration::from_secs(5);

/// An event of an order, as its headers tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// When Kafka has taken it.
    pub at: Option<Timestamp>,
    /// Its type, if it has one.
    pub event: Option<String>,
    /// The service that emits it, as the topic tells.
    pub service: &'static str,
    /// When it happened, by the clock of the service.
    pub time: Option<Timestamp>,
    /// Its id.
    pub id: Option<String>,
    /// The id of the event or the request that caused it.
    pub cause: Option<String>,
    /// Its number in the service's stream about the order.
    pub sequence: Option<String>,
    /// Where it is: topic, partition, offset.
    pub place: (String, i32, i64),
    /// The group that it was put back for, if it was redriven.
    pub redriven_for: Option<String>,
}

/// Where an event is known to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventPlace {
    /// The service that emits it, whose topic it is in.
    pub service: &'static str,
    /// Its partition there.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
}

/// What was found in a topic.
#[derive(Debug, Clone)]
pub struct Found<T> {
    /// In the order of the partition.
    pub items: Vec<T>,
    /// Whether all of the topic was looked at that may hold it.
    pub complete: bool,
}

/// When an order was placed, to the second before, as its id tells.
fn placed_at(order: OrderId) -> Option<Timestamp> {
    let (seconds, _) = order.0.get_timestamp()?.to_unix();
    Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
}

/// When an order was placed at the earliest, as its id tells.
pub fn placed_after(order: OrderId) -> Option<Timestamp> {
    placed_at(order)?.checked_sub(CLOCKS_DIFFER).ok()
}

/// Where to look for the events of an order.
#[derive(Debug, Clone)]
pub enum Where {
    /// Wherever they may be, up to this time.
    UpTo(Option<Timestamp>),
    /// At these places, and nowhere else.
    At(Vec<EventPlace>),
}

/// The events that a service has emitted about an order.
///
/// Blocks, for some seconds at most.
pub fn said_by(
    brokers: &str,
    topics: &Topics,
    service: &'static str,
    order: OrderId,
    places: &Where,
) -> Result<Found<Said>, AdminError> {
    let said = |record: &Scanned<'_>| Said {
        at: record.timestamp,
        event: record.header(headers::TYPE).map(text),
        service,
        time: record.header(headers::TIME).and_then(|time| text(time).parse().ok()),
        id: record.header(headers::ID).map(text),
        cause: record.header(headers::CAUSATION_ID).map(text),
        sequence: record.header(headers::SEQUENCE).map(text),
        place: (record.topic.to_owned(), record.partition, record.offset),
        redriven_for: record.header(TARGET_GROUP).map(text),
    };
    let topic = topics.events(service);
    match places {
        Where::UpTo(to) => find(brokers, &topic, order, *to, said),
        Where::At(places) => {
            let own = places.iter().filter(|place| place.service == service);
            let mut found = Found { items: Vec::new(), complete: true };
            let deadline = Instant::now() + LOOK_LIMIT;
            search(brokers, &stretches(&topic, own), order, deadline, &mut found, &said)?;
            Ok(found)
        }
    }
}

/// What is to be read of a topic to come by all of these: of each partition, from the first to the last.
fn stretches<'p>(topic: &str, places: impl Iterator<Item = &'p EventPlace>) -> Vec<Window> {
    let mut stretches: BTreeMap<i32, Window> = BTreeMap::new();
    for EventPlace { partition, offset, .. } in places {
        let (topic, partition) = (topic.to_owned(), *partition);
        let window = Window { topic, partition, from: *offset, to: offset + 1 };
        let stretch = stretches.entry(partition).or_insert(window);
        stretch.from = stretch.from.min(*offset);
        stretch.to = stretch.to.max(offset + 1);
    }
    stretches.into_values().collect()
}

/// The dead letters of a service about an order.
///
/// Blocks, for some seconds at most.
pub fn letters_of(
    brokers: &str,
    topics: &Topics,
    service: &'static str,
    order: OrderId,
) -> Result<Found<DeadLetter>, AdminError> {
    find(brokers, &topics.dead_letters(service), order, None, |record| letter(service, record))
}

fn find<T>(
    brokers: &str,
    topic: &str,
    order: OrderId,
    to: Option<Timestamp>,
    read: impl Fn(&Scanned<'_>) -> T,
) -> Result<Found<T>, AdminError> {
    let deadline = Instant::now() + LOOK_LIMIT;
    let mut found = Found { items: Vec::new(), complete: true };
    // As a rule clocks agree, and then what comes at a high rate before the order was placed need not be
    // looked through.
    let placed = placed_at(order);
    let soon = placed.and_then(|at| at.checked_sub(CLOCKS_AGREE).ok());
    look(brokers, topic, order, (soon, to), deadline, &mut found, &read)?;
    if found.items.is_empty() && found.complete && soon.is_some() {
        look(brokers, topic, order, (placed_after(order), soon), deadline, &mut found, &read)?;
    }
    Ok(found)
}

/// Looks through a stretch of time of a topic.
fn look<T>(
    brokers: &str,
    topic: &str,
    order: OrderId,
    (from, to): (Option<Timestamp>, Option<Timestamp>),
    deadline: Instant,
    found: &mut Found<T>,
    read: &impl Fn(&Scanned<'_>) -> T,
) -> Result<(), AdminError> {
    let windows = windows(brokers, &[topic.to_owned()], Bounds::Times { from, to })?;
    search(brokers, &windows, order, deadline, found, read)
}

/// Looks through stretches of a topic.
fn search<T>(
    brokers: &str,
    windows: &[Window],
    order: OrderId,
    deadline: Instant,
    found: &mut Found<T>,
    read: &impl Fn(&Scanned<'_>) -> T,
) -> Result<(), AdminError> {
    let key = order.to_string();
    scan(brokers, windows, |record| {
        let subject = record.header(headers::SUBJECT).or(record.key);
        if subject.is_some_and(|subject| subject == key.as_bytes()) {
            found.items.push(read(record));
        }
        // The clock is asked now and then.
        if record.offset % 1_000 == 0 && Instant::now() > deadline {
            found.complete = false;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })
}
