//! An event as the projection takes it from a record.

use choreography::{Essentials, Fact};
use contracts::{TARGET_GROUP, headers};
use jiff::Timestamp;
use kafka::{PayloadError, Payloads, Scanned};
use kernel::Money;
use uuid::Uuid;

use crate::order::Step;

/// How long a reason may be. Those that services give are words.
const REASON_MAX: usize = 60;

/// What is taken of an event.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) order: Uuid,
    pub(crate) step: Step,
    /// What the order costs, if this says it.
    pub(crate) total: Option<Money>,
    /// Why it ended as it did, if this says it.
    pub(crate) reason: Option<String>,
}

/// A record, before its payload is read.
#[derive(Debug)]
pub(crate) struct Arrived {
    event: Event,
    payload: Option<Vec<u8>>,
}

impl Arrived {
    /// `None` of what is no event of the fleet's, and of what comes again for one service alone.
    pub(crate) fn of(record: &Scanned<'_>) -> Option<Self> {
        if record.header(TARGET_GROUP).is_some() {
            return None;
        }
        let Essentials { order, sequence, fact, .. } = Essentials::of(|name| record.header(name))?;
        let time = record.header(headers::TIME).and_then(|time| std::str::from_utf8(time).ok());
        let said_at = time.and_then(|time| time.parse::<Timestamp>().ok()).or(record.timestamp)?;
        let (partition, offset) = (record.partition, record.offset);
        let step = Step { fact, sequence, at: said_at.as_millisecond(), partition, offset };
        let payload = record.payload.filter(|_| wants_payload(fact)).map(<[u8]>::to_vec);
        Some(Self { event: Event { order, step, total: None, reason: None }, payload })
    }

    /// With what its payload says, as far as that is wanted. What cannot be read says nothing; an error only
    /// if the registry does not give the schema.
    pub(crate) async fn read(self, payloads: &mut Payloads) -> Result<Event, PayloadError> {
        let Self { mut event, payload: Some(payload) } = self else { return Ok(self.event) };
        let mut said = match payloads.read(Some(&payload)).await {
            Ok(said) => said,
            Err(PayloadError::Garbage(_)) => return Ok(event),
            Err(error) => return Err(error),
        };
        let fact = event.step.fact;
        let apart = fact.wanted().apart.as_ref().and_then(|field| said[field].as_str());
        event.step.fact = apart.and_then(|value| fact.told_apart(value)).unwrap_or(fact);
        if begins(fact) {
            event.total = serde_json::from_value(said["total"].take()).ok();
        } else {
            event.reason = said["reason"].as_str().map(word);
        }
        Ok(event)
    }
}

/// Only what the service that decides says of an order tells what it costs and why it failed.
fn wants_payload(fact: Fact) -> bool {
    fact.source().begins() || fact.wanted().apart.is_some()
}

fn begins(fact: Fact) -> bool {
    let begins = fact.source().declared().begins.as_ref();
    begins.is_some_and(|begins| begins.event == fact.event_type())
}

/// A text from outside as a label: short, and without what no database takes.
fn word(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(REASON_MAX).collect()
}
