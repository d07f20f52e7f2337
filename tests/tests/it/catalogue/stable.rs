//! Ids and times that are the same each time that a story is told.

use catalogue::{Example, fields};
use contracts::headers;
use declarations::{Schema, fleet};
use jiff::{SignedDuration, Timestamp};
use kafka::ReadEvent;
use serde_json::Value;

/// When the first story happens.
const BEGIN_S: i64 = 1_768_469_400;
/// How long after the first the next one happens.
const STORY: SignedDuration = SignedDuration::from_mins(1);
/// How long one event takes to lead to the next.
const STEP: SignedDuration = SignedDuration::from_millis(40);
/// From this many digits of hexadecimal on, a text is an id.
const ID_MIN: usize = 12;

/// What ids have become so far.
#[derive(Default)]
pub(crate) struct Stable {
    known: Vec<(String, String)>,
    stories: i32,
}

impl Stable {
    /// What comes now is of the next story.
    pub(crate) fn next_story(&mut self) {
        self.stories += 1;
    }

    fn begin(&self) -> Timestamp {
        Timestamp::from_second(BEGIN_S).unwrap() + STORY * (self.stories - 1)
    }

    /// An event with ids and times that stay.
    pub(crate) fn example(&mut self, schema: &Schema, event: &ReadEvent) -> Example {
        let envelope = &event.envelope;
        let depth = i32::try_from(fleet().depth(&envelope.event_type)).unwrap();
        let time = self.begin() + STEP * depth;
        let key = self.text(&envelope.saga.to_string());
        let mut value = self.value(&event.payload);
        for field in fields(&serde_json::from_str(&schema.text).unwrap()) {
            if field.type_text == "long (timestamp-millis)" && field.depth == 0 {
                value[&field.name] = time.as_millisecond().into();
            }
        }
        let told: Vec<(&str, String)> = envelope
            .headers()
            .into_iter()
            .map(|(name, value)| match name {
                headers::TIME => (name, time.to_string()),
                headers::TRACEPARENT => (name, self.traceparent()),
                _ => (name, self.text(&value)),
            })
            .collect();
        Example::of(schema, told, key, value).unwrap()
    }

    /// One trace per story.
    fn traceparent(&self) -> String {
        format!("00-{0:032x}-{0:016x}-01", self.stories)
    }

    /// A value in which ids stay.
    pub(crate) fn value(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.text(text).into(),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(members) => {
                let members = members.iter().map(|(key, value)| (key.clone(), self.value(value)));
                Value::Object(members.collect())
            }
            other => other.clone(),
        }
    }

    fn text(&mut self, text: &str) -> String {
        let is_part = |c: char| c.is_ascii_digit() || matches!(c, 'a'..='f' | 'A'..='F' | '-');
        let mut stable = String::new();
        let mut rest = text;
        while let Some(begin) = rest.find(is_part) {
            let (before, from) = rest.split_at(begin);
            let end = from.find(|c| !is_part(c)).unwrap_or(from.len());
            let (run, after) = from.split_at(end);
            stable.push_str(before);
            stable.push_str(&self.id(run));
            rest = after;
        }
        stable + rest
    }

    /// What stands for an id, in the same form; what is no id stays.
    fn id(&mut self, run: &str) -> String {
        if run.chars().filter(|c| *c != '-').count() < ID_MIN {
            return run.to_owned();
        }
        if let Some((_, known)) = self.known.iter().find(|(id, _)| id == run) {
            return known.clone();
        }
        let number = self.known.len() + 1;
        let id = if run.len() == 36 && run.contains('-') {
            let ms = self.begin().as_millisecond();
            format!("{:08x}-{:04x}-7000-8000-{number:012x}", ms >> 16, ms & 0xffff)
        } else {
            format!("{number:0width$x}", width = run.len())
        };
        self.known.push((run.to_owned(), id.clone()));
        id
    }
}
