use std::collections::HashMap;

use jiff::Timestamp;
use kernel::OrderId;
use thiserror::Error;
use uuid::Uuid;

/// Header that addresses a record to one consumer group; every other group skips it. A redriven
/// dead letter carries it.
pub const TARGET_GROUP: &str = "farandole_target_group";

/// Header of a redriven dead letter: a UUID that is the same however often the letter is redriven.
/// The addressed group's inbox remembers it in the place of the event's id, so the event passes
/// once more, and once only, whether or not it was seen.
pub const REDRIVE: &str = "farandole_redrive";

/// Header of a redriven dead letter: what happened in earlier rounds, a JSON array. It stays with
/// the record when it fails again.
pub const DEAD_HISTORY: &str = "farandole_dead_history";

/// The header names of an event: `CloudEvents` 1.0, Kafka protocol binding, binary mode.
pub mod headers {
    /// Always `1.0`.
    pub const SPECVERSION: &str = "ce_specversion";
    /// The event's id, a `UUIDv7`; what the inbox remembers.
    pub const ID: &str = "ce_id";
    /// The event's type, such as `OrderPlaced`.
    pub const TYPE: &str = "ce_type";
    /// The emitting service, such as `/order`.
    pub const SOURCE: &str = "ce_source";
    /// The order's id.
    pub const SUBJECT: &str = "ce_subject";
    /// When the event happened, RFC 3339.
    pub const TIME: &str = "ce_time";
    /// The event's number among its order's events from this source: 1, 2, 3, without gaps.
    pub const SEQUENCE: &str = "ce_sequence";
    /// Follows one request through the whole fleet.
    pub const CORRELATION_ID: &str = "ce_correlationid";
    /// The id of the event or request that caused this event.
    pub const CAUSATION_ID: &str = "ce_causationid";
    /// W3C trace context, a [`TraceParent`](crate::TraceParent).
    pub const TRACEPARENT: &str = "traceparent";
    /// Always `application/avro`.
    pub const CONTENT_TYPE: &str = "content-type";
}

/// The names of the headers that a dead letter has beside those it came with, and beside
/// [`DEAD_HISTORY`].
pub mod dead_letter_headers {
    /// The errors, oldest first, as a JSON array of text.
    pub const ERRORS: &str = "farandole_dead_errors";
    /// How often it was tried.
    pub const ATTEMPTS: &str = "farandole_dead_attempts";
    /// Where it came from.
    pub const TOPIC: &str = "farandole_dead_source_topic";
    /// Its partition there.
    pub const PARTITION: &str = "farandole_dead_source_partition";
    /// Its offset there.
    pub const OFFSET: &str = "farandole_dead_source_offset";
    /// Which consumer group could not process it.
    pub const GROUP: &str = "farandole_dead_group";
    /// When it failed first, RFC 3339.
    pub const FIRST_FAILED_AT: &str = "farandole_dead_first_failed_at";
    /// When it failed last, RFC 3339.
    pub const LAST_FAILED_AT: &str = "farandole_dead_last_failed_at";
}

/// What is known of an event without reading its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Unique among all events of all services.
    pub id: Uuid,
    /// Such as `OrderPlaced`.
    pub event_type: String,
    /// Such as `/order`.
    pub source: String,
    /// The order it is about; also the record's key.
    pub order: OrderId,
    /// When it happened.
    pub time: Timestamp,
    /// Per order and source, from 1, without gaps.
    pub sequence: u32,
    /// Follows one request through the whole fleet.
    pub correlation_id: String,
    /// The event or request that caused this one.
    pub causation_id: String,
    /// W3C trace context, if the request had one.
    pub traceparent: Option<String>,
}

/// A record whose headers are not those of an event.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidEnvelope {
    /// A required header is not there.
    #[error("header {0} is missing")]
    Missing(&'static str),
    /// A header is there, but not in the form it must have.
    #[error("header {name} is {value:?}, which is not {expected}")]
    Malformed {
        /// Which header.
        name: &'static str,
        /// What it says, shortened.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
}

impl Envelope {
    /// Reads an event's headers. Unknown headers are ignored, as `CloudEvents` asks.
    pub fn parse<'a>(
        headers: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>,
    ) -> Result<Self, InvalidEnvelope> {
        let found: HashMap<&str, &[u8]> =
            headers.filter_map(|(name, value)| Some((name, value?))).collect();
        let text = |name: &'static str| {
            let bytes = found.get(name).ok_or(InvalidEnvelope::Missing(name))?;
            std::str::from_utf8(bytes).map_err(|_| malformed(name, bytes, "UTF-8 text"))
        };
        let version = text(headers::SPECVERSION)?;
        if version != "1.0" {
            return Err(malformed(headers::SPECVERSION, version.as_bytes(), "1.0"));
        }
        Ok(Self {
            id: parsed(headers::ID, text(headers::ID)?, "a UUID")?,
            event_type: text(headers::TYPE)?.to_owned(),
            source: text(headers::SOURCE)?.to_owned(),
            order: parsed(headers::SUBJECT, text(headers::SUBJECT)?, "an order id (a UUID)")?,
            time: parsed(headers::TIME, text(headers::TIME)?, "an RFC 3339 time")?,
            sequence: parsed(headers::SEQUENCE, text(headers::SEQUENCE)?, "a number from 1")?,
            correlation_id: text(headers::CORRELATION_ID)?.to_owned(),
            causation_id: text(headers::CAUSATION_ID)?.to_owned(),
            traceparent: text(headers::TRACEPARENT).ok().map(str::to_owned),
        })
    }

    /// The event's headers, in a fixed order.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut all = vec![
            (headers::SPECVERSION, "1.0".to_owned()),
            (headers::ID, self.id.to_string()),
            (headers::TYPE, self.event_type.clone()),
            (headers::SOURCE, self.source.clone()),
            (headers::SUBJECT, self.order.to_string()),
            (headers::TIME, self.time.to_string()),
            (headers::SEQUENCE, self.sequence.to_string()),
            (headers::CORRELATION_ID, self.correlation_id.clone()),
            (headers::CAUSATION_ID, self.causation_id.clone()),
            (headers::CONTENT_TYPE, "application/avro".to_owned()),
        ];
        if let Some(traceparent) = &self.traceparent {
            all.push((headers::TRACEPARENT, traceparent.clone()));
        }
        all
    }
}

fn parsed<T: std::str::FromStr>(
    name: &'static str,
    text: &str,
    expected: &'static str,
) -> Result<T, InvalidEnvelope> {
    text.parse().map_err(|_| malformed(name, text.as_bytes(), expected))
}

fn malformed(name: &'static str, value: &[u8], expected: &'static str) -> InvalidEnvelope {
    let value = String::from_utf8_lossy(value).chars().take(80).collect();
    InvalidEnvelope::Malformed { name, value, expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope() -> Envelope {
        Envelope {
            id: Uuid::now_v7(),
            event_type: "OrderPlaced".into(),
            source: "/order".into(),
            order: OrderId(Uuid::now_v7()),
            time: "2026-01-02T03:04:05.678Z".parse().unwrap(),
            sequence: 1,
            correlation_id: "c".into(),
            causation_id: "r".into(),
            traceparent: None,
        }
    }

    fn parse(headers: &[(&str, String)]) -> Result<Envelope, InvalidEnvelope> {
        Envelope::parse(headers.iter().map(|(name, value)| (*name, Some(value.as_bytes()))))
    }

    #[test]
    fn what_is_written_is_read_again() {
        let traced = Envelope { traceparent: Some("00-a-b-01".into()), ..envelope() };
        for envelope in [envelope(), traced] {
            assert_eq!(parse(&envelope.headers()), Ok(envelope));
        }
    }

    #[test]
    fn each_missing_or_malformed_header_is_named() {
        let whole = envelope().headers();
        for at in 0..whole.len() {
            let (name, _) = whole[at];
            if name == headers::CONTENT_TYPE {
                continue;
            }
            let mut without = whole.clone();
            without.remove(at);
            assert_eq!(parse(&without), Err(InvalidEnvelope::Missing(name)));
        }
        for name in [headers::ID, headers::SUBJECT, headers::TIME, headers::SEQUENCE] {
            let mut bad = whole.clone();
            bad.iter_mut().filter(|(n, _)| *n == name).for_each(|(_, v)| *v = "nonsense".into());
            let error = parse(&bad).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("nonsense"), "{error}");
        }
    }
}
