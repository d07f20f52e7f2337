//! Types held equal to schemas, field for field, for writers and readers.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use contracts::{Event, GeneratedValue, WriterSchema, generated_values};
use serde::Serialize;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_avro_fast::ser::SerializerConfig;
use serde_json::{Value as Json, json};

/// Checks that an event is what the newest schema in `schemas/<service>/` says: no field more or less.
pub(crate) fn assert_writes(service: &str, event: &impl Event) {
    let name = event.event_type();
    let (version, newest) = versions(service, name)
        .pop()
        .unwrap_or_else(|| panic!("{service} emits {name}, and schemas/{service}/ has no {name}"));
    assert_eq!(full_name(&newest), format!("farandole.{service}.{name}"), "the record's full name");
    let both = format!(
        "schemas/{service}/{name}.v{version}.avsc and {name} in services/{service}/src/events.rs"
    );
    assert_round_trip(event, &newest, &both);
}

/// The fields of what a service reads that the writer says are personal: paths, such as `recipient`.
pub(crate) fn personal_fields(writer: &str, event_type: &str, reader: &str) -> Vec<String> {
    let Some(newest) = newest(writer, event_type) else { return Vec::new() };
    let parse = |text: &str| -> Json { serde_json::from_str(text).unwrap() };
    let mut found = Vec::new();
    find_personal(&parse(&newest), &parse(reader), "", &mut found);
    found
}

fn find_personal(writer: &Json, reader: &Json, path: &str, found: &mut Vec<String>) {
    let fields =
        |schema: &Json| record_of(schema).into_iter().flatten().cloned().collect::<Vec<_>>();
    for field in fields(writer) {
        let read = fields(reader).into_iter().find(|it| it["name"] == field["name"]);
        let Some(read) = read else { continue };
        let path = format!("{path}{}", field["name"].as_str().unwrap_or_default());
        if field["farandole.personal"] == true {
            found.push(path);
        } else {
            find_personal(&field["type"], &read["type"], &format!("{path}."), found);
        }
    }
}

/// The fields of a record, or of the records that an array, a map or a union has.
fn record_of(schema: &Json) -> Option<&Vec<Json>> {
    match schema {
        Json::Array(branches) => branches.iter().find_map(record_of),
        Json::Object(object) if object.contains_key("fields") => schema["fields"].as_array(),
        Json::Object(_) => ["items", "values", "type"]
            .into_iter()
            .filter_map(|member| schema.get(member))
            .find_map(|inner| if inner.is_string() { None } else { record_of(inner) }),
        _ => None,
    }
}

/// Checks that a service has schemas of what it writes and of what it reads, and no others.
pub(crate) fn assert_no_others(service: &str, emits: &BTreeSet<&str>, reads: &BTreeSet<&str>) {
    let schemas = root().join("schemas").join(service);
    let released = names(&schemas, |file| Some(file.split_once(".v")?.0));
    assert_eq!(emits, &as_texts(&released), "what {service} emits, and the schemas it has");
    let readers = names(&reader_schemas(service), |file| file.strip_suffix(".avsc"));
    assert_eq!(reads, &as_texts(&readers), "what {service} reads, and the reader schemas it has");
}

fn as_texts(names: &BTreeSet<String>) -> BTreeSet<&str> {
    names.iter().map(String::as_str).collect()
}

/// Written by one implementation and read by another, the event is what its type says: a field
/// that only the type or only the schema has would make a difference.
fn assert_round_trip(event: &impl Serialize, schema: &str, both: &str) {
    let fast = schema.parse().unwrap();
    let bytes = serde_avro_fast::to_datum_vec(event, &mut SerializerConfig::new(&fast))
        .unwrap_or_else(|error| panic!("{both} do not have the same fields: {error}"));
    let read_back = resolve(&bytes, &Schema::parse_str(schema).unwrap(), None);
    assert_eq!(read_back, serde_json::to_value(event).unwrap(), "{both} do not say the same");
}

fn reader_schemas(service: &str) -> PathBuf {
    root().join("services").join(service).join("reads")
}

/// Checks that `T` has exactly the fields of `reads/<event_type>.avsc` of the service, and that this
/// schema and `T` read whatever any version of the writer's schema can write, to the same. Texts,
/// numbers and the like that no event has, `T` may refuse.
pub(crate) fn assert_reads<T>(reader_of: &str, event_type: &str)
where
    T: DeserializeOwned + PartialEq + Debug,
{
    let path = reader_schemas(reader_of).join(format!("{event_type}.avsc"));
    let reader_text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let full_name = full_name(&reader_text);
    let reader = Schema::parse_str(&reader_text).unwrap();
    let (service, name) =
        full_name.strip_prefix("farandole.").and_then(|rest| rest.split_once('.')).unwrap();
    assert_eq!(name, event_type, "the record's name, and the file's");

    let versions = versions(service, name);
    assert!(!versions.is_empty(), "{service} writes no {name}");
    for (version, text) in versions {
        let writer = Schema::parse_str(&text).unwrap();
        WriterSchema::parse(&text)
            .and_then(|writer| writer.check_readable_as(&reader_text))
            .unwrap_or_else(|error| panic!("{full_name}.v{version}: {error}"));

        let generated = generated_values(&writer);
        assert!(!generated.is_empty(), "{full_name}.v{version} has no values");
        for GeneratedValue { value, is_extreme } in generated {
            let what = format!("{full_name}.v{version} as {value:?}");
            let bytes = write(&writer, value);
            let resolved = T::deserialize(Exact(resolve(&bytes, &writer, Some(&reader))));
            let read: Result<T, _> =
                serde_avro_fast::from_datum_slice(&bytes, &text.parse().unwrap());
            match (read, resolved) {
                (Ok(read), Ok(resolved)) => assert_eq!(read, resolved, "{what}"),
                // What a schema can hold and no event does, a type may refuse: in both ways.
                (Err(_), Err(_)) if is_extreme => {}
                (_, Err(error)) => panic!(
                    "services/{reader_of}/reads/{event_type}.avsc and {event_type} in mod reads of \
                     services/{reader_of}/src/events.rs do not have the same fields: {error} (seen with \
                     {full_name}.v{version})"
                ),
                (Err(error), _) => panic!(
                    "{event_type} in mod reads of services/{reader_of}/src/events.rs does not decode \
                     {full_name}.v{version}: {error}. Events are decoded by the schema that wrote them, \
                     so a default of the reader schema is not applied: give the field \
                     #[serde(default = …)] with the same value. It was {what}"
                ),
            }
        }
    }
}

/// The newest version of each schema in `schemas/`: its service, its event type, its text.
pub fn released() -> Vec<(String, String, String)> {
    let schemas = root().join("schemas");
    // Beside the services' folders there is the list of what is released.
    let is_folder = |name: &String| schemas.join(name).is_dir();
    let services = names(&schemas, |name| Some(name)).into_iter().filter(is_folder);
    let of = |service: String| {
        let folder = root().join("schemas").join(&service);
        let events = names(&folder, |file| Some(file.split_once(".v")?.0));
        events.into_iter().map(move |event| {
            let (_, newest) = versions(&service, &event).pop().unwrap();
            (service.clone(), event, newest)
        })
    };
    services.flat_map(of).collect()
}

/// All versions of each schema in `schemas/`, oldest first: its service, its event type, its text.
pub(crate) fn all_versions() -> impl Iterator<Item = (String, String, String)> {
    released().into_iter().flat_map(|(service, event, _)| {
        let texts = versions(&service, &event).into_iter().map(|(_, text)| text);
        texts.map(move |text| (service.clone(), event.clone(), text))
    })
}

/// What an event may say by the newest version of its schema, for tests that say it by hand: they need
/// not know the fields that it has, and say those that matter to them.
pub fn sample_of(service: &str, event_type: &str) -> Json {
    let text = newest(service, event_type).expect("the event has a schema");
    sample(&Schema::parse_str(&text).unwrap()).try_into().unwrap()
}

/// An `OrderPlaced` of one piece of a SKU for 9.00 EUR, to Ada in Lyon.
pub fn order_placed(order: &impl Serialize, sku: &str) -> Json {
    let mut placed = sample_of("order", "OrderPlaced");
    let mut say = |pointer: &str, value: Json| *placed.pointer_mut(pointer).unwrap() = value;
    let price = json!({"amount": 900, "currency": "EUR"});
    say("/order_id", json!(order));
    say("/customer_id", json!("c-1"));
    say("/payment_method", json!("pm_card_visa"));
    say("/total", price.clone());
    say("/placed_at", json!(0));
    say("/lines/0/sku", json!(sku));
    say("/lines/0/quantity", json!(1));
    say("/lines/0/unit_price", price);
    for (field, value) in [
        ("name", "Ada"),
        ("email", "ada@example.org"),
        ("street", "1 Rue"),
        ("city", "Lyon"),
        ("postal_code", "69001"),
        ("country", "FR"),
    ] {
        say(&format!("/recipient/{field}"), json!(value));
    }
    placed["lines"].as_array_mut().unwrap().truncate(1);
    placed
}

/// The newest version of an event's schema, if it has any.
pub(crate) fn newest(service: &str, event_type: &str) -> Option<String> {
    versions(service, event_type).pop().map(|(_, text)| text)
}

/// The repository, seen from this crate.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn names(folder: &Path, name: impl Fn(&str) -> Option<&str>) -> BTreeSet<String> {
    fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|file| name(&file).unwrap_or_else(|| panic!("{file} is no schema's name")).to_owned())
        .collect()
}

/// The versions of a writer's schema and their texts, oldest first.
fn versions(service: &str, event_type: &str) -> Vec<(u32, String)> {
    let path = |version| {
        root().join("schemas").join(service).join(format!("{event_type}.v{version}.avsc"))
    };
    (1..).map_while(|version| Some((version, fs::read_to_string(path(version)).ok()?))).collect()
}

fn full_name(schema: &str) -> String {
    let json: Json = serde_json::from_str(schema).unwrap();
    let part = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
    format!("{}.{}", part("namespace"), part("name"))
}

/// What apache-avro, an implementation the services don't encode with, makes of `bytes`.
fn resolve(bytes: &[u8], writer: &Schema, reader: Option<&Schema>) -> Json {
    let mut rest = bytes;
    let value = GenericDatumReader::builder(writer)
        .maybe_reader_schema(reader)
        .build()
        .and_then(|datum| datum.read_value(&mut rest))
        .unwrap();
    assert!(rest.is_empty(), "{} bytes too many", rest.len());
    value.try_into().unwrap()
}

/// The bytes of a value, by an implementation that the services don't encode with.
fn write(schema: &Schema, value: Value) -> Vec<u8> {
    let writer = GenericDatumWriter::builder(schema).build();
    writer.and_then(|datum| datum.write_value_to_vec(value)).unwrap()
}

/// An ordinary value of `schema`. Every text is `EUR`: a currency, a SKU and a name alike. A union is
/// something rather than null.
fn sample(schema: &Schema) -> Value {
    let values = generated_values(schema);
    values.into_iter().next().expect("the schema of an event has values").value
}

/// JSON that deserializes into a struct only if the struct has exactly its fields, at any depth.
struct Exact(Json);

impl<'de> Deserializer<'de> for Exact {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.0 {
            Json::Array(items) => {
                visitor.visit_seq(SeqDeserializer::new(items.into_iter().map(Exact)))
            }
            Json::Object(fields) => visitor
                .visit_map(MapDeserializer::new(fields.into_iter().map(|(k, v)| (k, Exact(v))))),
            scalar => scalar.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        let rust: BTreeSet<_> = fields.iter().copied().collect();
        let avro: BTreeSet<_> =
            self.0.as_object().into_iter().flat_map(|o| o.keys().map(String::as_str)).collect();
        if rust != avro {
            let message = format!("{name} has {rust:?}, and the reader schema {avro:?}");
            return Err(Self::Error::custom(message));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

impl IntoDeserializer<'_, serde_json::Error> for Exact {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Outer {
        inner: Inner,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Inner {
        known: Option<u8>,
    }

    #[test]
    fn a_field_too_many_or_too_few_is_seen_at_any_depth() {
        let read = |json| Outer::deserialize(Exact(json));
        assert!(read(json!({"inner": {"known": 1}})).is_ok());
        assert!(read(json!({"inner": {}})).is_err(), "the type has a field more");
        assert!(read(json!({"inner": {"known": 1, "new": 2}})).is_err(), "the schema has");
        assert!(read(json!({"inner": {"known": 1}, "new": 2})).is_err());
    }

    #[derive(Serialize)]
    struct OrderConfirmed<'a> {
        order_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        more: Option<u8>,
    }

    fn write(event: &impl Serialize) {
        let (_, text) = versions("order", "OrderConfirmed").remove(0);
        assert_round_trip(event, &text, "both");
    }

    #[test]
    fn what_is_personal_of_what_is_read_is_found() {
        let reader = |fields: Json| json!({"type": "record", "fields": fields}).to_string();
        let name = json!([{"name": "name", "type": "string"}]);
        let recipient = json!({"name": "recipient", "type": {"type": "record", "fields": name}});
        let found = |fields| personal_fields("order", "OrderPlaced", &reader(fields));
        assert_eq!(found(json!([recipient])), ["recipient"]);
        assert!(found(json!([{"name": "total", "type": "long"}])).is_empty());
    }

    const ID: &str = "00000000-0000-0000-0000-00000000000b";

    #[test]
    fn a_type_equal_to_its_schema_passes() {
        write(&OrderConfirmed { order_id: ID, more: None });
    }

    #[test]
    #[should_panic(expected = "more")]
    fn a_field_the_schema_lacks_fails() {
        write(&OrderConfirmed { order_id: ID, more: Some(1) });
    }

    #[test]
    #[should_panic(expected = "order_id")]
    fn a_field_the_type_lacks_fails() {
        write(&json!({}));
    }
}
