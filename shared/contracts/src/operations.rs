//! The log of what operators decide: one topic with one partition, kept for ever, in which each
//! record is an [`Entry`] as JSON under the operation's id as key.
//!
//! The tool writes it, and says by it what was done about dead letters; the services follow it, and
//! carry out what concerns them. Whoever can write to the topic decides; a record that is not as the
//! tool writes it, or belongs to no operation that was begun, says nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use kernel::SagaKey;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How many things one entry names at most, so that it stays far below what Kafka takes.
pub const PER_ENTRY_MAX: usize = 2_000;
/// The most bytes of an entry that are read: Kafka's default for a record.
const BYTES_MAX: usize = 1_048_576;
/// The longest text in an entry, in bytes.
const TEXT_MAX: usize = 8_192;
/// The most details of an outcome.
const DETAILS_MAX: usize = 8;
/// The longest detail, in bytes.
const DETAIL_MAX: usize = 500;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Dead letters go back to where they came from.
    Redrive,
    /// Dead letters stay dead.
    Discard,
    /// A discard is taken back.
    Undiscard,
    /// Dead letters are known, and nobody is called for them until there are more of their kind.
    Silence,
    /// A silence is ended.
    Unsilence,
    /// A missing event stays missing.
    Acknowledge,
    /// Calls are made now.
    Retry,
    /// Calls are made no more until somebody says otherwise.
    Park,
    /// Calls that were parked are made again.
    Unpark,
    /// It is said what became of a call.
    Settle,
    /// A saga that nobody has placed is undone.
    Undo,
    /// How much the services' clients may write, which is none of the services' business.
    SetQuotas,
    /// Somebody looks at what is personal in an event or a letter. Written as an [`Entry::Revealed`].
    Reveal,
}

impl Kind {
    /// All there are.
    pub const ALL: [Self; 13] = [
        Self::Redrive,
        Self::Discard,
        Self::Undiscard,
        Self::Silence,
        Self::Unsilence,
        Self::Acknowledge,
        Self::Retry,
        Self::Park,
        Self::Unpark,
        Self::Settle,
        Self::Undo,
        Self::SetQuotas,
        Self::Reveal,
    ];

    /// Its name, as it is in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redrive => "redrive",
            Self::Discard => "discard",
            Self::Undiscard => "undiscard",
            Self::Silence => "silence",
            Self::Unsilence => "unsilence",
            Self::Acknowledge => "acknowledge",
            Self::Retry => "retry",
            Self::Park => "park",
            Self::Unpark => "unpark",
            Self::Settle => "settle",
            Self::Undo => "undo",
            Self::SetQuotas => "set quotas",
            Self::Reveal => "reveal",
        }
    }
}

/// One entry of the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Entry {
    /// Somebody is about to do something.
    Began(Began),
    /// It was done to these letters.
    Done(Done),
    /// It was done to this lost event.
    Acknowledged(Acknowledged),
    /// A service is to do it to these calls or sagas.
    Decided(Decided),
    /// That was all. An operation without this was interrupted, or goes on still.
    Ended(Ended),
    /// Somebody looks at what is personal. All of it is in this entry, so that a service or a tool that does
    /// not know it passes over it, as over a newer one's.
    Revealed(Revealed),
    /// What a newer tool writes.
    #[serde(other)]
    Unknown,
}

/// Who does what, and why.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Began {
    /// The operation.
    pub operation: Uuid,
    /// What it does.
    pub kind: Kind,
    /// When it began.
    pub at: Timestamp,
    /// Who does it.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// What was asked for, in the words of the command line.
    pub asked_for: String,
    /// How many things it is about.
    pub letters: usize,
}

/// Letters to which it was done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Done {
    /// The operation.
    pub operation: Uuid,
    /// When.
    pub at: Timestamp,
    /// Which.
    pub letters: Vec<Handled>,
}

/// A lost event to which it was done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Acknowledged {
    /// The operation.
    pub operation: Uuid,
    /// When.
    pub at: Timestamp,
    /// Which.
    pub event: Number,
}

/// What a service is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The operation, whose kind says what.
    pub operation: Uuid,
    /// When.
    pub at: Timestamp,
    /// Who is to do it.
    pub service: String,
    /// To what.
    pub subjects: Vec<Subject>,
    /// What has become of the calls, if that is what it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Said>,
}

/// The end of an operation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ended {
    /// The operation.
    pub operation: Uuid,
    /// When.
    pub at: Timestamp,
    /// What came of it, in words.
    pub outcome: String,
}

/// What is personal in an event or a letter was asked for, and is about to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revealed {
    /// The operation.
    pub operation: Uuid,
    /// When.
    pub at: Timestamp,
    /// To whom.
    pub by: String,
    /// Why.
    pub reason: String,
    /// What of: a letter such as `payment/0/17`, or an order's event with its place.
    pub what: String,
}

/// A letter to which something was done. Copies of a letter have the same redrive id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handled {
    /// Where it is.
    pub letter: LetterId,
    /// What it is known by when it is put back.
    pub redrive: Uuid,
    /// The event that it is, if that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Number>,
}

/// A number in the stream of events that a service has about a saga.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Number {
    /// The saga.
    pub saga: SagaKey,
    /// The `ce_source`, such as `/order`.
    pub source: String,
    /// The `ce_sequence`.
    pub sequence: i32,
}

/// As an operator names it: `01a2… /order 2`.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.saga, self.source, self.sequence)
    }
}

/// What something is decided on: a saga's call, or a saga.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subject {
    /// The saga.
    pub saga: SagaKey,
    /// The call's step, such as `charge`; empty for the saga as a whole.
    pub step: String,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.step.is_empty() {
            return write!(f, "{}", self.saga);
        }
        write!(f, "{}/{}", self.saga, self.step)
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.to_string()
    }
}

impl TryFrom<String> for Subject {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Subject {
    type Err = String;

    /// As the calls' idempotency keys are: `ID/STEP`; or a saga's id alone.
    fn from_str(text: &str) -> Result<Self, String> {
        let (saga, step) = match text.split_once('/') {
            Some((saga, step)) => (saga, Some(step)),
            None => (text, None),
        };
        let is_step = |step: &str| {
            let fits = |b: u8| b.is_ascii_lowercase() || b == b'-';
            (1..=40).contains(&step.len()) && step.bytes().all(fits)
        };
        match saga.parse::<SagaKey>() {
            Ok(saga) if step.is_none_or(is_step) => {
                Ok(Self { saga, step: step.unwrap_or_default().to_owned() })
            }
            _ => Err("expected an id and a step, ID/STEP, such as \
                      019b76da-a800-7000-8000-000000000001/charge"
                .to_owned()),
        }
    }
}

/// What has become of a call, as an operator says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The outcome, such as `charged`.
    pub outcome: String,
    /// What belongs to it, such as the `id` of the charge.
    #[serde(default)]
    pub details: BTreeMap<String, String>,
}

impl Said {
    /// A detail; an error that says what is missing if it is.
    pub fn detail(&self, name: &str) -> Result<String, String> {
        let found = self.details.get(name).filter(|value| !value.trim().is_empty());
        found.cloned().ok_or_else(|| format!("the outcome {:?} needs --{name}", self.outcome))
    }

    /// The error that the outcome is none of these.
    pub fn is_none_of(&self, outcomes: &str) -> String {
        format!("{:?} is no outcome of this call, which has: {outcomes}", self.outcome)
    }
}

/// Where a dead letter is, as people write it: service/partition/offset, such as `payment/0/17`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LetterId {
    /// Who could not process it.
    pub service: String,
    /// The partition of that service's dead-letter topic.
    pub partition: i32,
    /// The offset there.
    pub offset: i64,
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.service, self.partition, self.offset)
    }
}

impl From<LetterId> for String {
    fn from(id: LetterId) -> Self {
        id.to_string()
    }
}

impl FromStr for LetterId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = || {
            let (service, place) = text.split_once('/')?;
            let (partition, offset) = place.split_once('/')?;
            let (partition, offset) = (partition.parse().ok()?, offset.parse().ok()?);
            let fits = !service.is_empty() && partition >= 0 && offset >= 0;
            fits.then(|| Self { service: service.to_owned(), partition, offset })
        };
        parsed().ok_or_else(|| "expected service/partition/offset, such as payment/0/17".to_owned())
    }
}

impl TryFrom<String> for LetterId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl Entry {
    /// What a record of the log says; an error if the tool cannot have written it.
    pub fn parse(key: Option<&[u8]>, payload: Option<&[u8]>) -> Result<Self, String> {
        let payload = payload.ok_or("the record is empty")?;
        if payload.len() > BYTES_MAX {
            return Err(format!("the record has more than {BYTES_MAX} bytes"));
        }
        let entry: Self = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
        if let Some(operation) = entry.operation()
            && key != Some(operation.to_string().as_bytes())
        {
            return Err("the record's key is not the operation".to_owned());
        }
        if entry.is_within_bounds() {
            Ok(entry)
        } else {
            Err("the record says more than the tool writes, or has characters that it does not"
                .to_owned())
        }
    }

    /// Which operation it belongs to, if it is known what it is.
    pub fn operation(&self) -> Option<Uuid> {
        match self {
            Self::Began(Began { operation, .. })
            | Self::Done(Done { operation, .. })
            | Self::Acknowledged(Acknowledged { operation, .. })
            | Self::Decided(Decided { operation, .. })
            | Self::Ended(Ended { operation, .. })
            | Self::Revealed(Revealed { operation, .. }) => Some(*operation),
            Self::Unknown => None,
        }
    }

    fn is_within_bounds(&self) -> bool {
        match self {
            Self::Began(began) => {
                let texts = [Some(&began.by), began.reason.as_ref(), Some(&began.asked_for)];
                texts.into_iter().flatten().all(|text| text.len() <= TEXT_MAX)
            }
            Self::Done(Done { letters, .. }) => {
                let mut events = letters.iter().filter_map(|letter| letter.event.as_ref());
                letters.len() <= PER_ENTRY_MAX && events.all(is_number)
            }
            Self::Acknowledged(Acknowledged { event, .. }) => is_number(event),
            Self::Decided(Decided { subjects, said, .. }) => {
                let said = said.iter().flat_map(|said| {
                    let details = said.details.iter().flat_map(|(name, value)| [name, value]);
                    details.chain([&said.outcome])
                });
                let fits =
                    |text: &String| text.len() <= DETAIL_MAX && !text.chars().any(char::is_control);
                subjects.len() <= PER_ENTRY_MAX && said.clone().count() <= 2 * DETAILS_MAX + 1 && {
                    said
                }
                .all(fits)
            }
            Self::Ended(ended) => ended.outcome.len() <= TEXT_MAX,
            Self::Revealed(Revealed { by, reason, what, .. }) => {
                [by, reason, what].into_iter().all(|text| text.len() <= TEXT_MAX)
            }
            Self::Unknown => true,
        }
    }
}

/// Whether it can be a number: what a service keeps of it is text and an integer.
fn is_number(number: &Number) -> bool {
    number.sequence > 0 && number.source.len() <= 200 && !number.source.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(key: Uuid, payload: &str) -> Result<Entry, String> {
        Entry::parse(Some(key.to_string().as_bytes()), Some(payload.as_bytes()))
    }

    fn decided(said: Option<Said>) -> Decided {
        let subjects = vec![format!("{}/charge", Uuid::max()).parse().unwrap()];
        let (operation, at) = (Uuid::nil(), Timestamp::UNIX_EPOCH);
        Decided { operation, at, service: "payment".to_owned(), subjects, said }
    }

    #[test]
    fn an_entry_is_written_as_it_is_read() {
        let details = [("id".to_owned(), "ch_1".to_owned())].into();
        let said = Said { outcome: "charged".to_owned(), details };
        let entry = Entry::Decided(decided(Some(said)));
        let text = serde_json::to_string(&entry).unwrap();
        assert_eq!(
            text,
            r#"{"entry":"decided","operation":"00000000-0000-0000-0000-000000000000","at":"1970-01-01T00:00:00Z","service":"payment","subjects":["ffffffff-ffff-ffff-ffff-ffffffffffff/charge"],"said":{"outcome":"charged","details":{"id":"ch_1"}}}"#
        );
        let Ok(Entry::Decided(read)) = parse(Uuid::nil(), &text) else { panic!("{text}") };
        let Entry::Decided(written) = entry else { unreachable!() };
        assert_eq!(read, written);
    }

    #[test]
    fn what_the_tool_does_not_write_is_refused() {
        let good = serde_json::to_string(&Entry::Decided(decided(None))).unwrap();
        assert!(parse(Uuid::nil(), &good).is_ok());
        assert!(parse(Uuid::max(), &good).is_err(), "another operation's key");
        for bad in [
            "",
            "{}",
            r#"{"entry":"began"}"#,
            &good.replace("/charge", "/Charge it"),
            &good.replace("/charge", &format!("/{}", "c".repeat(41))),
            &good.replace("ffffffff-", "ffff-"),
            &format!("{}{good}", " ".repeat(BYTES_MAX)),
        ] {
            assert!(parse(Uuid::nil(), bad).is_err(), "{bad:.200}");
        }
        for outcome in ["a\0b", "\u{1b}[31m", &"x".repeat(501)] {
            let said = Said { outcome: outcome.to_owned(), details: BTreeMap::new() };
            let bad = serde_json::to_string(&Entry::Decided(decided(Some(said)))).unwrap();
            assert!(parse(Uuid::nil(), &bad).is_err(), "{bad:.200}");
        }
        assert!(Entry::parse(None, None).is_err());
        let newer = r#"{"entry":"blessed","operation":"?"}"#;
        assert!(matches!(parse(Uuid::nil(), newer), Ok(Entry::Unknown)));
    }

    /// Who does not know it takes it for [`Entry::Unknown`], and not for a beginning of no known kind.
    #[test]
    fn what_is_revealed_is_one_entry_without_a_kind() {
        let text = r#"{"entry":"revealed","operation":"00000000-0000-0000-0000-000000000000","at":"1970-01-01T00:00:00Z","by":"ada","reason":"asked","what":"payment/0/17"}"#;
        let Ok(entry @ Entry::Revealed(_)) = parse(Uuid::nil(), text) else { panic!("{text}") };
        assert_eq!(serde_json::to_string(&entry).unwrap(), text);
        let long = text.replace("asked", &"x".repeat(TEXT_MAX + 1));
        assert!(parse(Uuid::nil(), &long).is_err() && parse(Uuid::max(), text).is_err());
    }

    #[test]
    fn what_is_decided_on_is_written_as_it_is_read() {
        for text in [format!("{}/mail-sent", Uuid::max()), Uuid::nil().to_string()] {
            assert_eq!(text.parse::<Subject>().unwrap().to_string(), text);
        }
        for bad in ["", "charge", "/charge", &format!("{}/", Uuid::nil())] {
            assert!(bad.parse::<Subject>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_letters_place_is_written_as_it_is_read() {
        let id: LetterId = "payment/0/17".parse().unwrap();
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"payment/0/17\"");
        for bad in ["", "payment", "payment/0", "/0/17", "payment/-1/17", "payment/0/17/1"] {
            assert!(bad.parse::<LetterId>().is_err(), "{bad}");
        }
    }
}
