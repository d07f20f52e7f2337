use jiff::Timestamp;
use kernel::SagaKey;
use thiserror::Error;
use uuid::Uuid;

use crate::TraceParent;

/// Header that addresses a record to one consumer group; every other group skips it. A redriven
/// dead letter carries it.
pub const TARGET_GROUP: &str = "farandole_target_group";

/// Header of a redriven dead letter: a UUID that is the same however often the letter is redriven.
/// The addressed group remembers it beside the event's id, and passes neither twice.
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
    /// The saga's id.
    pub const SUBJECT: &str = "ce_subject";
    /// When the event happened, RFC 3339.
    pub const TIME: &str = "ce_time";
    /// The event's number among its saga's events from this source: 1, 2, 3, without gaps.
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
    /// Only of a letter whose payload is not here, or not all of it, for its size: how many bytes it
    /// has. Such a letter cannot be redriven.
    pub const CUT: &str = "farandole_dead_cut";
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
    /// The saga it is about; also the record's key.
    pub saga: SagaKey,
    /// When it happened.
    pub time: Timestamp,
    /// Per saga and source, from 1, without gaps.
    pub sequence: u32,
    /// Follows one request through the whole fleet.
    pub correlation_id: String,
    /// The event or request that caused this one.
    pub causation_id: String,
    /// W3C trace context, if the request had one.
    pub traceparent: Option<String>,
}

/// The longest id that follows a request or names a cause, in characters; the API takes no longer
/// one either.
const MAX_ID_CHARS: usize = 128;

/// The longest name of an event's type or source, in characters.
const MAX_NAME_CHARS: usize = 100;

/// A record whose headers are not those of an event.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidEnvelope {
    /// A required header is not there.
    #[error("header {0} is missing")]
    Missing(&'static str),
    /// A header is there more than once, so readers would not agree on what it says.
    #[error("header {0} is there more than once")]
    Repeated(&'static str),
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
    ///
    /// What comes back is bounded and clean, whoever wrote the record: it goes on into events,
    /// rows, logs and terminals. A `traceparent` that the standard does not allow is dropped, as
    /// the standard wants it (W3C Trace Context, 3.2.2); anything else is an error.
    pub fn parse<'a>(
        all: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>,
    ) -> Result<Self, InvalidEnvelope> {
        use headers::{
            CAUSATION_ID, CONTENT_TYPE, CORRELATION_ID, ID, SEQUENCE, SOURCE, SPECVERSION, SUBJECT,
            TIME, TRACEPARENT, TYPE,
        };

        let found = Found::among(all)?;
        found.checked(SPECVERSION, "1.0", |text| (text == "1.0").then_some(()))?;
        if found.has(CONTENT_TYPE) {
            let is_avro = |text: &str| text.eq_ignore_ascii_case("application/avro").then_some(());
            found.checked(CONTENT_TYPE, "application/avro", is_avro)?;
        }
        Ok(Self {
            id: found.checked(ID, "a UUID in lower case", uuid)?,
            event_type: found.checked(TYPE, "up to 100 letters, digits, '.', '_' or '-'", name)?,
            source: found.checked(SOURCE, "'/' and the name of a service", source)?,
            saga: found.checked(SUBJECT, "a saga id (a UUID in lower case)", uuid).map(SagaKey)?,
            time: found.checked(TIME, "an RFC 3339 time", |text| text.parse().ok())?,
            sequence: found.checked(SEQUENCE, "a number from 1", sequence)?,
            correlation_id: found.checked(CORRELATION_ID, PRINTABLE, printable)?,
            causation_id: found.checked(CAUSATION_ID, PRINTABLE, printable)?,
            traceparent: found
                .checked(TRACEPARENT, "a traceparent", |text| text.parse().ok())
                .ok()
                .map(|parent: TraceParent| parent.to_string()),
        })
    }

    /// The event's headers, in a fixed order.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut all = vec![
            (headers::SPECVERSION, "1.0".to_owned()),
            (headers::ID, self.id.to_string()),
            (headers::TYPE, self.event_type.clone()),
            (headers::SOURCE, self.source.clone()),
            (headers::SUBJECT, self.saga.to_string()),
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

/// The headers that an envelope is made from.
struct Found<'a>([Option<&'a [u8]>; NAMES.len()]);

const NAMES: [&str; 11] = [
    headers::SPECVERSION,
    headers::ID,
    headers::TYPE,
    headers::SOURCE,
    headers::SUBJECT,
    headers::TIME,
    headers::SEQUENCE,
    headers::CORRELATION_ID,
    headers::CAUSATION_ID,
    headers::TRACEPARENT,
    headers::CONTENT_TYPE,
];

impl<'a> Found<'a> {
    fn among(
        all: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>,
    ) -> Result<Self, InvalidEnvelope> {
        let mut found = [None; NAMES.len()];
        for (name, value) in all {
            let Some(at) = NAMES.iter().position(|known| *known == name) else { continue };
            if found[at].replace(value.unwrap_or_default()).is_some() {
                return Err(InvalidEnvelope::Repeated(NAMES[at]));
            }
        }
        Ok(Self(found))
    }

    fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.0[NAMES.iter().position(|known| *known == name)?]
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// What a header says, if `read` understands it.
    fn checked<T>(
        &self,
        name: &'static str,
        expected: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, InvalidEnvelope> {
        let bytes = self.get(name).ok_or(InvalidEnvelope::Missing(name))?;
        let text = std::str::from_utf8(bytes).ok();
        text.and_then(read).ok_or_else(|| malformed(name, bytes, expected))
    }
}

/// A UUID in its one canonical spelling (RFC 9562, section 4), so that equal ids are equal texts.
fn uuid(text: &str) -> Option<Uuid> {
    let is_canonical = text.len() == 36 && !text.bytes().any(|b| b.is_ascii_uppercase());
    text.parse().ok().filter(|_| is_canonical)
}

fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=MAX_NAME_CHARS).contains(&text.len()) && text.bytes().all(allowed)
}

fn name(text: &str) -> Option<String> {
    is_name(text).then(|| text.to_owned())
}

fn source(text: &str) -> Option<String> {
    text.strip_prefix('/').is_some_and(is_name).then(|| text.to_owned())
}

fn sequence(text: &str) -> Option<u32> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| is_plain)
}

const PRINTABLE: &str = "1 to 128 printable ASCII characters";

fn printable(text: &str) -> Option<String> {
    let allowed = |b: u8| matches!(b, b' '..=b'~');
    let is_id = (1..=MAX_ID_CHARS).contains(&text.len()) && text.bytes().all(allowed);
    is_id.then(|| text.to_owned())
}

fn malformed(name: &'static str, value: &[u8], expected: &'static str) -> InvalidEnvelope {
    // Cut first: a value may have megabytes.
    let value = String::from_utf8_lossy(&value[..value.len().min(80)]).into_owned();
    InvalidEnvelope::Malformed { name, value, expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn envelope() -> Envelope {
        Envelope {
            id: Uuid::now_v7(),
            event_type: "OrderPlaced".into(),
            source: "/order".into(),
            saga: SagaKey(Uuid::now_v7()),
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
        let traced = Envelope { traceparent: Some(TRACE.into()), ..envelope() };
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
        for (name, value) in [
            (headers::SPECVERSION, "0.3"),
            (headers::ID, "nonsense"),
            (headers::ID, "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057"),
            (headers::TYPE, ""),
            (headers::TYPE, "Order\0Placed"),
            (headers::SOURCE, "order"),
            (headers::SOURCE, "/order\u{1b}[31m"),
            (headers::SUBJECT, "01890A5D-AC96-774B-BCCE-B302099A8057"),
            (headers::TIME, "nonsense"),
            (headers::SEQUENCE, "nonsense"),
            (headers::SEQUENCE, "0"),
            (headers::SEQUENCE, "+1"),
            (headers::CORRELATION_ID, ""),
            (headers::CORRELATION_ID, "a\nb"),
            (headers::CAUSATION_ID, "\u{202e}"),
            (headers::CONTENT_TYPE, "text/plain"),
        ] {
            let error = parse(&with(name, value)).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(&format!("{value:?}")), "{error}");
        }
    }

    #[test]
    fn nothing_that_is_read_is_longer_than_its_bound() {
        let long = "1".repeat(2_000_000);
        for (name, _) in envelope().headers() {
            let error = parse(&with(name, &long)).unwrap_err().to_string();
            assert!(error.contains(name) && error.len() < 300, "{error}");
        }
        let traced = parse(&with(headers::TRACEPARENT, &format!("01{}-{long}", &TRACE[2..])));
        assert_eq!(traced.unwrap().traceparent.as_deref(), Some(TRACE));
    }

    #[test]
    fn a_traceparent_that_is_none_is_dropped() {
        for bad in ["", "00-a-b-01", &TRACE.to_uppercase()] {
            assert_eq!(parse(&with(headers::TRACEPARENT, bad)).unwrap().traceparent, None);
        }
    }

    #[test]
    fn a_header_that_says_two_things_says_nothing() {
        for (name, value) in envelope().headers() {
            let mut twice = envelope().headers();
            twice.push((name, value));
            assert_eq!(parse(&twice), Err(InvalidEnvelope::Repeated(name)));
        }
    }

    /// The headers of an event, with `value` in the place of what one says.
    fn with(name: &'static str, value: &str) -> Vec<(&'static str, String)> {
        let mut all = envelope().headers();
        all.retain(|(other, _)| *other != name);
        all.push((name, value.to_owned()));
        all
    }
}
