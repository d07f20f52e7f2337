//! One real event of each type and version, as the stories have led to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use contracts::{CodecError, Encoder, Envelope, WriterSchema};
use declarations::{Schema, Schemas};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fields::fields;

/// The schema's id in the examples. The real one is given by each registry.
const SCHEMA_ID: i32 = 1;

/// An event as it was on the wire, with stable ids and times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// Who emitted it.
    pub service: String,
    /// Its type.
    pub event: String,
    /// The version of the schema that it was written with.
    pub version: u32,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// Its key.
    pub key: String,
    /// Its fields.
    pub value: Value,
    /// The same as bytes, in hexadecimal: a zero, the schema's id, and Avro.
    pub hex: String,
}

/// Examples of events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Examples(Vec<Example>);

/// Examples that are none.
#[derive(Debug, thiserror::Error)]
pub enum InvalidExamples {
    /// The file is not as it is written.
    #[error("the examples cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// An example is not what its schema or its headers say.
    #[error("the example of {event}.v{version} is none: {reason}")]
    Wrong {
        /// The event, with its service.
        event: String,
        /// The version.
        version: u32,
        /// Why.
        reason: String,
    },
    /// There is none.
    #[error("{0} has no example: record one with make examples")]
    Missing(String),
}

impl Example {
    /// An example of an event with these headers and fields, as bytes by this schema.
    pub fn of(
        schema: &Schema,
        headers: impl IntoIterator<Item = (impl Into<String>, String)>,
        key: String,
        value: Value,
    ) -> Result<Self, CodecError> {
        let bytes = Encoder::new(SCHEMA_ID, &schema.text)?.encode(&value)?;
        Ok(Self {
            service: schema.service.clone(),
            event: schema.event_type.clone(),
            version: schema.version,
            headers: headers.into_iter().map(|(name, value)| (name.into(), value)).collect(),
            key,
            value,
            hex: hex(&bytes),
        })
    }

    /// The same event as an older version of its schema has it.
    fn as_of(&self, older: &Schema) -> Result<Self, CodecError> {
        let schema: Value = serde_json::from_str(&older.text).unwrap_or_default();
        let paths: BTreeSet<String> = fields(&schema).into_iter().map(|it| it.path).collect();
        let (headers, key) = (self.headers.clone(), self.key.clone());
        Self::of(older, headers, key, only(&self.value, "", &paths))
    }

    fn check(&self, schema: &Schema) -> Result<(), String> {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), Some(value.as_bytes())));
        let envelope = Envelope::parse(headers).map_err(|error| error.to_string())?;
        if envelope.event_type != self.event || envelope.source != format!("/{}", self.service) {
            return Err("its headers are of another event".to_owned());
        }
        if envelope.saga.to_string() != self.key {
            return Err("its key is not its subject".to_owned());
        }
        let bytes = bytes(&self.hex).ok_or("its bytes are not in hexadecimal")?;
        let writer = WriterSchema::parse(&schema.text).map_err(|error| error.to_string())?;
        let value: Value = writer.decode(&bytes).map_err(|error| error.to_string())?;
        if value != self.value {
            return Err(format!("its bytes say {value}"));
        }
        Ok(())
    }

    fn key(&self) -> (&str, &str, u32) {
        (&self.service, &self.event, self.version)
    }
}

impl Examples {
    /// Those of a file.
    pub fn parse(text: &str) -> Result<Self, InvalidExamples> {
        Ok(Self(serde_json::from_str(text)?))
    }

    /// The file that has them.
    pub fn text(&self) -> String {
        // Of text, numbers and maps with text for keys: there is nothing that JSON has no form for.
        serde_json::to_string_pretty(&self.0).unwrap_or_default() + "\n"
    }

    /// That of this version of an event.
    pub fn find(&self, service: &str, event: &str, version: u32) -> Option<&Example> {
        self.0.iter().find(|it| it.key() == (service, event, version))
    }

    /// Puts an example in the place of that of the same version. Those of versions that are written no
    /// more stay.
    pub fn put(&mut self, example: Example) {
        self.0.retain(|it| it.key() != example.key());
        self.0.push(example);
        self.0.sort_by(|a, b| a.key().cmp(&b.key()));
    }

    /// Makes those of older versions that nobody writes any more, of the next newer one's: the same event
    /// without the fields that came later.
    pub fn complete(&mut self, schemas: &Schemas) -> Result<(), CodecError> {
        for versions in schemas.by_event() {
            for schema in versions.iter().rev() {
                let is_there = |version| self.find(&schema.service, &schema.event_type, version);
                if is_there(schema.version).is_some() {
                    continue;
                }
                let mut later =
                    versions.iter().map(|it| it.version).filter(|it| *it > schema.version);
                if let Some(newer) = later.find_map(is_there) {
                    let example = newer.as_of(schema)?;
                    self.put(example);
                }
            }
        }
        Ok(())
    }

    /// Leaves out those of events that have no schema any more.
    pub fn only_of(&mut self, schemas: &Schemas) {
        let there = |it: &Example| {
            let mut all = schemas.by_event().flatten();
            all.any(|schema| {
                (schema.service.as_str(), schema.event_type.as_str(), schema.version) == it.key()
            })
        };
        self.0.retain(there);
    }

    /// Checks that each is an event: its bytes are its fields by its schema, and its headers are those
    /// of such an event.
    pub fn check(&self, schemas: &Schemas) -> Result<(), InvalidExamples> {
        let all: Vec<&Schema> = schemas.by_event().flatten().collect();
        for example in &self.0 {
            let is_its = |it: &&&Schema| {
                (it.service.as_str(), it.event_type.as_str(), it.version) == example.key()
            };
            let checked = match all.iter().find(is_its) {
                Some(schema) => example.check(schema),
                None => Err("there is no such schema".to_owned()),
            };
            checked.map_err(|reason| InvalidExamples::Wrong {
                event: format!("{}/{}", example.service, example.event),
                version: example.version,
                reason,
            })?;
        }
        Ok(())
    }

    /// Checks that there is one of each version of each event.
    pub fn check_complete(&self, schemas: &Schemas) -> Result<(), InvalidExamples> {
        let missing = schemas
            .by_event()
            .flatten()
            .find(|it| self.find(&it.service, &it.event_type, it.version).is_none());
        missing.map_or(Ok(()), |it| {
            let name = format!("{}/{}.v{}", it.service, it.event_type, it.version);
            Err(InvalidExamples::Missing(name))
        })
    }
}

/// A value with the fields at these paths alone.
fn only(value: &Value, path: &str, paths: &BTreeSet<String>) -> Value {
    match value {
        Value::Array(items) => {
            items.iter().map(|item| only(item, &format!("{path}[]"), paths)).collect()
        }
        Value::Object(members) => {
            let dot = if path.is_empty() { "" } else { "." };
            let inner = |name: &String| format!("{path}{dot}{name}");
            // The members of a map are no fields, and all of them stay.
            let is_map = !members.keys().any(|name| paths.contains(&inner(name)));
            let kept = members.iter().filter_map(|(name, value)| {
                let at = if is_map { format!("{path}{{}}") } else { inner(name) };
                (is_map || paths.contains(&at)).then(|| (name.clone(), only(value, &at, paths)))
            });
            Value::Object(kept.collect())
        }
        other => other.clone(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = hex.chars().map(|it| it.to_digit(16)).collect();
    let pairs = digits.filter(|it| it.len().is_multiple_of(2))?;
    pairs.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ORDER: &str = "0196c1a0-0000-7000-8000-000000000001";

    fn example() -> Example {
        let schemas = Schemas::embedded();
        let schema = schemas.by_event().flatten().find(|it| it.event_type == "OrderCancelled");
        let headers = [
            ("ce_specversion", "1.0"),
            ("ce_id", "0196c1a0-0000-7000-8000-000000000002"),
            ("ce_type", "OrderCancelled"),
            ("ce_source", "/order"),
            ("ce_subject", ORDER),
            ("ce_time", "2026-01-01T12:00:00Z"),
            ("ce_sequence", "2"),
            ("ce_correlationid", "a"),
            ("ce_causationid", "b"),
            ("content-type", "application/avro"),
        ];
        let headers = headers.map(|(name, value)| (name, value.to_owned()));
        let value = json!({"order_id": ORDER, "reason": "out_of_stock"});
        Example::of(schema.unwrap(), headers, ORDER.to_owned(), value).unwrap()
    }

    #[test]
    fn an_example_is_bytes_that_say_its_fields() {
        let mut examples = Examples::default();
        examples.put(example());
        examples.put(example());
        let schemas = Schemas::embedded();
        examples.check(&schemas).unwrap();
        assert_eq!(Examples::parse(&examples.text()).unwrap(), examples);
        assert_eq!(examples.0.len(), 1);
        let missing = examples.check_complete(&schemas).unwrap_err().to_string();
        assert!(missing.contains("make examples"), "{missing}");
    }

    #[test]
    fn an_older_version_has_the_event_without_what_came_later() {
        let line = r#"{"type": "record", "name": "Line", "fields": [
            {"name": "sku", "type": "string"} MORE]}"#;
        let schema = |version: u32, of_line: &str, more: &str| {
            let line = line.replace(" MORE", of_line);
            let lines =
                format!(r#"{{"name": "lines", "type": {{"type": "array", "items": {line}}}}}"#);
            let tags = r#"{"name": "tags", "type": {"type": "map", "values": "int"}}"#;
            Schema {
                service: "shop".to_owned(),
                event_type: "Sold".to_owned(),
                version,
                text: format!(
                    r#"{{"type": "record", "name": "Sold", "fields": [{lines}, {tags}{more}]}}"#
                ),
            }
        };
        let [field, other] = ["size", "way"]
            .map(|name| format!(r#", {{"name": "{name}", "type": "string", "default": "x"}}"#));
        let value = json!({"lines": [{"sku": "a", "size": "b"}], "tags": {"c": 1}, "way": "d"});
        let newer = schema(2, &field, &other);
        let headers: [(String, String); 0] = [];
        let example = Example::of(&newer, headers, String::new(), value).unwrap();
        let older = example.as_of(&schema(1, "", "")).unwrap();
        assert_eq!(older.value, json!({"lines": [{"sku": "a"}], "tags": {"c": 1}}));
        assert_eq!(older.version, 1);
    }

    #[test]
    fn what_is_no_example_is_refused() {
        let refused = |change: &dyn Fn(&mut Example)| {
            let mut example = example();
            change(&mut example);
            Examples(vec![example]).check(&Schemas::embedded()).unwrap_err().to_string()
        };
        let header = |name: &'static str, value: &'static str| {
            refused(&move |it| {
                it.headers.insert(name.to_owned(), value.to_owned());
            })
        };
        assert!(refused(&|it| it.value["reason"] = json!("other")).contains("its bytes say"));
        assert!(refused(&|it| it.hex.truncate(20)).contains("OrderCancelled.v1"));
        assert!(refused(&|it| it.hex.push('x')).contains("hexadecimal"));
        assert!(refused(&|it| it.hex.push('0')).contains("hexadecimal"));
        assert!(refused(&|it| it.hex.push_str("00")).contains("left over"));
        assert!(refused(&|it| it.version = 99).contains("no such schema"));
        assert!(refused(&|it| it.key.clear()).contains("key"));
        assert!(header("ce_type", "OrderPlaced").contains("another event"));
        assert!(header("ce_source", "/payment").contains("another event"));
        assert!(header("ce_sequence", "0").contains("ce_sequence"));
    }
}
