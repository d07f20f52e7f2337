//! What somebody has read, in one form for both ways of reading.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value as Json;

use crate::schema::{Plain, Schema, Shape, Type};

/// A value as it was read. Of a union it is what is in it.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// Nothing.
    Null,
    /// True or false.
    Boolean(bool),
    /// A number without a fraction.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// A text, or an enum's symbol.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Items.
    List(Vec<Reading>),
    /// A record's fields, or a map's entries, by their names.
    Members(BTreeMap<String, Reading>),
}

impl Reading {
    /// Where two of them differ first, and how.
    pub(crate) fn difference(&self, other: &Self) -> Option<(String, String)> {
        self.differs(other, String::new())
    }

    fn differs(&self, other: &Self, path: String) -> Option<(String, String)> {
        match (self, other) {
            (Self::List(one), Self::List(two)) if one.len() == two.len() => {
                let mut pairs = one.iter().zip(two);
                pairs.find_map(|(one, two)| one.differs(two, format!("{path}[]")))
            }
            (Self::Members(one), Self::Members(two)) if one.keys().eq(two.keys()) => {
                let dot = if path.is_empty() { "" } else { "." };
                let mut pairs = one.iter().zip(two.values());
                pairs.find_map(|((name, one), two)| one.differs(two, format!("{path}{dot}{name}")))
            }
            (one, two) => (one != two).then(|| (path, format!("{one}, and {two}"))),
        }
    }

    /// What a reader makes of a field that is not written: its default.
    pub(crate) fn default(json: &Json, of: &Type, schema: &Schema) -> Option<Self> {
        Some(match (&schema.definition(of).shape, json) {
            (Shape::Plain(Plain::Null), Json::Null) => Self::Null,
            (Shape::Plain(Plain::Boolean), Json::Bool(value)) => Self::Boolean(*value),
            (Shape::Plain(Plain::Int | Plain::Long), Json::Number(number)) => {
                Self::Integer(number.as_i64()?)
            }
            (Shape::Plain(Plain::Float), Json::Number(number)) => {
                // As a type of that size holds it.
                #[expect(clippy::cast_possible_truncation, reason = "that is what is wanted")]
                let single = number.as_f64()? as f32;
                Self::Float(f64::from(single))
            }
            (Shape::Plain(Plain::Double), Json::Number(number)) => Self::Float(number.as_f64()?),
            (Shape::Plain(Plain::String) | Shape::Enum { .. }, Json::String(text)) => {
                Self::Text(text.clone())
            }
            // A code point for each byte.
            (Shape::Plain(Plain::Bytes) | Shape::Fixed(_), Json::String(text)) => Self::Bytes(
                text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect::<Option<_>>()?,
            ),
            (Shape::Array(of), Json::Array(items)) => {
                let items = items.iter().map(|item| Self::default(item, of, schema));
                Self::List(items.collect::<Option<_>>()?)
            }
            (Shape::Map(of), Json::Object(entries)) => {
                let entries = entries
                    .iter()
                    .map(|(name, it)| Some((name.clone(), Self::default(it, of, schema)?)));
                Self::Members(entries.collect::<Option<_>>()?)
            }
            (Shape::Record(fields), Json::Object(members)) => {
                let fields = fields.iter().map(|field| {
                    let json = members.get(&field.name).or(field.default.as_ref())?;
                    Some((field.name.clone(), Self::default(json, &field.of, schema)?))
                });
                Self::Members(fields.collect::<Option<_>>()?)
            }
            (Shape::Union(branches), json) => {
                branches.iter().find_map(|branch| Self::default(json, branch, schema))?
            }
            _ => return None,
        })
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::List(items) => write!(f, "{} items", items.len()),
            Self::Members(members) => {
                let names: Vec<&str> = members.keys().map(String::as_str).collect();
                write!(f, "{{{}}}", names.join(", "))
            }
        }
    }
}
