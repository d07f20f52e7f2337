//! As the services read it: decoded by the writer's schema into a type with the reader's fields. There
//! is no such type here, so what `derive(Deserialize)` would make of the reader's schema is done step by
//! step: fields are found by their names among those that were written, what is not known is passed
//! over, a missing one gets the reader's default, which the services' tests hold equal to the type's,
//! a symbol must be one that is known, and numbers and texts are what serde's types take.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected,
    VariantAccess as _, Visitor,
};
use serde_avro_fast::de::{DeserializerConfig, DeserializerState, read::SliceRead};

use super::reading::Reading;
use crate::schema::{Field, Plain, Schema, Shape, Type};

/// What a service reads, or where it fails and why.
pub(super) fn read(
    bytes: &[u8],
    writer: &serde_avro_fast::Schema,
    reader: &Schema,
) -> Result<Reading, (String, String)> {
    let place = RefCell::default();
    let mut state =
        DeserializerState::with_config(SliceRead::new(bytes), DeserializerConfig::new(writer));
    let seed = Seed { of: &reader.root, schema: reader, place: &place };
    let read = seed.deserialize(state.deserializer());
    let at = || place.borrow().concat().trim_start_matches('.').to_owned();
    let read = read.map_err(|error| (at(), error.to_string()))?;
    let mut rest = state.into_reader();
    match std::io::copy(&mut rest, &mut std::io::sink()) {
        Ok(0) => Ok(read),
        Ok(left) => Err((at(), format!("{left} bytes are left over"))),
        Err(error) => Err((at(), error.to_string())),
    }
}

/// Reads what a type of the reader is.
#[derive(Clone, Copy)]
struct Seed<'a> {
    of: &'a Type,
    schema: &'a Schema,
    /// Where it is read: what failed is where the steps end.
    place: &'a RefCell<Vec<String>>,
}

impl<'a> Seed<'a> {
    fn with(self, of: &'a Type) -> Self {
        Self { of, ..self }
    }

    /// Does something a step further in.
    fn step<T, E>(self, step: &str, read: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.place.borrow_mut().push(step.to_owned());
        let value = read()?;
        self.place.borrow_mut().pop();
        Ok(value)
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Reading;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Reading, D::Error> {
        let of = self.schema.definition(self.of);
        let logical = of.logical.as_ref().map(|logical| logical.name.as_str());
        let visitor = Read { of, seed: self };
        match (&of.shape, logical) {
            (_, Some("decimal")) => input.deserialize_any(visitor),
            (Shape::Fixed(_), _) | (Shape::Plain(Plain::Bytes), None) => {
                input.deserialize_byte_buf(visitor)
            }
            (Shape::Plain(Plain::Null), _) => input.deserialize_unit(visitor),
            (Shape::Plain(Plain::Boolean), _) => input.deserialize_bool(visitor),
            (Shape::Plain(Plain::Int), _) => input.deserialize_i32(visitor),
            (Shape::Plain(Plain::Long), _) => input.deserialize_i64(visitor),
            (Shape::Plain(Plain::Float), _) => input.deserialize_f32(visitor),
            (Shape::Plain(Plain::Double), _) => input.deserialize_f64(visitor),
            (Shape::Plain(_), _) => input.deserialize_string(visitor),
            (Shape::Array(_), _) => input.deserialize_seq(visitor),
            (Shape::Map(_), _) => input.deserialize_map(visitor),
            (Shape::Enum { .. }, _) => input.deserialize_enum("Enum", &[], visitor),
            (Shape::Record(_), _) => input.deserialize_struct("Record", &[], visitor),
            (Shape::Union(branches), _) => match (has_null(branches), &something(branches)[..]) {
                (true, _) => input.deserialize_option(visitor),
                (false, [one]) => self.with(one).deserialize(input),
                (false, _) => input.deserialize_enum("Union", &[], visitor),
            },
            (Shape::Named(_), _) => Err(D::Error::custom("a name that is not defined")),
        }
    }
}

fn is_null(of: &Type) -> bool {
    matches!(of.shape, Shape::Plain(Plain::Null))
}

fn has_null(branches: &[Type]) -> bool {
    branches.iter().any(is_null)
}

/// The branches that are not null.
fn something(branches: &[Type]) -> Vec<&Type> {
    branches.iter().filter(|of| !is_null(of)).collect()
}

/// Takes what comes, as the type of the field would.
struct Read<'a> {
    of: &'a Type,
    seed: Seed<'a>,
}

impl Read<'_> {
    fn plain(&self) -> Option<Plain> {
        match self.of.shape {
            Shape::Plain(plain) => Some(plain),
            _ => None,
        }
    }

    fn is_decimal(&self) -> bool {
        self.of.logical.as_ref().is_some_and(|logical| logical.name == "decimal")
    }

    fn float<E: Error>(&self, number: f64) -> Result<Reading, E> {
        match self.plain() {
            Some(Plain::Double) => Ok(Reading::Float(number)),
            Some(Plain::Float) => {
                // As `f32` does.
                #[expect(clippy::cast_possible_truncation, reason = "that is what is wanted")]
                let single = number as f32;
                Ok(Reading::Float(single.into()))
            }
            _ => Err(E::invalid_type(Unexpected::Float(number), self)),
        }
    }

    /// The branch of a union that goes by this name.
    fn branch(&self, name: &str) -> Option<&Type> {
        let Shape::Union(branches) = &self.of.shape else { return None };
        branches.iter().find(|branch| variant(branch, self.seed.schema) == name)
    }
}

/// The name by which the decoder calls a branch.
fn variant(of: &Type, schema: &Schema) -> String {
    if let Shape::Named(name) = &of.shape {
        return name.clone();
    }
    let of = schema.definition(of);
    let name = match (&of.logical, &of.shape) {
        (Some(logical), _) => logical.name.as_str(),
        (None, Shape::Plain(plain)) => plain.name(),
        (None, Shape::Array(_)) => "array",
        (None, _) => "map",
    };
    let capitalized = |word: &str| {
        let mut chars = word.chars();
        chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
    };
    name.split('-').map(capitalized).collect()
}

impl<'de> Visitor<'de> for Read<'_> {
    type Value = Reading;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.seed.schema.describe(self.seed.of))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Reading, E> {
        match self.plain() {
            Some(Plain::Boolean) => Ok(Reading::Boolean(value)),
            _ => Err(E::invalid_type(Unexpected::Bool(value), &self)),
        }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Reading, E> {
        match self.plain() {
            Some(Plain::Long) => Ok(Reading::Integer(number)),
            Some(Plain::Int) if i32::try_from(number).is_ok() => Ok(Reading::Integer(number)),
            Some(Plain::Float | Plain::Double) => {
                // As serde's types take it, with what precision there is.
                #[expect(clippy::cast_precision_loss, reason = "that is what is wanted")]
                let number = number as f64;
                self.float(number)
            }
            _ => Err(E::invalid_type(Unexpected::Signed(number), &self)),
        }
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Reading, E> {
        match i64::try_from(number) {
            Ok(number) => self.visit_i64(number),
            Err(_) => Err(E::invalid_value(Unexpected::Unsigned(number), &self)),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Reading, E> {
        self.float(number)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Reading, E> {
        match self.plain() {
            _ if self.is_decimal() => Ok(Reading::Text(text.to_owned())),
            Some(Plain::String) => Ok(Reading::Text(text.to_owned())),
            Some(Plain::Bytes) => Ok(Reading::Bytes(text.as_bytes().to_vec())),
            _ => Err(E::invalid_type(Unexpected::Str(text), &self)),
        }
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Reading, E> {
        match self.of.shape {
            Shape::Plain(Plain::Bytes) => Ok(Reading::Bytes(bytes.to_vec())),
            Shape::Fixed(size) if u64::try_from(bytes.len()).ok() == Some(size) => {
                Ok(Reading::Bytes(bytes.to_vec()))
            }
            Shape::Plain(Plain::String) => match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Reading::Text(text.to_owned())),
                Err(_) => Err(E::invalid_value(Unexpected::Bytes(bytes), &self)),
            },
            _ => Err(E::invalid_type(Unexpected::Bytes(bytes), &self)),
        }
    }

    fn visit_unit<E: Error>(self) -> Result<Reading, E> {
        match self.plain() {
            Some(Plain::Null) => Ok(Reading::Null),
            _ => Err(E::invalid_type(Unexpected::Unit, &self)),
        }
    }

    fn visit_none<E: Error>(self) -> Result<Reading, E> {
        Ok(Reading::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, input: D) -> Result<Reading, D::Error> {
        let Shape::Union(branches) = &self.of.shape else {
            return Err(D::Error::invalid_type(Unexpected::Option, &self));
        };
        match something(branches)[..] {
            [one] => self.seed.with(one).deserialize(input),
            _ => input.deserialize_enum("Union", &[], self),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Reading, A::Error> {
        let Shape::Array(of) = &self.of.shape else {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        };
        let mut list = Vec::new();
        while let Some(item) =
            self.seed.step("[]", || items.next_element_seed(self.seed.with(of)))?
        {
            list.push(item);
        }
        Ok(Reading::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Reading, A::Error> {
        match &self.of.shape {
            Shape::Map(of) => {
                let mut entries = BTreeMap::new();
                while let Some(name) = members.next_key::<String>()? {
                    let read = || members.next_value_seed(self.seed.with(of));
                    let value = self.seed.step("{}", read)?;
                    entries.insert(name, value);
                }
                Ok(Reading::Members(entries))
            }
            Shape::Record(fields) => self.record(fields, members),
            _ => Err(A::Error::invalid_type(Unexpected::Map, &self)),
        }
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variants: A) -> Result<Reading, A::Error> {
        let (name, variant) = variants.variant::<String>()?;
        if let Shape::Enum { symbols, .. } = &self.of.shape {
            if !symbols.contains(&name) {
                return Err(A::Error::custom(format_args!("unknown variant `{name}`")));
            }
            variant.unit_variant()?;
            return Ok(Reading::Text(name));
        }
        match self.branch(&name) {
            Some(of) => variant.newtype_variant_seed(self.seed.with(of)),
            None => Err(A::Error::custom(format_args!("unknown variant `{name}`"))),
        }
    }
}

impl Read<'_> {
    fn record<'de, A: MapAccess<'de>>(
        &self,
        fields: &[Field],
        mut members: A,
    ) -> Result<Reading, A::Error> {
        let mut found = BTreeMap::new();
        while let Some(name) = members.next_key::<String>()? {
            let Some(field) = fields.iter().find(|field| field.name == name) else {
                members.next_value::<IgnoredAny>()?;
                continue;
            };
            let read = || members.next_value_seed(self.seed.with(&field.of));
            let value = self.seed.step(&format!(".{name}"), read)?;
            found.insert(name, value);
        }
        for field in
            fields.iter().filter(|field| !found.contains_key(&field.name)).collect::<Vec<_>>()
        {
            let default = field.default.as_ref();
            let default = default.and_then(|it| Reading::default(it, &field.of, self.seed.schema));
            let value = self.seed.step(&format!(".{}", field.name), || {
                default.ok_or_else(|| A::Error::custom("it is not written, and has no default"))
            })?;
            found.insert(field.name.clone(), value);
        }
        Ok(Reading::Members(found))
    }
}
