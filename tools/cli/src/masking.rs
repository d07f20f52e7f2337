//! What may be shown of what events and errors say: nothing personal.

use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

use contracts::{REDRIVE, TARGET_GROUP, TraceParent, headers};
use declarations::Schemas;
use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

/// What stands for a value that is not shown. It tells nothing of it, not even how long it is.
pub const MASK: &str = "(redacted)";

/// The attribute by which a schema says whether a field is personal, or a record.
const PERSONAL: &str = "farandole.personal";
/// How deep names may lead to names.
const DEPTH_MAX: usize = 64;
/// How many bytes in a row an error and a payload may have in common.
const ALIKE_MAX: usize = 3;

/// The schemas that this was built with: `farandole contracts check` holds against them that whatever is
/// personal says so (R36), so one without such a field has nothing personal in it.
static CHECKED: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let schemas = Schemas::embedded();
    let texts = schemas.by_event().flatten().map(|schema| serde_json::from_str(&schema.text));
    texts.filter_map(Result::ok).collect()
});

/// An event's fields without what its schema says is personal, and without what the schema does not tell of.
/// `schema` is the one that wrote them, `value` is as [`contracts::WriterSchema`] decodes.
///
/// A schema that says of nothing whether it is personal is not taken at its silence, unless it is one of
/// those that this was built with: only the names of the event's fields are shown.
pub fn masked(schema: &Value, value: Value) -> Value {
    let mut types = Types::default();
    types.learn(schema, "");
    if !types.is_said && !CHECKED.contains(schema) {
        return names(value);
    }
    let of = types.open(schema, "", DEPTH_MAX);
    if of.iter().any(|it| it.is_personal) { MASK.into() } else { types.show(&of, value) }
}

/// The names of the fields alone.
fn names(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            fields.into_iter().map(|(name, _)| (name, Value::from(MASK))).collect()
        }
        _ => MASK.into(),
    }
}

/// What a value may be.
struct Type<'s> {
    schema: &'s Value,
    /// The namespace in which names within are looked up.
    namespace: String,
    is_personal: bool,
}

#[derive(Default)]
struct Types<'s> {
    /// Those that have names, by their full ones.
    named: BTreeMap<String, &'s Value>,
    /// Whether anything of the schema says if it is personal.
    is_said: bool,
}

impl<'s> Types<'s> {
    fn learn(&mut self, schema: &'s Value, namespace: &str) {
        match schema {
            Value::Array(branches) => branches.iter().for_each(|it| self.learn(it, namespace)),
            Value::Object(members) => {
                self.is_said |= members.contains_key(PERSONAL);
                let (full, namespace) = full_name(schema, namespace);
                if let Some(full) = full {
                    self.named.insert(full, schema);
                }
                for inner in
                    ["type", "items", "values"].into_iter().filter_map(|it| members.get(it))
                {
                    self.learn(inner, &namespace);
                }
                for field in fields(schema) {
                    self.learn(field, &namespace);
                }
            }
            _ => {}
        }
    }

    /// What a value of this schema may be: names are looked up, and unions opened. Which branch of a union it
    /// is, the value does not tell.
    fn open(&self, schema: &'s Value, namespace: &str, depth: usize) -> Vec<Type<'s>> {
        let Some(depth) = depth.checked_sub(1) else { return Vec::new() };
        match schema {
            Value::Array(branches) => {
                branches.iter().flat_map(|it| self.open(it, namespace, depth)).collect()
            }
            Value::String(name) if is_plain(name) => {
                vec![Type { schema, namespace: namespace.to_owned(), is_personal: false }]
            }
            Value::String(name) => match self.find(name, namespace) {
                Some((named, outer)) => self.open(named, &outer, depth),
                None => Vec::new(),
            },
            Value::Object(members) => {
                let is_personal = is_personal(schema);
                let (_, own) = full_name(schema, namespace);
                let inner = match members.get("type") {
                    Some(Value::String(kind)) if is_plain(kind) || is_complex(kind) => {
                        return vec![Type { schema, namespace: own, is_personal }];
                    }
                    Some(inner) => self.open(inner, &own, depth),
                    None => Vec::new(),
                };
                let with = |it: Type<'s>| Type { is_personal: it.is_personal || is_personal, ..it };
                inner.into_iter().map(with).collect()
            }
            _ => Vec::new(),
        }
    }

    /// A type by its name, and the namespace around it.
    fn find(&self, name: &str, namespace: &str) -> Option<(&'s Value, String)> {
        let full = qualified(name, namespace);
        let outer = full.rsplit_once('.').map_or("", |(outer, _)| outer);
        Some((*self.named.get(&full)?, outer.to_owned()))
    }

    fn show(&self, of: &[Type<'s>], value: Value) -> Value {
        match value {
            // A duration is a fixed, and decodes to its three numbers.
            Value::Object(_) if of.iter().any(|it| it.schema["logicalType"] == "duration") => value,
            Value::Object(entries) => Value::Object(self.entries(of, entries)),
            Value::Array(items) => {
                let inner = self.inner(of, "array", "items");
                items.into_iter().map(|item| self.unless_personal(&inner, item)).collect()
            }
            // What a schema does not tell of, it has not said of that it is not personal.
            scalar if of.iter().any(Type::is_scalar) => scalar,
            _ => MASK.into(),
        }
    }

    fn entries(&self, of: &[Type<'s>], entries: Map<String, Value>) -> Map<String, Value> {
        let of_map = |of: &[Type<'s>]| self.inner(of, "map", "values");
        let entry = |(name, value): (String, Value)| {
            let mut inner = of_map(of);
            let mut hidden = false;
            for it in of {
                for field in fields(it.schema).filter(|field| field["name"] == name) {
                    hidden |= is_personal(field);
                    inner.extend(self.open(&field["type"], &it.namespace, DEPTH_MAX));
                }
            }
            let value = if hidden { MASK.into() } else { self.unless_personal(&inner, value) };
            (name, value)
        };
        entries.into_iter().map(entry).collect()
    }

    fn unless_personal(&self, of: &[Type<'s>], value: Value) -> Value {
        if of.iter().any(|it| it.is_personal) { MASK.into() } else { self.show(of, value) }
    }

    /// What is in those of them that are of this kind.
    fn inner(&self, of: &[Type<'s>], kind: &str, member: &str) -> Vec<Type<'s>> {
        let of_kind = of.iter().filter(|it| it.schema["type"] == kind);
        of_kind.flat_map(|it| self.open(&it.schema[member], &it.namespace, DEPTH_MAX)).collect()
    }
}

impl Type<'_> {
    fn is_scalar(&self) -> bool {
        let kind = self.schema.as_str().or(self.schema["type"].as_str()).unwrap_or_default();
        is_plain(kind) || ["enum", "fixed"].contains(&kind)
    }
}

/// Whether it is marked. What is neither `true` nor `false` was meant as a mark.
fn is_personal(schema: &Value) -> bool {
    schema.get(PERSONAL).is_some_and(|said| *said != Value::Bool(false))
}

fn fields(schema: &Value) -> impl Iterator<Item = &Value> {
    schema.get("fields").and_then(Value::as_array).into_iter().flatten()
}

fn is_plain(kind: &str) -> bool {
    ["null", "boolean", "int", "long", "float", "double", "bytes", "string"].contains(&kind)
}

fn is_complex(kind: &str) -> bool {
    ["record", "error", "enum", "fixed", "array", "map"].contains(&kind)
}

/// The full name of a type, if it has one, and the namespace in which names within it are looked up.
fn full_name(schema: &Value, namespace: &str) -> (Option<String>, String) {
    let kind = schema["type"].as_str().unwrap_or_default();
    let name = schema["name"].as_str().filter(|_| is_complex(kind));
    let Some(name) = name else { return (None, namespace.to_owned()) };
    let namespace = match (name.rsplit_once('.'), schema["namespace"].as_str()) {
        (Some((outer, _)), _) => return (Some(name.to_owned()), outer.to_owned()),
        (None, Some(own)) => own,
        (None, None) => namespace,
    };
    (Some(qualified(name, namespace)), namespace.to_owned())
}

fn qualified(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() {
        return name.to_owned();
    }
    format!("{namespace}.{name}")
}

/// A header's name and value. Shown is what has the form that it has in events; anybody may write anything
/// into others.
pub fn header(name: &str, value: Option<&[u8]>) -> (String, String) {
    let text = value.and_then(|value| std::str::from_utf8(value).ok());
    let fits = |text: &&str| match name {
        headers::ID | headers::SUBJECT | REDRIVE => text.parse::<Uuid>().is_ok(),
        headers::TIME => text.parse::<Timestamp>().is_ok(),
        headers::SEQUENCE => text.parse::<u32>().is_ok(),
        headers::SPECVERSION => *text == "1.0",
        headers::CONTENT_TYPE => text.eq_ignore_ascii_case("application/avro"),
        headers::TRACEPARENT => text.parse::<TraceParent>().is_ok(),
        headers::SOURCE => text.strip_prefix('/').is_some_and(is_name),
        headers::TYPE | headers::CORRELATION_ID | headers::CAUSATION_ID | TARGET_GROUP => {
            is_name(text)
        }
        _ => false,
    };
    let name = if is_name(name) { name } else { MASK };
    (name.to_owned(), text.filter(fits).unwrap_or(MASK).to_owned())
}

/// Whether it is what types, services and ids are made of.
fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=100).contains(&text.len()) && text.bytes().all(fits)
}

/// A text as it may be shown where a type or an id is to be.
pub fn name(text: &str) -> &str {
    if is_name(text) { text } else { MASK }
}

/// An error's text without the values that it quotes, and without what a panic has said: it may be anything.
pub fn error(text: &str) -> String {
    let (text, panic) = match text.split_once(PANICKED) {
        Some((before, _)) => (before, format!("{PANICKED}{MASK}")),
        None => (text, String::new()),
    };
    let mut shown = text.to_owned();
    for (open, close) in [('"', '"'), ('`', '`'), ('“', '”'), ('‘', '’'), ('«', '»')] {
        shown = unquoted(&shown, open, close);
    }
    format!("{shown}{panic}")
}

/// How it begins what a panic has said.
const PANICKED: &str = "it panicked: ";

/// Without what is between the first and the last of these: what is quoted may have some in it.
fn unquoted(text: &str, open: char, close: char) -> String {
    let Some(first) = text.find(open) else { return text.to_owned() };
    // What was not closed goes on to the end.
    let last = text.rfind(close).filter(|last| *last > first);
    let end = last.map_or(text.len(), |last| last + close.len_utf8());
    let before = &text[..first];
    // What serde misses is a name of the program's own.
    if before.ends_with("missing field ") {
        return text.to_owned();
    }
    format!("{before}{MASK}{}", &text[end..])
}

/// An error's text also without what it has in common with the record that it is about.
pub fn error_about(text: &str, payload: &[u8]) -> String {
    let shown = error(text);
    // The error is the shorter of the two: a payload may have a megabyte, and letters are many.
    let parts: HashSet<&[u8]> = shown.as_bytes().windows(ALIKE_MAX + 1).collect();
    let alike: HashSet<&[u8]> =
        payload.windows(ALIKE_MAX + 1).filter(|part| parts.contains(part)).collect();
    let is_alike =
        |word: &str| word.as_bytes().windows(ALIKE_MAX + 1).any(|part| alike.contains(part));
    // Short words are in everything, but for names and numbers.
    let is_name = |part: &str| {
        let is_short = (1..=ALIKE_MAX).contains(&part.len());
        is_short
            && !part.bytes().all(|byte| byte.is_ascii_lowercase())
            && payload.windows(part.len()).any(|there| there == part.as_bytes())
    };
    let is_from_it =
        |word: &str| is_alike(word) || word.split(|c: char| !c.is_alphanumeric()).any(is_name);
    let words = shown.split(char::is_whitespace);
    words.map(|word| if is_from_it(word) { MASK } else { word }).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
