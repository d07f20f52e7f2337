//! One record, read where it is, and what it says by the schema that wrote it.

use std::fmt::{self, Write as _};

use contracts::{WriterSchema, frame_schema_id};
use jiff::Timestamp;
use kafka::{Bounds, Registry, Scanned, Window, scan, windows};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::connections::Connections;
use crate::story::in_time;

/// A record of a topic.
#[derive(Debug, Clone)]
pub struct Record {
    /// When Kafka has taken it.
    pub at: Option<Timestamp>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its headers, in order; none of them if the name of one cannot be read.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// What it says.
    pub payload: Option<Vec<u8>>,
}

impl Record {
    fn of(record: &Scanned<'_>) -> Self {
        let own = |bytes: &[u8]| bytes.to_vec();
        let headers = record.headers.iter().flatten();
        Self {
            at: record.timestamp,
            key: record.key.map(own),
            headers: headers.map(|(name, value)| ((*name).to_owned(), value.map(own))).collect(),
            payload: record.payload.map(own),
        }
    }
}

/// The record at a place, `None` if there is none, or why it cannot be told. Takes some seconds at most.
pub async fn find(
    connections: &Connections,
    topic: &str,
    partition: i32,
    offset: i64,
) -> Result<Option<Record>, String> {
    let (brokers, topics) = (connections.kafka_brokers.clone(), vec![topic.to_owned()]);
    in_time(move || {
        let held = windows(&brokers, &topics, Bounds::Everything)?;
        let held = held.into_iter().find(|held| held.partition == partition);
        let Some(held) = held.filter(|held| (held.from..held.to).contains(&offset)) else {
            return Ok(None);
        };
        let mut found = None;
        let place = Window { from: offset, to: offset + 1, ..held };
        scan(&brokers, &[place], |record| {
            if record.offset == offset {
                found = Some(Record::of(record));
            }
            std::ops::ControlFlow::Continue(())
        })?;
        Ok(found)
    })
    .await
}

/// What an event says.
#[derive(Debug, Clone)]
pub struct Content {
    /// The schema that it was written with.
    pub schema: Schema,
    /// Its fields by name. Logical types stay as Avro has them; bytes are hexadecimal.
    pub fields: Value,
}

/// A schema, as the registry has it.
#[derive(Debug, Clone)]
pub struct Schema {
    /// Its id.
    pub id: i32,
    /// The full name of the record that it is of, if it is of one.
    pub name: Option<String>,
    /// What it says.
    pub json: Value,
    text: String,
}

/// What a payload says, by the schema that it names; or why that cannot be told.
pub async fn decode(payload: Option<&[u8]>, registry: &Registry) -> Result<Content, String> {
    let payload = payload.ok_or("the record has no payload")?;
    let id = frame_schema_id(payload).map_err(|error| error.to_string())?;
    let text = registry.schema(id).await.map_err(|error| error.to_string())?;
    let writer = WriterSchema::parse(&text).map_err(|error| error.to_string())?;
    let Shown(fields) = writer.decode(payload).map_err(|error| error.to_string())?;
    let json: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let name = match (json["namespace"].as_str(), json["name"].as_str()) {
        (Some(namespace), Some(name)) if !name.contains('.') => Some(format!("{namespace}.{name}")),
        (_, name) => name.map(str::to_owned),
    };
    Ok(Content { schema: Schema { id, name, json, text: text.to_string() }, fields })
}

impl Schema {
    /// The subject under which it is registered for a topic, and its version there, as far as the registry
    /// tells.
    pub async fn subject(&self, topic: &str, registry: &Registry) -> Option<(String, Option<i32>)> {
        let subject = format!("{topic}-{}", self.name.as_ref()?);
        let version = registry.version_of(&subject, &self.text).await.ok();
        Some((subject, version))
    }
}

/// A value as JSON has it, with bytes as hexadecimal text.
struct Shown(Value);

impl<'de> Deserialize<'de> for Shown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Show)
    }
}

struct Show;

impl<'de> Visitor<'de> for Show {
    type Value = Shown;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Shown, E> {
        Ok(Shown(text.into()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Shown, E> {
        Ok(Shown(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Shown, E> {
        Ok(Shown(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Shown, E> {
        Ok(Shown(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Shown, E> {
        Ok(Shown(value.into()))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Shown, E> {
        Ok(Shown(hex(bytes).into()))
    }

    fn visit_unit<E>(self) -> Result<Shown, E> {
        Ok(Shown(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Shown, A::Error> {
        let mut all = Vec::new();
        while let Some(Shown(item)) = items.next_element()? {
            all.push(item);
        }
        Ok(Shown(all.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Shown, A::Error> {
        let mut all = Map::new();
        while let Some((name, Shown(value))) = entries.next_entry::<String, _>()? {
            all.insert(name, value);
        }
        Ok(Shown(all.into()))
    }
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bytes_and_logical_types_are_read_as_well() {
        let schema = r#"{"type": "record", "name": "T", "fields": [
            {"name": "bytes", "type": ["null", "bytes"]},
            {"name": "fixed", "type": {"type": "fixed", "name": "F", "size": 2}},
            {"name": "enum", "type": {"type": "enum", "name": "E", "symbols": ["A", "B"]}},
            {"name": "map", "type": {"type": "map", "values": "double"}},
            {"name": "time", "type": {"type": "long", "logicalType": "timestamp-millis"}}]}"#;
        let mut payload = b"\0\0\0\0\x01\x02\x04\xc0\xff\xee\x01\x02\x02\x02a".to_vec();
        payload.extend(1.5_f64.to_le_bytes());
        payload.extend(b"\0\x08");
        let Shown(value) = WriterSchema::parse(schema).unwrap().decode(&payload).unwrap();
        let expected =
            json!({"bytes": "c0ff", "fixed": "ee01", "enum": "B", "map": {"a": 1.5}, "time": 4});
        assert_eq!(value, expected);
    }
}
