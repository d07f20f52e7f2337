//! Values that a schema can write, for checks that two ways of reading make the same of each.

use apache_avro::schema::{
    EnumSchema, InnerDecimalSchema, Name, NamesRef, RecordField, ResolvedSchema, UuidSchema,
};
use apache_avro::types::Value;
use apache_avro::{Days, Decimal, Duration, Millis, Months, Schema};

/// The attribute of a field with an open vocabulary: the words that there are so far.
const WORDS: &str = "farandole.values";

/// How many values are made of one schema. An event has some dozens of places that can differ.
const VALUES_MAX: usize = 2_000;

/// How many types are looked at for them: a few names that refer to each other twice each would double
/// that with every level.
const TYPES_MAX: usize = 10_000;

/// How often a type is within itself in a value.
const WITHIN_MAX: usize = 2;

/// A value of a schema.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratedValue {
    /// The value.
    pub value: Value,
    /// Whether it has the largest number, an empty text, an empty list or the like: what the schema can
    /// hold, and the type behind it need not take.
    pub is_extreme: bool,
}

/// Values of a schema: first one whose every part is ordinary, then others that differ from it in one
/// place, so that each branch of each union, each symbol, each default, each word of a vocabulary, none
/// and several of each list, and both ends of each number occur. None if no value of it ends, or if it is
/// larger than any event's schema.
///
/// In the first every text is `EUR`: a currency, a SKU and a name alike; and a union is something rather
/// than null.
pub fn generated_values(schema: &Schema) -> Vec<GeneratedValue> {
    let Ok(resolved) = ResolvedSchema::new(schema) else { return Vec::new() };
    let names = resolved.get_names();
    let mut generator = Generator { names, within: Vec::new(), types: 0 };
    generator.values(schema, &[]).unwrap_or_default()
}

struct Generator<'a> {
    names: &'a NamesRef<'a>,
    /// The names of the types around the one that is looked at.
    within: Vec<Name>,
    types: usize,
}

impl Generator<'_> {
    /// The values of a type, or nothing where there would be no end. `words` is its field's vocabulary.
    fn values(&mut self, schema: &Schema, words: &[String]) -> Option<Vec<GeneratedValue>> {
        self.types += 1;
        if self.types > TYPES_MAX {
            return None;
        }
        let mut values = match schema {
            Schema::Ref { name } => {
                let named = *self.names.get(name)?;
                self.values(named, words)?
            }
            Schema::Array(array) => lists(self.values(&array.items, words)),
            Schema::Map(map) => maps(self.values(&map.types, words)),
            Schema::Union(union) => self.branches(union.variants(), words)?,
            Schema::Record(record) => {
                if self.within.iter().filter(|name| **name == record.name).count() >= WITHIN_MAX {
                    return None;
                }
                self.within.push(record.name.clone());
                let values = self.records(&record.fields);
                self.within.pop();
                values?
            }
            Schema::Enum(symbols) => enums(symbols),
            leaf => leaves(leaf, words)?,
        };
        values.truncate(VALUES_MAX);
        Some(values)
    }

    /// Each branch; first the first that is not null.
    fn branches(&mut self, all: &[Schema], words: &[String]) -> Option<Vec<GeneratedValue>> {
        let mut found = Vec::new();
        let nulls_last = |at: &usize| all[*at] == Schema::Null;
        let mut places: Vec<usize> = (0..all.len()).collect();
        places.sort_by_key(nulls_last);
        for at in places {
            let of_branch = self.values(&all[at], words).unwrap_or_default();
            let index = u32::try_from(at).ok()?;
            found.extend(
                of_branch.into_iter().map(|it| GeneratedValue {
                    value: Value::Union(index, Box::new(it.value)),
                    ..it
                }),
            );
        }
        (!found.is_empty()).then_some(found)
    }

    /// An ordinary one, and one for each way in which a field can be another.
    fn records(&mut self, fields: &[RecordField]) -> Option<Vec<GeneratedValue>> {
        let mut each = Vec::new();
        for field in fields {
            let mut values = self.values(&field.schema, &words(field))?;
            values.extend(default(field).map(plain));
            each.push(values);
        }
        let name = |at: usize| fields[at].name.clone();
        let ordinary: Vec<(String, Value)> =
            each.iter().enumerate().map(|(at, of)| (name(at), of[0].value.clone())).collect();
        let mut found = vec![plain(Value::Record(ordinary.clone()))];
        for (at, others) in each.into_iter().enumerate() {
            for GeneratedValue { value, is_extreme } in others.into_iter().skip(1) {
                if found.len() >= VALUES_MAX {
                    return Some(found);
                }
                let mut record = ordinary.clone();
                record[at].1 = value;
                found.push(GeneratedValue { value: Value::Record(record), is_extreme });
            }
        }
        Some(found)
    }
}

fn plain(value: Value) -> GeneratedValue {
    GeneratedValue { value, is_extreme: false }
}

fn extreme(value: Value) -> GeneratedValue {
    GeneratedValue { value, is_extreme: true }
}

/// The vocabulary of a field, if it says one.
fn words(field: &RecordField) -> Vec<String> {
    let words = field.custom_attributes.get(WORDS).and_then(|words| words.as_array());
    words.into_iter().flatten().filter_map(|word| Some(word.as_str()?.to_owned())).collect()
}

/// What a field says when nothing is said. One that only a reference explains is left out.
fn default(field: &RecordField) -> Option<Value> {
    let value = Value::try_from(field.default.clone()?).ok()?;
    value.resolve(&field.schema).ok()
}

/// Two items; then lists with another item, of one and of none.
fn lists(items: Option<Vec<GeneratedValue>>) -> Vec<GeneratedValue> {
    let none = || Value::Array(Vec::new());
    // What does not end may be in a list that does.
    let Some(items) = items.filter(|items| !items.is_empty()) else { return vec![plain(none())] };
    let ordinary = items[0].value.clone();
    let mut found = vec![plain(Value::Array(vec![ordinary.clone(), ordinary.clone()]))];
    found.extend([plain(Value::Array(vec![ordinary.clone()])), extreme(none())]);
    found.extend(
        items.into_iter().skip(1).map(|it| GeneratedValue {
            value: Value::Array(vec![ordinary.clone(), it.value]),
            ..it
        }),
    );
    found
}

/// One entry; then a map with another, and one of none.
fn maps(values: Option<Vec<GeneratedValue>>) -> Vec<GeneratedValue> {
    let entry = |value| Value::Map([("key".to_owned(), value)].into_iter().collect());
    let mut values = values.unwrap_or_default().into_iter();
    let none = || Value::Map([].into_iter().collect());
    let Some(ordinary) = values.next() else { return vec![plain(none())] };
    let mut found = vec![plain(entry(ordinary.value)), extreme(none())];
    found.extend(values.map(|it| GeneratedValue { value: entry(it.value), ..it }));
    found
}

fn enums(schema: &EnumSchema) -> Vec<GeneratedValue> {
    let symbol = |(at, symbol): (u32, &String)| plain(Value::Enum(at, symbol.clone()));
    (0..).zip(&schema.symbols).map(symbol).collect()
}

/// The longest text, in characters, that a service reads is a little longer.
const LONG_TEXT: usize = 1_000;

fn texts(words: &[String]) -> Vec<GeneratedValue> {
    let text = |text: &str| Value::String(text.to_owned());
    let mut found = vec![plain(text("EUR"))];
    found.extend(words.iter().map(|word| plain(text(word))));
    let long = "é王 ".repeat(LONG_TEXT / 3);
    found.extend(["", "Zoë Łukasz 王小明", &long].into_iter().map(|it| extreme(text(it))));
    found
}

/// An ordinary number, and then the smallest, the largest, and those around nothing.
fn ints(ordinary: i32, value: fn(i32) -> Value) -> Vec<GeneratedValue> {
    let others = [0, -1, i32::MIN, i32::MAX].into_iter().map(|number| extreme(value(number)));
    [plain(value(ordinary))].into_iter().chain(others).collect()
}

/// As [`ints`], and the first that a double does not hold.
fn longs(ordinary: i64, value: fn(i64) -> Value) -> Vec<GeneratedValue> {
    let others = [0, -1, i64::MIN, i64::MAX, (1 << 53) + 1, i64::from(i32::MAX) + 1];
    let others = others.into_iter().map(|number| extreme(value(number)));
    [plain(value(ordinary))].into_iter().chain(others).collect()
}

fn bytes_of(length: usize, byte: u8) -> Vec<u8> {
    vec![byte; length]
}

/// How many bytes hold any number of so many digits: apache-avro does not read fewer. A digit takes 3.322
/// bits.
fn decimal_bytes(digits: usize) -> usize {
    (digits * 3_322 / 1_000 + 2).div_ceil(8)
}

/// The values of a type without parts.
fn leaves(schema: &Schema, words: &[String]) -> Option<Vec<GeneratedValue>> {
    Some(match schema {
        Schema::Null => vec![plain(Value::Null)],
        Schema::Boolean => vec![plain(Value::Boolean(true)), plain(Value::Boolean(false))],
        Schema::Int => ints(3, Value::Int),
        Schema::Date => ints(3, Value::Date),
        Schema::TimeMillis => ints(3, Value::TimeMillis),
        Schema::Long => longs(5, Value::Long),
        Schema::TimeMicros => longs(7, Value::TimeMicros),
        Schema::TimestampMillis => longs(7, Value::TimestampMillis),
        Schema::TimestampMicros => longs(7, Value::TimestampMicros),
        Schema::TimestampNanos => longs(7, Value::TimestampNanos),
        Schema::LocalTimestampMillis => longs(7, Value::LocalTimestampMillis),
        Schema::LocalTimestampMicros => longs(7, Value::LocalTimestampMicros),
        Schema::LocalTimestampNanos => longs(7, Value::LocalTimestampNanos),
        Schema::Float => {
            let others =
                [0.0, -1.5, f32::MIN, f32::MAX].map(|number| extreme(Value::Float(number)));
            [plain(Value::Float(0.5))].into_iter().chain(others).collect()
        }
        Schema::Double => {
            let others = [0.0, -1.5, f64::MIN, f64::MAX].map(|it| extreme(Value::Double(it)));
            [plain(Value::Double(0.25))].into_iter().chain(others).collect()
        }
        Schema::Bytes => {
            let others = [Vec::new(), (0..=u8::MAX).collect()].map(|it| extreme(Value::Bytes(it)));
            [plain(Value::Bytes(vec![13]))].into_iter().chain(others).collect()
        }
        Schema::String => texts(words),
        Schema::Fixed(fixed) => {
            let value = |byte| Value::Fixed(fixed.size, bytes_of(fixed.size, byte));
            vec![plain(value(13)), extreme(value(0)), extreme(value(u8::MAX))]
        }
        Schema::Uuid(UuidSchema::String | UuidSchema::Bytes | UuidSchema::Fixed(_)) => {
            let value = |number| Value::Uuid(apache_avro::Uuid::from_u128(number));
            vec![plain(value(11)), extreme(value(0)), extreme(value(u128::MAX))]
        }
        Schema::Decimal(decimal) => {
            let length = match &decimal.inner {
                InnerDecimalSchema::Bytes => decimal_bytes(decimal.precision),
                InnerDecimalSchema::Fixed(fixed) => fixed.size,
            };
            let value = |byte| {
                let mut bytes = bytes_of(length, if byte == u8::MAX { u8::MAX } else { 0 });
                *bytes.last_mut()? = byte;
                Some(Value::Decimal(Decimal::from(bytes)))
            };
            vec![plain(value(9)?), extreme(value(0)?), extreme(value(u8::MAX)?)]
        }
        Schema::Duration(_) => {
            let of = |number| {
                let (months, days) = (Months::new(number), Days::new(number));
                Value::Duration(Duration::new(months, days, Millis::new(number)))
            };
            vec![plain(of(1)), extreme(of(0)), extreme(of(u32::MAX))]
        }
        // A number with a scale of its own in each value, which no event of any fleet has so far, and
        // what is no type without parts.
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(schema: &str) -> Vec<GeneratedValue> {
        generated_values(&Schema::parse_str(schema).unwrap())
    }

    /// Of a record's values, what a field is in them.
    fn of_field(values: &[GeneratedValue], at: usize) -> Vec<&Value> {
        values
            .iter()
            .filter_map(|it| match &it.value {
                Value::Record(fields) => Some(&fields[at].1),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn each_branch_symbol_word_and_default_occurs() {
        let values = values(
            r#"{"type":"record","name":"R","fields":[
            {"name":"branch","type":["null","long","string"],"default":null},
            {"name":"symbol","type":{"type":"enum","name":"E","symbols":["A","B"]}},
            {"name":"word","type":"string","default":"web","farandole.values":["shop","phone"]},
            {"name":"list","type":{"type":"array","items":"boolean"}}]}"#,
        );
        let has = |at: usize, wanted: &Value| of_field(&values, at).contains(&wanted);
        assert!(has(0, &Value::Union(0, Box::new(Value::Null))));
        assert!(has(0, &Value::Union(1, Box::new(Value::Long(i64::MIN)))));
        assert!(has(0, &Value::Union(2, Box::new(Value::String(String::new())))));
        assert!(has(1, &Value::Enum(0, "A".into())) && has(1, &Value::Enum(1, "B".into())));
        for word in ["EUR", "shop", "phone", "web"] {
            assert!(has(2, &Value::String(word.into())), "{word}");
        }
        assert!(has(3, &Value::Array(Vec::new())));
        assert_eq!(of_field(&values, 0)[0], &Value::Union(1, Box::new(Value::Long(5))));
        assert!(!values[0].is_extreme);
    }

    #[test]
    fn what_is_within_itself_ends_and_what_cannot_has_no_values() {
        let list = r#"{"type":"record","name":"L","fields":[
            {"name":"next","type":["null","L"]},{"name":"all","type":{"type":"array","items":"L"}}]}"#;
        assert!(values(list).len() > 3);
        let endless = r#"{"type":"record","name":"L","fields":[{"name":"next","type":"L"}]}"#;
        assert!(values(endless).is_empty());
    }

    #[test]
    fn every_kind_has_values_that_can_be_written() {
        let fixed = |name: &str, size: usize, logical: &str| {
            format!(r#"{{"type":"fixed","name":"{name}","size":{size},"logicalType":"{logical}"}}"#)
        };
        let logical = |of: &str, name: &str| format!(r#"{{"type":"{of}","logicalType":"{name}"}}"#);
        let decimal = r#"{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}"#;
        let kinds = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];
        let mut kinds: Vec<String> = kinds.iter().map(|kind| format!("\"{kind}\"")).collect();
        kinds.extend(["date", "time-millis"].map(|name| logical("int", name)));
        kinds.extend(
            ["timestamp-millis", "timestamp-micros", "local-timestamp-millis", "time-micros"]
                .map(|name| logical("long", name)),
        );
        kinds.extend([logical("string", "uuid"), fixed("U", 16, "uuid"), fixed("F", 3, "none")]);
        kinds.extend([fixed("D", 12, "duration"), decimal.to_owned()]);
        kinds.push(r#"{"type":"map","values":"int"}"#.to_owned());
        for kind in kinds {
            let schema = Schema::parse_str(&kind).unwrap();
            let values = generated_values(&schema);
            assert!(!values.is_empty(), "{kind}");
            for it in values {
                let written = apache_avro::writer::datum::GenericDatumWriter::builder(&schema)
                    .build()
                    .and_then(|datum| datum.write_value_to_vec(it.value.clone()));
                assert!(written.is_ok(), "{kind}: {it:?}: {written:?}");
            }
        }
    }
}
