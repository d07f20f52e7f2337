//! Messages: one per version of an event, dead letters, and what operators decide.

use serde_json::{Map, Value, json};

use super::{AVRO, BINDINGS};
use crate::model::{Catalogue, Event, Version};
use crate::phrase;
use crate::wire::{DEAD_HEADERS, Form, HEADERS, Holding, Topic};
use crate::yaml::Yaml;

/// The name of the message that a dead letter is.
pub(super) const DEAD_LETTER: &str = "DeadLetter";
/// The name of the message that an operator's decision is.
pub(super) const OPERATION: &str = "Operation";

/// A message's name on its channel: the event's type, and of older versions the number, too.
pub(super) fn key(event: &Event, version: &Version) -> String {
    if version.number == event.current().number {
        event.name.clone()
    } else {
        format!("{}.v{}", event.name, version.number)
    }
}

/// A message's name among all messages.
fn component(event: &Event, version: &Version) -> String {
    format!("{}.{}", event.service, key(event, version))
}

/// What is on a topic, by reference.
pub(super) fn of_topic(catalogue: &Catalogue, topic: &Topic) -> Yaml {
    let to = |name: &str| Yaml::reference(&format!("#/components/messages/{name}"));
    match &topic.holding {
        Holding::DeadLetters(_) => Yaml::map([(DEAD_LETTER, to(DEAD_LETTER))]),
        Holding::Operations => Yaml::map([(OPERATION, to(OPERATION))]),
        Holding::Events(service) => Yaml::map(catalogue.events_of(service).flat_map(|event| {
            let versions = event.versions.iter().rev();
            versions.map(move |it| (key(event, it), to(&component(event, it))))
        })),
    }
}

/// All messages of these topics.
pub(super) fn components(topics: &[Topic], events: &[&Event]) -> Yaml {
    let of_event = |event: &&Event| {
        let versions = event.versions.iter().rev();
        let event = (*event).clone();
        versions.map(move |it| (component(&event, it), message(&event, it))).collect::<Vec<_>>()
    };
    let mut all: Vec<(String, Yaml)> = events.iter().flat_map(of_event).collect();
    if topics.iter().any(|it| matches!(it.holding, Holding::DeadLetters(_))) {
        all.push((DEAD_LETTER.to_owned(), dead_letter()));
    }
    if topics.iter().any(|it| it.holding == Holding::Operations) {
        all.push((OPERATION.to_owned(), operation()));
    }
    Yaml::Map(all)
}

fn message(event: &Event, version: &Version) -> Yaml {
    let payload = Yaml::map([("schemaFormat", AVRO.into()), ("schema", avro(&version.schema))]);
    let correlation = Yaml::map([
        ("description", Yaml::from("Follows one request through the whole fleet.")),
        ("location", "$message.header#/ce_correlationid".into()),
    ]);
    let mut members = vec![
        ("name", Yaml::from(&event.name)),
        ("title", format!("{}, version {}", event.name, version.number).into()),
        ("summary", Yaml::from(&version.about)),
        ("description", phrase::fate(event).into()),
        ("contentType", "application/avro".into()),
        ("tags", Yaml::List(vec![Yaml::map([("name", Yaml::from(&event.service))])])),
        ("headers", headers(event)),
        ("payload", payload),
        ("correlationId", correlation),
        ("bindings", Yaml::map([("kafka", kafka())])),
    ];
    if let Some(example) = &version.example {
        let example = Yaml::map([
            ("name", Yaml::from(format!("{}.v{}", event.name, version.number))),
            ("summary", "With stable ids and times.".into()),
            ("headers", json!(example.headers).into()),
            ("payload", example.value.clone().into()),
        ]);
        members.push(("examples", Yaml::List(vec![example])));
    }
    members.push(("x-owner", Yaml::from(&event.owner)));
    members.push(("x-version", json!(version.number).into()));
    members.push(("x-personal", Yaml::list(version.personal())));
    Yaml::map(members)
}

fn kafka() -> Yaml {
    Yaml::map([
        ("key", json!({"type": "string", "format": "uuid"}).into()),
        ("schemaIdLocation", "payload".into()),
        ("schemaIdPayloadEncoding", "confluent".into()),
        ("schemaLookupStrategy", "TopicRecordNameStrategy".into()),
        ("bindingVersion", BINDINGS.into()),
    ])
}

/// The headers of an event: a schema in which its type and its source are constants.
fn headers(event: &Event) -> Yaml {
    let property = |form: Form| match form {
        Form::Always(value) => json!({"const": value}),
        Form::Type => json!({"const": event.name}),
        Form::Source => json!({"const": format!("/{}", event.service)}),
        Form::Format(format) => json!({"format": format}),
        Form::Pattern(pattern) => json!({"pattern": pattern}),
        Form::Text(max) => json!({"maxLength": max}),
    };
    let properties = HEADERS.iter().map(|header| {
        let mut members = Map::new();
        members.insert("type".to_owned(), "string".into());
        members.extend(property(header.form).as_object().cloned().unwrap_or_default());
        members.insert("description".to_owned(), header.about.into());
        (header.name, ordered(Value::Object(members), &["type", "const", "format", "pattern"]))
    });
    let required = HEADERS.iter().filter(|it| it.is_required).map(|it| it.name);
    Yaml::map([
        ("type", "object".into()),
        ("required", Yaml::list(required)),
        ("properties", Yaml::map(properties)),
    ])
}

/// A record that came as any event may, so there is no schema of what is in it.
fn dead_letter() -> Yaml {
    let properties = DEAD_HEADERS.iter().map(|(name, about)| {
        (*name, Yaml::map([("type", "string".into()), ("description", Yaml::from(*about))]))
    });
    let headers = Yaml::map([("type", "object".into()), ("properties", Yaml::map(properties))]);
    Yaml::map([
        ("name", DEAD_LETTER.into()),
        ("title", "A record that could not be processed".into()),
        (
            "summary",
            "The record's key, headers and bytes as they came, and in further headers what went wrong."
                .into(),
        ),
        ("contentType", "application/octet-stream".into()),
        ("headers", headers),
    ])
}

/// JSON, as shared/contracts/src/operations.rs has it.
fn operation() -> Yaml {
    Yaml::map([
        ("name", OPERATION.into()),
        ("title", "An operator's decision, or what came of it".into()),
        (
            "summary",
            "An entry of the log of operations, as JSON; all entries of an operation have its id as key."
                .into(),
        ),
        ("contentType", "application/json".into()),
        ("payload", json!({"type": "object"}).into()),
        (
            "bindings",
            Yaml::map([(
                "kafka",
                json!({"key": {"type": "string", "format": "uuid"}, "bindingVersion": BINDINGS})
                    .into(),
            )]),
        ),
    ])
}

/// A schema with its members in the order in which people write them.
fn avro(schema: &Value) -> Yaml {
    match schema {
        Value::Object(_) => {
            ordered(schema.clone(), &["type", "name", "namespace", "logicalType", "doc", "default"])
        }
        Value::Array(items) => Yaml::List(items.iter().map(avro).collect()),
        other => other.clone().into(),
    }
}

/// The members of an object, these first. Those within are in the same order.
fn ordered(value: Value, first: &[&str]) -> Yaml {
    let Value::Object(mut members) = value else { return value.into() };
    let of_type = members.remove("type").map(|value| ("type".to_owned(), value));
    // A field's name comes before its type, a type's after it.
    let is_field = of_type.as_ref().is_some_and(|(_, it)| {
        members.contains_key("name") && !["record", "enum", "fixed"].iter().any(|kind| it == kind)
    });
    let name = members.remove("name").map(|value| ("name".to_owned(), value));
    let (one, two) = if is_field { (name, of_type) } else { (of_type, name) };
    let mut all: Vec<(String, Value)> = one.into_iter().chain(two).collect();
    for key in first {
        all.extend(members.remove(*key).map(|value| ((*key).to_owned(), value)));
    }
    all.extend(members);
    let inner = |value: Value| match value {
        Value::Object(_) => ordered(value, first),
        Value::Array(items) => {
            Yaml::List(items.into_iter().map(|item| ordered(item, first)).collect())
        }
        other => other.into(),
    };
    // A default is a value, and not a schema.
    let written = |(key, value): (String, Value)| {
        let value = if key == "default" { value.into() } else { inner(value) };
        (key, value)
    };
    Yaml::Map(all.into_iter().map(written).collect())
}
