//! The wire: topics as they are made, and the headers of events.

use std::time::Duration;

use contracts::{Topics, dead_letter_headers, headers};

use crate::model::Catalogue;

/// How topics are made by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicDefaults {
    /// How many partitions each topic of events or dead letters has.
    pub partitions: i32,
    /// How many copies of each.
    pub replication: i32,
    /// How long events are kept.
    pub retention: Duration,
}

/// What `farandole topics create` makes when it is told nothing else; a test holds the two equal.
pub const TOPIC_DEFAULTS: TopicDefaults =
    TopicDefaults { partitions: 3, replication: 1, retention: Duration::from_hours(7 * 24) };

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub holding: Holding,
    /// How many partitions it has by default.
    pub partitions: i32,
    /// How many copies of each by default.
    pub replication: i32,
    /// How long it keeps records by default; `None` for ever.
    pub retention: Option<Duration>,
    /// What it holds, in a sentence.
    pub about: String,
}

/// What a topic holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holding {
    /// The events of this service.
    Events(String),
    /// What this service could not process.
    DeadLetters(String),
    /// What operators decide.
    Operations,
}

/// All topics: of events, of dead letters, and that of what operators decide.
pub fn topics(catalogue: &Catalogue) -> Vec<Topic> {
    let names = Topics::default();
    let TopicDefaults { partitions, replication, retention } = TOPIC_DEFAULTS;
    let topic = |name, holding, retention, about| Topic {
        name,
        holding,
        partitions,
        replication,
        retention,
        about,
    };
    let services = || catalogue.services.iter().map(|it| it.name.clone());
    let events = services().map(|service| {
        let about = format!("What {service} says. The key is the order's id.");
        topic(names.events(&service), Holding::Events(service), Some(retention), about)
    });
    let dead_letters = services().map(|service| {
        let about = format!(
            "What {service} could not process: the records as they came, and in further headers \
             what went wrong. Kept until somebody sees to them."
        );
        topic(names.dead_letters(&service), Holding::DeadLetters(service), None, about)
    });
    let about = "What operators decide about dead letters, calls and orders, as JSON: in one \
                 partition, so that it is read in the order in which it was done.";
    let operations = Topic {
        partitions: 1,
        ..topic(names.operations(), Holding::Operations, None, about.to_owned())
    };
    events.chain(dead_letters).chain([operations]).collect()
}

/// A header of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: &'static str,
    /// What is in it.
    pub about: &'static str,
    /// The form of its text: a JSON schema's `format` or `pattern`.
    pub form: Form,
    /// Whether each event has it.
    pub is_required: bool,
}

/// The form of a header's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Always this.
    Always(&'static str),
    /// The event's type.
    Type,
    /// The service, behind a slash.
    Source,
    /// Of this format.
    Format(&'static str),
    /// Matching this regular expression.
    Pattern(&'static str),
    /// Any text, of at most this many characters.
    Text(u32),
}

const fn header(name: &'static str, form: Form, about: &'static str) -> Header {
    Header { name, about, form, is_required: true }
}

/// The headers of all events.
pub const HEADERS: [Header; 11] = [
    header(headers::SPECVERSION, Form::Always("1.0"), "The version of CloudEvents."),
    header(
        headers::ID,
        Form::Format("uuid"),
        "The event's id, a UUIDv7. Remember it: an event may come twice.",
    ),
    header(headers::TYPE, Form::Type, "The event's type: which schema's event it is."),
    header(headers::SOURCE, Form::Source, "Who says it; the owner of the topic, and nobody else."),
    header(headers::SUBJECT, Form::Format("uuid"), "The order that it is about; also the key."),
    header(headers::TIME, Form::Format("date-time"), "When it was decided, RFC 3339, UTC."),
    header(
        headers::SEQUENCE,
        Form::Pattern("^[1-9][0-9]*$"),
        "Its number among this service's events of this order: 1, 2, 3, without gaps.",
    ),
    header(
        headers::CORRELATION_ID,
        Form::Text(128),
        "The request that began it all; all that follows carries it.",
    ),
    header(
        headers::CAUSATION_ID,
        Form::Text(128),
        "The id of the event that led to it, or of the request.",
    ),
    header(
        headers::CONTENT_TYPE,
        Form::Always("application/avro"),
        "What the value is, behind the five bytes that name its schema.",
    ),
    Header {
        is_required: false,
        ..header(
            headers::TRACEPARENT,
            Form::Pattern("^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"),
            "W3C trace context, if the request was traced.",
        )
    },
];

/// The headers that dead letters have beside those with which they came.
pub(crate) const DEAD_HEADERS: [(&str, &str); 9] = [
    (dead_letter_headers::ERRORS, "The errors, oldest first: a JSON array of text."),
    (dead_letter_headers::ATTEMPTS, "How often it was tried."),
    (dead_letter_headers::TOPIC, "The topic that it came from."),
    (dead_letter_headers::PARTITION, "Its partition there."),
    (dead_letter_headers::OFFSET, "Its offset there."),
    (dead_letter_headers::GROUP, "The consumer group that could not process it."),
    (dead_letter_headers::FIRST_FAILED_AT, "When it failed first, RFC 3339."),
    (dead_letter_headers::LAST_FAILED_AT, "When it failed last, RFC 3339."),
    (
        dead_letter_headers::CUT,
        "Only where the payload is not here, or not all of it, for its size: how many bytes it has.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::Envelope;

    #[test]
    fn the_headers_are_those_of_an_envelope() {
        let id = "0196c1a0-0000-7000-8000-000000000001";
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let given = |header: &Header| match header.form {
            Form::Always(value) => value,
            Form::Type => "OrderPlaced",
            Form::Source => "/order",
            Form::Format("uuid") => id,
            Form::Format(_) => "2026-01-01T12:00:00Z",
            Form::Pattern(_) if header.name == headers::TRACEPARENT => parent,
            Form::Pattern(_) => "1",
            Form::Text(_) => "a",
        };
        let all = || HEADERS.iter().map(|it| (it.name, given(it)));
        let parse = |without: &str| {
            let some = all().filter(|(name, _)| *name != without);
            Envelope::parse(some.map(|(name, value)| (name, Some(value.as_bytes()))))
        };
        let mut written: Vec<_> = parse("").unwrap().headers();
        let mut told: Vec<_> = all().map(|(name, value)| (name, value.to_owned())).collect();
        written.sort_unstable();
        told.sort_unstable();
        assert_eq!(written, told);
        for header in HEADERS.iter().filter(|it| it.name != headers::CONTENT_TYPE) {
            assert_eq!(parse(header.name).is_err(), header.is_required, "{}", header.name);
        }
    }
}
