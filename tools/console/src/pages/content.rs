//! What an event or a letter says, as far as it is to be shown.

use askama::Template;
use clap::ValueEnum;
use cli::masking::{self, MASK};
use cli::record::{Content, hex};
use cli::recovery::letter_id;
use serde_json::{Value, json};

use super::Frame;
use crate::words::some;

/// How many fields are listed, and how many bytes of one and of a payload that cannot be read.
const FIELDS_MAX: usize = 500;
const VALUE_MAX: usize = 2_000;
const BYTES_MAX: usize = 4_096;

/// How much is shown of what events and letters say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Payloads {
    /// Nothing: payloads are not even read.
    None,
    /// All but what is personal.
    Masked,
    /// All of it, to everybody.
    Full,
}

/// A record's headers, in order.
pub(crate) type Headers = [(String, Option<Vec<u8>>)];

/// What was read of a record.
pub(crate) struct Told {
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) content: Result<Content, String>,
    /// The subject of its schema in the registry, and its version there.
    pub(crate) subject: Option<(String, Option<i32>)>,
}

/// What is shown of a record.
pub(crate) struct ContentSheet {
    /// What is not shown, and why.
    pub(super) note: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) schema: String,
    pub(super) fields: Vec<(String, String)>,
    pub(super) bytes: String,
    value: Value,
}

impl ContentSheet {
    /// `told` is what was read, or why nothing was.
    pub(crate) fn new(how: Payloads, headers: &Headers, told: Result<&Told, &str>) -> Self {
        let headers = headers.iter().map(|(name, value)| match (how, value) {
            (Payloads::Full, value) => {
                let value = value.as_deref().map(|it| String::from_utf8_lossy(it).into_owned());
                (name.clone(), value.unwrap_or_default())
            }
            // What was masked before stays so.
            (_, value) => masking::header(name, value.as_deref()),
        });
        let mut sheet = Self {
            note: String::new(),
            headers: headers.collect(),
            schema: String::new(),
            fields: Vec::new(),
            bytes: String::new(),
            value: Value::Null,
        };
        match told {
            _ if how == Payloads::None => {
                "What it says is not shown here (CONSOLE_PAYLOADS).".clone_into(&mut sheet.note);
            }
            Ok(told) => sheet.tell(how, told),
            Err(why) => sheet.note = format!("What it says could not be read: {why}."),
        }
        sheet.value = json!({
            "headers": sheet.headers.iter().map(|(name, value)| json!({"name": name, "value": value}))
                .collect::<Vec<_>>(),
            "told": sheet.value.take(),
        });
        if sheet.value["told"].is_null() {
            sheet.value["missing"] = json!(sheet.note);
        }
        sheet
    }

    fn tell(&mut self, how: Payloads, told: &Told) {
        let payload = told.payload.as_deref().unwrap_or_default();
        match &told.content {
            Ok(Content { schema, fields }) => {
                let (subject, version) = told.subject.clone().unzip();
                let version = version.flatten();
                self.schema = format!(
                    "{}, version {}, id {}",
                    subject.as_deref().unwrap_or("an unknown subject"),
                    version.map_or_else(|| "unknown".to_owned(), |version| version.to_string()),
                    schema.id
                );
                let shown = match how {
                    Payloads::Full => fields.clone(),
                    _ => masking::masked(&schema.json, fields.clone()),
                };
                let all = rows("", &shown, &mut self.fields);
                if all > self.fields.len() {
                    self.note = format!(
                        "Of {} the first {FIELDS_MAX} are listed; as JSON there are all.",
                        some(all, "field")
                    );
                }
                self.value = json!({
                    "schema": {"id": schema.id, "name": schema.name, "subject": subject, "version": version},
                    "payload": shown,
                    "bytes": payload.len(),
                });
            }
            Err(why) => {
                let why = match how {
                    Payloads::Full => why.clone(),
                    _ => masking::error_about(why, payload),
                };
                self.note =
                    format!("It has {}, and cannot be read: {why}.", some(payload.len(), "byte"));
                self.value = json!({"unreadable": why, "bytes": payload.len()});
                if how == Payloads::Full {
                    let head = &payload[..payload.len().min(BYTES_MAX)];
                    if head.len() < payload.len() {
                        self.note = format!("{} The first {BYTES_MAX} are here.", self.note);
                    }
                    self.bytes = hex(head);
                    self.value["hex"] = json!(self.bytes);
                }
            }
        }
    }

    /// The same, for programs.
    pub(crate) fn as_json(&self) -> &Value {
        &self.value
    }
}

/// The values of a payload by their paths, up to so many. Returns how many there are.
fn rows(path: &str, value: &Value, found: &mut Vec<(String, String)>) -> usize {
    let text = match value {
        Value::Object(fields) if !fields.is_empty() => {
            let dot = if path.is_empty() { "" } else { "." };
            let fields =
                fields.iter().map(|(name, it)| rows(&format!("{path}{dot}{name}"), it, found));
            return fields.sum();
        }
        Value::Array(items) if !items.is_empty() => {
            let items = items.iter().enumerate();
            return items.map(|(at, it)| rows(&format!("{path}[{at}]"), it, found)).sum();
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if found.len() < FIELDS_MAX {
        let mut text = text;
        if text.len() > VALUE_MAX {
            text.truncate(text.floor_char_boundary(VALUE_MAX));
            text.push('…');
        }
        found.push((path.to_owned(), text));
    }
    1
}

/// The form by which what is personal is shown once; or who has sent it.
#[derive(Default)]
pub(crate) struct Reveal {
    /// Why whoever looks may not.
    pub(crate) forbidden: Option<&'static str>,
    /// Why it was not done, if it was tried.
    pub(crate) objection: Option<String>,
    /// To whom it is shown, and the operation in the log.
    pub(crate) shown: Option<(String, String)>,
    /// Whether there is anything to ask for.
    pub(crate) is_offered: bool,
}

/// Where an event is: of which order, whose, in which partition, at which offset.
pub(crate) struct EventAddress {
    pub(crate) order: String,
    pub(crate) service: &'static str,
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

impl EventAddress {
    /// Its page.
    pub(crate) fn path(&self) -> String {
        let Self { order, service, partition, offset, .. } = self;
        format!("/orders/{order}/events/{service}/{partition}/{offset}")
    }
}

#[derive(Template)]
#[template(path = "event.html")]
pub(crate) struct EventPage {
    pub(crate) frame: Frame,
    order: String,
    sentence: String,
    facts: Vec<(&'static str, String)>,
    content: ContentSheet,
    reveal: Reveal,
}

impl EventPage {
    pub(crate) fn new(
        frame: Frame,
        address: &EventAddress,
        name: &str,
        at: String,
        content: ContentSheet,
        reveal: Reveal,
    ) -> Self {
        let EventAddress { order, service, topic, partition, offset } = address;
        let facts = vec![
            ("topic", topic.clone()),
            ("partition", partition.to_string()),
            ("offset", offset.to_string()),
            ("written", at),
        ];
        let sentence = format!("{service} has said {name}.");
        Self { frame, order: order.clone(), sentence, facts, content, reveal }
    }
}

/// An earlier round of a letter: as which letter, why it failed, who put it back and when, and why.
pub(crate) fn round(round: &Value) -> [String; 4] {
    let text = |name: &str| round[name].as_str().unwrap_or("unknown").to_owned();
    let errors = round["errors"].as_array().and_then(|all| all.last()).and_then(Value::as_str);
    let letter = round["dead_letter"].as_str().filter(|id| letter_id(id).is_ok());
    let by = format!("{}, {}", text("redriven_by"), text("redriven_at"));
    let why = errors.unwrap_or("no error is recorded").to_owned();
    [letter.unwrap_or(MASK).to_owned(), why, by, text("reason")]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poison(how: Payloads) -> ContentSheet {
        let content = Err("no “Ada” is known, nor Lovelace".to_owned());
        let told = Told { payload: Some(b"Ada Lovelace".to_vec()), content, subject: None };
        let headers = [("x-who".to_owned(), Some(b"Ada Lovelace".to_vec()))];
        ContentSheet::new(how, &headers, Ok(&told))
    }

    #[test]
    fn of_what_cannot_be_read_only_the_size_and_the_reason_are_shown() {
        let masked = poison(Payloads::Masked);
        let said = format!("{} {} {:?}", masked.note, masked.value, masked.headers);
        assert!(!said.contains("Ada") && !said.contains("Lovelace"), "{said}");
        assert!(masked.bytes.is_empty() && said.contains("12 bytes"), "{said}");
        let full = poison(Payloads::Full);
        assert_eq!(full.bytes, hex(b"Ada Lovelace"));
        assert!(full.value.to_string().contains("x-who"));
        assert!(poison(Payloads::None).note.contains("CONSOLE_PAYLOADS"));
    }

    #[test]
    fn a_large_payload_is_listed_as_far_as_it_is_read() {
        let mut found = Vec::new();
        let value = json!({"lines": vec![json!({"sku": "x".repeat(3_000)}); 700], "none": []});
        assert_eq!(rows("", &value, &mut found), 701);
        assert_eq!(found.len(), FIELDS_MAX);
        assert!(found[0].0 == "lines[0].sku" && found[0].1.len() < 3_000);
    }
}
