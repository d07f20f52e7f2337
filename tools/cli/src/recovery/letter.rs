use std::fmt;

use contracts::dead_letter_headers as dead;
use contracts::operations::LetterId;
use contracts::operations::Number;
use contracts::{DEAD_HISTORY, REDRIVE, TARGET_GROUP, headers};
use jiff::Timestamp;
use kafka::{PlainRecord, Scanned};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::cause;
use super::operations::Handled;
use crate::OrderId;
use crate::masking;

/// Headers with this prefix are ours. They say how a record fared, and are no part of the event.
const OURS: &str = "farandole_";

/// The most rounds kept in a record's history, and the most bytes they may take: a record must fit
/// into its topic again, where Kafka allows a megabyte.
const ROUNDS_MAX: usize = 20;
const HISTORY_BYTES_MAX: usize = 64 * 1024;

/// A record's place in the topic that it failed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// The record's offset there.
    pub offset: i64,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} at {}", self.topic, self.partition, self.offset)
    }
}

/// A dead letter as it lies in its topic. Nothing of it need be as it should.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Where it lies, and whose it is.
    pub id: LetterId,
    /// When it came into the dead-letter topic.
    pub died_at: Timestamp,
    /// The record's key.
    pub key: Option<Vec<u8>>,
    /// What it says; read only where it is wanted.
    pub payload: Option<Vec<u8>>,
    /// None of them if the name of one cannot be read.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Who redrives, and why.
pub struct Redriven<'a> {
    /// Who.
    pub by: &'a str,
    /// When.
    pub at: Timestamp,
    /// Why, if that was said.
    pub reason: Option<&'a str>,
}

impl Letter {
    /// Without its payload.
    pub fn new(service: &str, record: &Scanned<'_>) -> Self {
        let own = |bytes: &[u8]| bytes.to_vec();
        let headers = record.headers.iter().flatten();
        Self {
            id: LetterId {
                service: service.to_owned(),
                partition: record.partition,
                offset: record.offset,
            },
            died_at: record.timestamp.unwrap_or_default(),
            key: record.key.map(own),
            payload: None,
            headers: headers.map(|(name, value)| ((*name).to_owned(), value.map(own))).collect(),
        }
    }

    /// A header's text; the last one's, if there are several: ours come last.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().rev().find(|(there, _)| there == name)?;
        std::str::from_utf8(value.as_deref()?).ok()
    }

    /// The headers that the record came with.
    pub fn own_headers(&self) -> impl Iterator<Item = &(String, Option<Vec<u8>>)> {
        self.headers.iter().filter(|(name, _)| !name.starts_with(OURS))
    }

    /// The type of the event that it is, if it says so.
    pub fn event_type(&self) -> Option<&str> {
        self.header(headers::TYPE)
    }

    /// The event's id, if it has a readable one.
    pub fn event_id(&self) -> Option<Uuid> {
        self.header(headers::ID)?.parse().ok()
    }

    /// The order that it is about, if it says so.
    pub fn order(&self) -> Option<OrderId> {
        self.header(headers::SUBJECT)?.parse().ok()
    }

    /// Which of its order's events it is.
    pub fn number(&self) -> Option<Number> {
        let source = self.header(headers::SOURCE)?.to_owned();
        let sequence = self.header(headers::SEQUENCE)?.parse().ok()?;
        Some(Number { saga: self.order()?, source, sequence })
    }

    /// Why it failed, oldest first.
    pub fn errors(&self) -> Vec<String> {
        let text = self.header(dead::ERRORS).unwrap_or_default();
        serde_json::from_str(text).unwrap_or_else(|_| vec![text.to_owned()])
    }

    /// Why it failed in the end, without what differs between records.
    pub fn cause(&self) -> String {
        match self.errors().last() {
            Some(error) if !error.is_empty() => cause::normalised(error),
            _ => "no error is recorded".to_owned(),
        }
    }

    /// How often it was tried.
    pub fn attempts(&self) -> Option<u32> {
        self.header(dead::ATTEMPTS)?.parse().ok()
    }

    /// The consumer group that could not process it.
    pub fn group(&self) -> Option<&str> {
        self.header(dead::GROUP)
    }

    /// Where it came from, if it says so.
    pub fn source(&self) -> Option<Source> {
        Some(Source {
            topic: self.header(dead::TOPIC)?.to_owned(),
            partition: self.header(dead::PARTITION)?.parse().ok()?,
            offset: self.header(dead::OFFSET)?.parse().ok()?,
        })
    }

    /// The redrive that it came back from, if it did.
    pub fn came_back_from(&self) -> Option<Uuid> {
        self.header(REDRIVE)?.parse().ok()
    }

    /// What the inbox is to know it by when it is redriven: a UUID shaped as v7. It is the same
    /// however often and by whomever the letter is redriven, and for copies of a letter, which
    /// there are when a service or a redrive was killed between writing and taking note of it.
    pub fn redrive_id(&self) -> Uuid {
        let mut hash = Sha256::new();
        let millis = match (self.came_back_from(), self.source()) {
            // Copies of a redriven record are at several places in their topic.
            (Some(redrive), _) => {
                hash.update(redrive.as_bytes());
                redrive.as_u128() >> 80
            }
            (None, Some(source)) => {
                let group = self.group().unwrap_or_default();
                hash.update(format!("{group} {source}"));
                self.failed_at()
            }
            (None, None) => {
                hash.update(self.id.to_string());
                self.failed_at()
            }
        };
        let digest = hash.finalize();
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&millis.to_be_bytes()[10..]);
        bytes[6..].copy_from_slice(&digest[..10]);
        uuid::Builder::from_bytes(bytes)
            .with_version(uuid::Version::SortRand)
            .with_variant(uuid::Variant::RFC4122)
            .into_uuid()
    }

    /// As the log names it.
    pub fn handled(&self) -> Handled {
        let (letter, redrive) = (self.id.clone(), self.redrive_id());
        Handled { letter, redrive, event: self.number() }
    }

    /// When it failed last, in milliseconds since 1970. Copies of it have the same.
    fn failed_at(&self) -> u128 {
        let said = self.header(dead::LAST_FAILED_AT).and_then(|text| text.parse().ok());
        u128::from(said.unwrap_or(self.died_at).as_millisecond().max(0).unsigned_abs())
    }

    /// What happened to it in earlier rounds, oldest first.
    pub fn history(&self) -> Vec<Value> {
        let text = self.header(DEAD_HISTORY).unwrap_or_default();
        serde_json::from_str(text).unwrap_or_default()
    }

    /// The same for who is to see nothing personal: its own headers as [`masking::header`] has them, and errors
    /// without what they quote and without what they share with the payload, which the letter need not have.
    #[must_use]
    pub fn masked(mut self, payload: Option<&[u8]>) -> Self {
        let shown = |error: &str| masking::error_about(error, payload.unwrap_or_default());
        let errors: Vec<String> = self.errors().iter().map(|error| shown(error)).collect();
        let mut history = Value::from(self.history());
        each_text(&mut history, &shown);
        let ours = [(dead::ERRORS, Value::from(errors)), (DEAD_HISTORY, history)];
        for (name, value) in &mut self.headers {
            if let Some((_, shown)) = ours.iter().find(|(ours, _)| ours == name) {
                *value = Some(shown.to_string().into_bytes());
            } else if !name.starts_with(OURS) {
                let shown = masking::header(name, value.as_deref());
                (*name, *value) = (shown.0, Some(shown.1.into_bytes()));
            }
        }
        self.key = None;
        self
    }

    /// The record that goes back to where it came from, or why there is none.
    pub fn redriven(&self, how: &Redriven<'_>) -> Result<PlainRecord, &'static str> {
        let source = self.source().ok_or("it does not say which topic it came from")?;
        let group = self.group().ok_or("it does not say which consumer group it failed in")?;
        if self.own_headers().next().is_none() {
            return Err("its headers are lost, so no service can read it");
        }
        let ours = [
            (TARGET_GROUP, group.to_owned()),
            (REDRIVE, self.redrive_id().to_string()),
            (DEAD_HISTORY, self.history_with(&source, how)),
        ];
        let ours = ours.map(|(name, value)| (name.to_owned(), Some(value.into_bytes())));
        Ok(PlainRecord {
            topic: source.topic,
            key: self.key.clone(),
            payload: self.payload.clone(),
            headers: self.own_headers().cloned().chain(ours).collect(),
        })
    }

    /// The history with this round added, as JSON. The oldest rounds go when it gets long.
    fn history_with(&self, source: &Source, how: &Redriven<'_>) -> String {
        let mut rounds = self.history();
        rounds.push(serde_json::json!({
            "dead_letter": self.id,
            "source": source,
            "attempts": self.attempts(),
            "errors": self.errors(),
            "first_failed_at": self.header(dead::FIRST_FAILED_AT),
            "last_failed_at": self.header(dead::LAST_FAILED_AT),
            "redriven_at": how.at,
            "redriven_by": how.by,
            "reason": how.reason,
        }));
        let mut texts: Vec<String> = rounds.iter().map(Value::to_string).collect();
        let bytes = |texts: &[String]| texts.iter().map(String::len).sum::<usize>();
        while texts.len() > ROUNDS_MAX || (texts.len() > 1 && bytes(&texts) > HISTORY_BYTES_MAX) {
            texts.remove(0);
        }
        format!("[{}]", texts.join(","))
    }
}

/// Changes all texts of a value, but for the names in it.
fn each_text(value: &mut Value, change: &impl Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = change(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_text(item, change)),
        Value::Object(members) => members.values_mut().for_each(|item| each_text(item, change)),
        _ => {}
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    /// A letter that a service wrote.
    pub(crate) fn letter(id: &str, errors: &[&str]) -> Letter {
        let headers = [
            (headers::TYPE, "OrderPlaced".to_owned()),
            (headers::SUBJECT, "0198c0de-0000-7000-8000-0123456789ab".to_owned()),
            (dead::ERRORS, json!(errors).to_string()),
            (dead::ATTEMPTS, errors.len().to_string()),
            (dead::TOPIC, "order.events".to_owned()),
            (dead::PARTITION, "0".to_owned()),
            (dead::OFFSET, "4711".to_owned()),
            (dead::GROUP, "payment".to_owned()),
            (dead::FIRST_FAILED_AT, "2026-01-02T03:04:00Z".to_owned()),
            (dead::LAST_FAILED_AT, "2026-01-02T03:04:05.678Z".to_owned()),
        ];
        Letter {
            id: id.parse().unwrap(),
            died_at: "2026-01-02T03:04:06Z".parse().unwrap(),
            key: Some(b"key".to_vec()),
            payload: Some(b"payload".to_vec()),
            headers: headers.map(|(name, value)| (name.to_owned(), Some(value.into()))).into(),
        }
    }

    fn redrive(letter: &Letter) -> PlainRecord {
        let at = "2026-01-03T00:00:00Z".parse().unwrap();
        letter.redriven(&Redriven { by: "ada@desk", at, reason: Some("fixed") }).unwrap()
    }

    /// What comes back when a redriven record fails again, at this place.
    fn comes_back(record: PlainRecord, id: &str, offset: &str) -> Letter {
        let mut back = letter(id, &["again"]);
        back.headers.retain(|(name, _)| name.starts_with("farandole_dead"));
        back.headers.splice(0..0, record.headers);
        let place = back.headers.iter_mut().find(|(name, _)| name == dead::OFFSET).unwrap();
        place.1 = Some(offset.into());
        back
    }

    #[test]
    fn a_masked_letter_tells_nothing_of_its_payload() {
        let told = ["header ce_id is \"Grace\"", "no street Lovelace 12", "it panicked: Ada"];
        let mut letter = letter("payment/0/17", &told);
        let round = json!([{"errors": ["no Lovelace"], "redriven_by": "grace"}]).to_string();
        let more =
            [("x-Ada", "12"), ("Ada Lovelace", "x"), ("ce_time", "Ada"), (DEAD_HISTORY, &round)];
        letter.headers.extend(more.map(|(name, value)| (name.to_owned(), Some(value.into()))));
        let cause = letter.cause();
        let masked = letter.clone().masked(Some(b"\x10Lovelace\x06Ada\x0412"));
        assert_eq!(
            masked.errors(),
            [
                "header ce_id is (redacted)",
                "no street (redacted) (redacted)",
                "it panicked: (redacted)"
            ]
        );
        assert_ne!(masked.cause(), cause);
        assert_eq!(masked.history()[0]["errors"][0], "no (redacted)");
        assert_eq!(masked.history()[0]["redriven_by"], "grace");
        assert_eq!(masked.redrive_id(), letter.redrive_id());
        assert_eq!((masked.order(), masked.event_type()), (letter.order(), letter.event_type()));
        let shown: Vec<String> = masked.own_headers().map(|it| format!("{it:?}")).collect();
        assert!(!shown.iter().any(|it| it.contains("Lovelace")), "{shown:?}");
        let value = |name: &str| masked.header(name).unwrap().to_owned();
        assert_eq!([value("x-Ada"), value("ce_time")], [masking::MASK; 2]);
    }

    #[test]
    fn a_redrive_id_is_a_v7_of_the_failures_time() {
        let id = letter("payment/0/17", &["no"]).redrive_id();
        assert_eq!(id.get_version(), Some(uuid::Version::SortRand));
        assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
        let (seconds, nanos) = id.get_timestamp().unwrap().to_unix();
        let time = Timestamp::new(seconds.cast_signed(), nanos.cast_signed()).unwrap();
        assert_eq!(time.to_string(), "2026-01-02T03:04:05.678Z");
    }

    #[test]
    fn copies_of_a_letter_have_one_redrive_id_and_others_another() {
        let first = letter("payment/0/17", &["no"]);
        let copy = Letter { died_at: Timestamp::now(), ..letter("payment/0/18", &["no"]) };
        assert_eq!(first.redrive_id(), copy.redrive_id());
        let mut other = letter("payment/0/19", &["no"]);
        other.headers.retain(|(name, _)| name != dead::OFFSET);
        assert_ne!(first.redrive_id(), other.redrive_id());
        let mut of_other_group = letter("payment/0/17", &["no"]);
        of_other_group.headers.push((dead::GROUP.to_owned(), Some(b"shipping".to_vec())));
        assert_ne!(first.redrive_id(), of_other_group.redrive_id());

        // Redriven twice, for the first time was not noted, and both fail.
        let back = comes_back(redrive(&first), "payment/0/20", "5000");
        let back_again = comes_back(redrive(&first), "payment/0/21", "5001");
        assert_eq!(back.came_back_from(), Some(first.redrive_id()));
        assert_ne!(back.redrive_id(), first.redrive_id());
        assert_eq!(back.redrive_id(), back_again.redrive_id());
    }

    #[test]
    fn a_redriven_record_is_the_original_and_what_we_add() {
        let mut letter = letter("payment/0/17", &["no", "still no"]);
        letter.headers.insert(0, ("odd".to_owned(), None));
        let record = redrive(&letter);
        assert_eq!(record.topic, "order.events");
        assert_eq!((&record.key, &record.payload), (&letter.key, &letter.payload));
        let names: Vec<&str> = record.headers.iter().map(|(name, _)| name.as_str()).collect();
        let ours = [TARGET_GROUP, REDRIVE, DEAD_HISTORY];
        assert_eq!(names, [&["odd", headers::TYPE, headers::SUBJECT], &ours[..]].concat());
        assert_eq!(record.headers[0].1, None);
        assert_eq!(record.headers[3].1, Some(b"payment".to_vec()));
    }

    #[test]
    fn each_round_adds_to_the_history() {
        let first = letter("payment/0/17", &["no", "still no"]);
        let second = comes_back(redrive(&first), "payment/0/20", "5000");
        let third = comes_back(redrive(&second), "payment/0/30", "6000");
        let history = third.history();
        assert_eq!(history.len(), 2);
        assert_eq!(
            history[0],
            json!({
                "dead_letter": "payment/0/17",
                "source": {"topic": "order.events", "partition": 0, "offset": 4711},
                "attempts": 2,
                "errors": ["no", "still no"],
                "first_failed_at": "2026-01-02T03:04:00Z",
                "last_failed_at": "2026-01-02T03:04:05.678Z",
                "redriven_at": "2026-01-03T00:00:00Z",
                "redriven_by": "ada@desk",
                "reason": "fixed",
            })
        );
        assert_eq!(history[1]["dead_letter"], "payment/0/20");
        assert_eq!(third.own_headers().count(), first.own_headers().count());
    }

    #[test]
    fn a_history_is_bounded() {
        let mut one = letter("payment/0/1", &[&"x".repeat(10_000)]);
        for round in 2..50 {
            one = comes_back(redrive(&one), &format!("payment/0/{round}"), "5000");
        }
        assert_eq!(one.history().len(), ROUNDS_MAX);
        assert_eq!(one.history().last().unwrap()["dead_letter"], "payment/0/48");
        let mut long = letter("payment/0/1", &[&"x".repeat(HISTORY_BYTES_MAX)]);
        for _ in 0..2 {
            let errors = (dead::ERRORS.to_owned(), Some(json!(["y".repeat(65_536)]).to_string()));
            long = comes_back(redrive(&long), "payment/0/2", "5000");
            long.headers.push((errors.0, errors.1.map(String::into_bytes)));
        }
        assert_eq!(redrive(&long).headers.len(), 5);
        assert_eq!(comes_back(redrive(&long), "payment/0/3", "5000").history().len(), 1);
    }

    #[test]
    fn what_cannot_go_back_says_why() {
        let how = Redriven { by: "ada", at: Timestamp::UNIX_EPOCH, reason: None };
        for (without, why) in [
            (dead::TOPIC, "which topic"),
            (dead::OFFSET, "which topic"),
            (dead::GROUP, "which consumer group"),
        ] {
            let mut letter = letter("payment/0/17", &["no"]);
            letter.headers.retain(|(name, _)| name != without);
            assert!(letter.redriven(&how).unwrap_err().contains(why));
        }
        let mut bare = letter("payment/0/17", &["a header's name is not UTF-8"]);
        bare.headers.retain(|(name, _)| name.starts_with(OURS));
        assert!(bare.redriven(&how).unwrap_err().contains("lost"));
    }

    #[test]
    fn garbage_is_read_as_far_as_it_goes() {
        let mut letter = letter("payment/0/17", &[]);
        letter.headers.push((dead::ERRORS.to_owned(), Some(b"not JSON 17".to_vec())));
        letter.headers.push((dead::ATTEMPTS.to_owned(), None));
        letter.headers.push((headers::TYPE.to_owned(), Some(vec![0xff])));
        letter.headers.push((DEAD_HISTORY.to_owned(), Some(b"{}".to_vec())));
        assert_eq!(letter.cause(), "not JSON <n>");
        assert_eq!((letter.attempts(), letter.event_type()), (None, None));
        assert_eq!(letter.history(), [Value::Null; 0]);
    }
}
