mod texts;

use apache_avro::schema::{Name, NamesRef, ResolvedSchema, UnionSchema};
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_avro_fast::de::{DeserializerConfig, DeserializerState, read::SliceRead};
use serde_avro_fast::ser::SerializerConfig;
use thiserror::Error;

use texts::CleanTexts;

/// Confluent's wire format: this byte, the writer schema's id as four bytes big-endian, then
/// Avro's binary encoding.
const MAGIC: u8 = 0;
const FRAME_BYTES: usize = 5;

/// The longest array or map accepted in a record. An order has at most a few hundred lines; the
/// limit keeps a forged length from reserving memory.
const MAX_SEQUENCE: usize = 10_000;

/// The longest payload that is decoded, in bytes. What the largest request that the API takes
/// leads to is a quarter of that.
const MAX_PAYLOAD: usize = 256 * 1024;

/// A first byte, if there is one, as it is said in an error.
fn first_of(first: Option<u8>) -> String {
    first.map_or_else(String::new, |byte| format!(", the first 0x{byte:02x}"))
}

/// Why a payload could not be written or read.
#[derive(Debug, Error)]
pub enum CodecError {
    /// The payload is not in Confluent's wire format.
    #[error(
        "the payload is not in Confluent's wire format (0x00, 4-byte schema id, Avro): {length} \
         bytes{}", first_of(*first)
    )]
    Unframed {
        /// How long the payload is, in bytes.
        length: usize,
        /// Its first byte.
        first: Option<u8>,
    },
    /// The payload is longer than any event's.
    #[error("the payload has {0} bytes; an event has {MAX_PAYLOAD} at most")]
    TooLong(usize),
    /// A schema that is not valid Avro.
    #[error("the schema is not valid Avro: {0}")]
    Schema(String),
    /// The writer's schema cannot be resolved onto the reader's (Avro 1.12, Schema Resolution).
    #[error("the writer's schema cannot be read as {reader}: {reason}")]
    Incompatible {
        /// The reader schema's full name.
        reader: String,
        /// What does not fit.
        reason: String,
    },
    /// The bytes do not follow the writer's schema, or a value is out of its range.
    #[error("the payload does not decode by its schema: {0}")]
    Decode(String),
    /// Bytes are left over after the value, so the writer used another schema than it says.
    #[error("{0} bytes are left over after the value: another schema wrote this")]
    Trailing(usize),
    /// A value that its schema cannot hold.
    #[error("the value cannot be written by its schema: {0}")]
    Encode(String),
}

/// The schema id a payload names.
pub fn frame_schema_id(payload: &[u8]) -> Result<i32, CodecError> {
    match payload {
        [MAGIC, a, b, c, d, ..] => Ok(i32::from_be_bytes([*a, *b, *c, *d])),
        _ => Err(CodecError::Unframed { length: payload.len(), first: payload.first().copied() }),
    }
}

/// Writes values of one schema, framed.
#[derive(Debug)]
pub struct Encoder {
    id: i32,
    schema: serde_avro_fast::Schema,
}

impl Encoder {
    /// For the schema with this text, registered under `id`.
    pub fn new(id: i32, schema: &str) -> Result<Self, CodecError> {
        Ok(Self { id, schema: parse_fast(schema)? })
    }

    /// The id under which the schema is registered.
    pub fn id(&self) -> i32 {
        self.id
    }

    /// The framed bytes of `value`. A value that no reader would take, for its length or for a text in
    /// it, is an error here: what is published can be read.
    pub fn encode<T: Serialize>(&self, value: &T) -> Result<Vec<u8>, CodecError> {
        let mut frame = Vec::with_capacity(128);
        frame.push(MAGIC);
        frame.extend(self.id.to_be_bytes());
        let unwritable = |error: &dyn ToString| CodecError::Encode(error.to_string());
        let mut config = SerializerConfig::new(&self.schema);
        let frame = serde_avro_fast::to_datum(value, frame, &mut config)
            .map_err(|error| unwritable(&error))?;
        check_value(&self.schema, &frame).map_err(|error| unwritable(&error))?;
        Ok(frame)
    }
}

/// A schema somebody wrote with, as the registry gave it.
///
/// Reading resolves it onto the reader's type in two steps: once per pair of schemas,
/// [`WriterSchema::check_readable_as`] applies Avro's rules for schema resolution; then each value
/// is decoded by the writer's schema straight into the reader's serde type, which picks its
/// fields by name. That is an order of magnitude cheaper than resolving each value.
#[derive(Debug)]
pub struct WriterSchema {
    avro: apache_avro::Schema,
    fast: serde_avro_fast::Schema,
}

impl WriterSchema {
    /// Parses a schema's JSON text.
    pub fn parse(text: &str) -> Result<Self, CodecError> {
        Ok(Self { avro: parse_avro(text)?, fast: parse_fast(text)? })
    }

    /// Whether values written with this schema can be read with the `reader` schema.
    pub fn check_readable_as(&self, reader: &str) -> Result<(), CodecError> {
        let reader = parse_avro(reader)?;
        let (inlined_writer, inlined_reader) = (inlined(&self.avro)?, inlined(&reader)?);
        let reason = match SchemaCompatibility::can_read(&inlined_writer, &inlined_reader) {
            Ok(Compatibility::Full) => match differing(&inlined_writer, &inlined_reader) {
                None => return Ok(()),
                Some(reason) => reason,
            },
            Ok(Compatibility::Partial) => "only some of its values fit".to_owned(),
            Err(error) => error.to_string(),
        };
        let reader = reader.name().map_or_else(|| "a value".to_owned(), ToString::to_string);
        Err(CodecError::Incompatible { reader, reason })
    }

    /// Decodes a framed payload that this schema wrote. Truncated values, trailing bytes, lengths
    /// past any real event's, and texts that the API would not take either are errors, the latter
    /// also in fields that the reader does not use: a payload is shown and passed on whole.
    pub fn decode<T: DeserializeOwned>(&self, payload: &[u8]) -> Result<T, CodecError> {
        let value = check_value(&self.fast, payload)?;
        Ok(read(&self.fast, value)?.0)
    }
}

/// Checks that a framed payload is one value of `schema`, whole and with nothing after it, no longer than
/// any event's and with the texts that the API takes, and gives the value's bytes.
fn check_value<'p>(
    schema: &serde_avro_fast::Schema,
    payload: &'p [u8],
) -> Result<&'p [u8], CodecError> {
    if payload.len() > MAX_PAYLOAD {
        return Err(CodecError::TooLong(payload.len()));
    }
    frame_schema_id(payload)?;
    let value = &payload[FRAME_BYTES..];
    match read::<CleanTexts>(schema, value)? {
        (_, []) => Ok(value),
        (_, rest) => Err(CodecError::Trailing(rest.len())),
    }
}

/// A value, and the bytes after it.
fn read<'p, T: DeserializeOwned>(
    schema: &serde_avro_fast::Schema,
    value: &'p [u8],
) -> Result<(T, &'p [u8]), CodecError> {
    let mut config = DeserializerConfig::new(schema);
    config.max_seq_size = MAX_SEQUENCE;
    let mut state = DeserializerState::with_config(SliceRead::new(value), config);
    let read = T::deserialize(state.deserializer())
        .map_err(|error| CodecError::Decode(error.to_string()))?;
    let mut rest = state.into_reader();
    let left = std::io::copy(&mut rest, &mut std::io::sink())
        .map_err(|error| CodecError::Decode(error.to_string()))?;
    let left = usize::try_from(left).unwrap_or(usize::MAX);
    Ok((read, &value[value.len().saturating_sub(left)..]))
}

fn parse_avro(text: &str) -> Result<apache_avro::Schema, CodecError> {
    apache_avro::Schema::parse_str(text).map_err(|error| CodecError::Schema(error.to_string()))
}

/// The largest schema that is inlined, in types. An event's has some dozens; a few names that refer to
/// each other twice each would double it with every level.
const MAX_TYPES: usize = 10_000;

/// `schema` with every reference replaced by what it names: `can_read` compares a name only with
/// a name, never with the type that it stands for. A type within itself stays a name.
fn inlined(schema: &apache_avro::Schema) -> Result<apache_avro::Schema, CodecError> {
    let resolved =
        ResolvedSchema::new(schema).map_err(|error| CodecError::Schema(error.to_string()))?;
    let mut whole = schema.clone();
    Inlining { names: resolved.get_names(), within: Vec::new(), types: 0 }.inline(&mut whole)?;
    Ok(whole)
}

struct Inlining<'a> {
    names: &'a NamesRef<'a>,
    /// The names of the types around the one that is looked at.
    within: Vec<Name>,
    types: usize,
}

impl Inlining<'_> {
    fn inline(&mut self, schema: &mut apache_avro::Schema) -> Result<(), CodecError> {
        self.types += 1;
        if self.types > MAX_TYPES {
            let reason = format!("it has more than {MAX_TYPES} types");
            return Err(CodecError::Schema(reason));
        }
        if let apache_avro::Schema::Ref { name } = schema {
            if self.within.contains(name) {
                return Ok(());
            }
            let Some(&definition) = self.names.get(name) else {
                return Err(CodecError::Schema(format!("{name} is not defined")));
            };
            *schema = definition.clone();
        }
        match schema {
            apache_avro::Schema::Array(array) => self.inline(&mut array.items),
            apache_avro::Schema::Map(map) => self.inline(&mut map.types),
            apache_avro::Schema::Union(union) => {
                let mut variants = union.variants().to_vec();
                variants.iter_mut().try_for_each(|variant| self.inline(variant))?;
                *union = UnionSchema::new(variants)
                    .map_err(|error| CodecError::Schema(error.to_string()))?;
                Ok(())
            }
            apache_avro::Schema::Record(record) => {
                self.within.push(record.name.clone());
                let mut fields = record.fields.iter_mut();
                fields.try_for_each(|field| self.inline(&mut field.schema))?;
                self.within.pop();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// What Avro's rules let pass and would be read as something else here: a number whose logical type
/// differs, such as microseconds for milliseconds, and a field that only an alias of the reader's finds,
/// for fields are picked by the writer's names.
fn differing(writer: &apache_avro::Schema, reader: &apache_avro::Schema) -> Option<String> {
    use apache_avro::Schema::{Array, Map, Record, Union};
    match (writer, reader) {
        (Record(writer), Record(reader)) => reader.fields.iter().find_map(|field| {
            let name = &field.name;
            let named = |name: &str| writer.fields.iter().find(|written| written.name == name);
            if let Some(written) = named(name) {
                let reason = differing(&written.schema, &field.schema)?;
                return Some(format!("{name}: {reason}"));
            }
            let alias = field.aliases.iter().find(|alias| named(alias).is_some())?;
            Some(format!("{name} is read by its name, not by the alias {alias}"))
        }),
        (Array(writer), Array(reader)) => differing(&writer.items, &reader.items),
        (Map(writer), Map(reader)) => differing(&writer.types, &reader.types),
        (Union(writer), reader) => {
            writer.variants().iter().find_map(|written| differing(written, reader))
        }
        // A branch is found by its type; of those of the same base, the logical type must be there.
        (writer, Union(reader)) => {
            let reasons: Vec<Option<String>> = reader
                .variants()
                .iter()
                .filter(|read| base(read) == base(writer))
                .map(|read| differing(writer, read))
                .collect();
            reasons.iter().all(Option::is_some).then(|| reasons.into_iter().flatten().next())?
        }
        (writer, reader) if base(writer) == base(reader) => {
            let [written, read] = [writer, reader].map(logical);
            (written != read).then(|| format!("{written} was written and {read} is read"))
        }
        _ => None,
    }
}

/// The type that stands for a logical one on the wire.
fn base(schema: &apache_avro::Schema) -> apache_avro::schema::SchemaKind {
    use apache_avro::Schema as S;
    use apache_avro::schema::SchemaKind;
    match schema {
        S::Date | S::TimeMillis => SchemaKind::Int,
        S::TimeMicros
        | S::TimestampMillis
        | S::TimestampMicros
        | S::TimestampNanos
        | S::LocalTimestampMillis
        | S::LocalTimestampMicros
        | S::LocalTimestampNanos => SchemaKind::Long,
        other => other.into(),
    }
}

/// What a number on the wire stands for.
fn logical(schema: &apache_avro::Schema) -> String {
    let kind = apache_avro::schema::SchemaKind::from(schema);
    format!("{kind:?}")
}

fn parse_fast(text: &str) -> Result<serde_avro_fast::Schema, CodecError> {
    text.parse().map_err(|error: serde_avro_fast::schema::SchemaError| {
        CodecError::Schema(error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    const WRITER: &str = r#"{"type":"record","name":"farandole.test.Thing","fields":[
        {"name":"id","type":{"type":"string","logicalType":"uuid"}},
        {"name":"pieces","type":"int"},
        {"name":"tags","type":{"type":"array","items":"string"}}]}"#;
    const READER: &str = r#"{"type":"record","name":"farandole.test.Thing","fields":[
        {"name":"pieces","type":"long"},
        {"name":"colour","type":"string","default":"red"}]}"#;

    #[derive(Serialize)]
    struct Written {
        id: uuid::Uuid,
        pieces: i32,
        tags: Vec<String>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Read {
        pieces: i64,
        #[serde(default = "red")]
        colour: String,
    }

    fn red() -> String {
        "red".into()
    }

    fn bytes() -> Vec<u8> {
        let thing =
            Written { id: uuid::Uuid::nil(), pieces: 7, tags: vec!["a".into(), "b".into()] };
        Encoder::new(42, WRITER).unwrap().encode(&thing).unwrap()
    }

    #[test]
    fn a_reader_picks_its_fields_from_the_writers() {
        let writer = WriterSchema::parse(WRITER).unwrap();
        writer.check_readable_as(READER).unwrap();
        assert_eq!(frame_schema_id(&bytes()).unwrap(), 42);
        let read: Read = writer.decode(&bytes()).unwrap();
        assert_eq!(read, Read { pieces: 7, colour: "red".into() });
    }

    #[test]
    fn a_reader_that_needs_more_than_was_written_is_refused() {
        let greedy = READER.replace(r#","default":"red""#, "");
        let error = WriterSchema::parse(WRITER).unwrap().check_readable_as(&greedy).unwrap_err();
        assert!(matches!(error, CodecError::Incompatible { .. }), "{error}");
    }

    #[test]
    fn a_named_type_is_readable_where_it_is_only_referred_to() {
        let writer = r#"{"type":"record","name":"farandole.test.Two","fields":[
            {"name":"a","type":{"type":"record","name":"Money","fields":[
                {"name":"amount","type":"long"}]}},
            {"name":"b","type":"Money"}]}"#;
        let reader = r#"{"type":"record","name":"farandole.test.Two","fields":[
            {"name":"b","type":{"type":"record","name":"Money","fields":[
                {"name":"amount","type":"long"}]}}]}"#;
        WriterSchema::parse(writer).unwrap().check_readable_as(reader).unwrap();
        let endless = r#"{"type":"record","name":"farandole.test.Two","fields":[
            {"name":"next","type":{"type":"array","items":"farandole.test.Two"}}]}"#;
        assert!(WriterSchema::parse(endless).unwrap().check_readable_as(reader).is_err());
    }

    const MONEY: &str = r#"{"type":"record","name":"Money","fields":[
        {"name":"amount","type":"long"}]}"#;

    /// A record of these fields.
    fn record(fields: &[(&str, &str)]) -> String {
        let fields = fields.iter().map(|(name, rest)| format!(r#"{{"name":"{name}",{rest}}}"#));
        let fields = fields.collect::<Vec<_>>().join(",");
        format!(r#"{{"type":"record","name":"farandole.test.Two","fields":[{fields}]}}"#)
    }

    #[test]
    fn a_named_type_is_readable_in_a_union_too() {
        let required = format!(r#""type":{MONEY}"#);
        let nullable = format!(r#""type":["null",{MONEY}],"default":null"#);
        let referred = r#""type":["null","Money"],"default":null"#;
        let old = record(&[("a", &required)]);
        let new = record(&[("a", &required), ("b", referred)]);
        let reads_both = record(&[("b", &nullable), ("a", r#""type":"Money""#)]);
        for (writer, reader) in [
            (&old, &new),
            (&new, &old),
            (&new, &new),
            (&new, &reads_both),
            (&old, &reads_both),
            (&new, &record(&[("b", &nullable)])),
        ] {
            WriterSchema::parse(writer).unwrap().check_readable_as(reader).unwrap();
        }
        let cents = MONEY.replace("long", "string");
        let wrong = record(&[("b", &format!(r#""type":["null",{cents}],"default":null"#))]);
        assert!(WriterSchema::parse(&new).unwrap().check_readable_as(&wrong).is_err());
        let required = record(&[("b", &required)]);
        assert!(WriterSchema::parse(&new).unwrap().check_readable_as(&required).is_err());
    }

    #[test]
    fn what_avro_lets_pass_and_means_something_else_is_refused() {
        let time = |logical: &str| {
            record(&[("at", &format!(r#""type":{{"type":"long","logicalType":"{logical}"}}"#))])
        };
        let long = record(&[("at", r#""type":"long""#)]);
        let int = record(&[("at", r#""type":"int""#)]);
        let [millis, micros] = ["timestamp-millis", "timestamp-micros"].map(time);
        let maybe = millis.replace(r#""type":{"type":"long""#, r#""type":["null",{"type":"long""#);
        let maybe = maybe.replace(r#"millis"}"#, r#"millis"}]"#);
        let aliased = record(&[("when", r#""type":"long","default":0,"aliases":["at"]"#)]);
        let list =
            |of: &str| record(&[("all", &format!(r#""type":{{"type":"array","items":{of}}}"#))]);
        let readable = |writer: &str, reader: &str| {
            WriterSchema::parse(writer).unwrap().check_readable_as(reader)
        };
        for (writer, reader) in
            [(&millis, &millis), (&millis, &maybe), (&long, &long), (&int, &long)]
        {
            readable(writer, reader).unwrap();
        }
        for (writer, reader) in [
            (&millis, &micros),
            (&micros, &millis),
            (&long, &millis),
            (&millis, &long),
            (&micros, &maybe),
            (&long, &aliased),
            (&list(&millis.replace("Two", "Inner")), &list(&long.replace("Two", "Inner"))),
        ] {
            let error = readable(writer, reader).unwrap_err().to_string();
            assert!(error.contains("at"), "{writer} as {reader}: {error}");
        }
    }

    #[test]
    fn a_type_within_itself_is_readable_and_one_without_end_is_refused() {
        let list = r#"{"type":"record","name":"farandole.test.List","fields":[
            {"name":"value","type":"int"},
            {"name":"next","type":["null","farandole.test.List"],"default":null}]}"#;
        WriterSchema::parse(list).unwrap().check_readable_as(list).unwrap();
        let level = |at: usize| {
            let inner = if at == 1 { "int".to_owned() } else { format!("L{}", at - 1) };
            format!(
                r#"{{"type":"record","name":"L{at}","fields":[
                    {{"name":"x","type":LEVEL}},{{"name":"y","type":"{inner}"}}]}}"#
            )
        };
        let mut laughs = level(20);
        for at in (1..20).rev() {
            laughs = laughs.replace("LEVEL", &level(at));
        }
        let laughs = laughs.replace("LEVEL", "\"int\"");
        let error = WriterSchema::parse(&laughs).unwrap().check_readable_as(&laughs).unwrap_err();
        assert!(error.to_string().contains("more than 10000 types"), "{error}");
    }

    #[test]
    fn every_truncation_and_every_extra_byte_is_an_error() {
        let writer = WriterSchema::parse(WRITER).unwrap();
        let whole = bytes();
        for length in 0..whole.len() {
            assert!(writer.decode::<Read>(&whole[..length]).is_err(), "{length} bytes decoded");
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert!(matches!(writer.decode::<Read>(&longer), Err(CodecError::Trailing(1))));
        let mut unframed = whole;
        unframed[0] = 1;
        assert!(matches!(writer.decode::<Read>(&unframed), Err(CodecError::Unframed { .. })));
    }

    #[test]
    fn a_text_that_the_api_would_not_take_is_neither_read_nor_written() {
        let writer = WriterSchema::parse(WRITER).unwrap();
        let encoder = Encoder::new(42, WRITER).unwrap();
        let tagged = |tag: &str| {
            let (id, tags) = (uuid::Uuid::nil(), vec!["a".into(), tag.into()]);
            Written { id, pieces: 7, tags }
        };
        // As a program would that does not check what it writes.
        let decoded = |tag: &str| {
            let frame = bytes()[..FRAME_BYTES].to_vec();
            let mut config = SerializerConfig::new(&encoder.schema);
            let payload = serde_avro_fast::to_datum(&tagged(tag), frame, &mut config).unwrap();
            writer.decode::<Read>(&payload)
        };
        for good in ["", "Zoë Łukasz 王小明", &"x".repeat(4_096)] {
            decoded(good).unwrap();
            encoder.encode(&tagged(good)).unwrap();
        }
        for bad in ["A\0da", "a\u{1b}[31m", "\u{85}", "\x7f", "A\u{202e}b", &"x".repeat(4_097)] {
            assert!(matches!(decoded(bad), Err(CodecError::Decode(_))), "{bad:?}");
            assert!(matches!(encoder.encode(&tagged(bad)), Err(CodecError::Encode(_))), "{bad:?}");
        }
        let long = "x".repeat(1_000_000);
        assert!(matches!(decoded(&long), Err(CodecError::TooLong(_))));
        assert!(matches!(encoder.encode(&tagged(&long)), Err(CodecError::Encode(_))));
    }
}
