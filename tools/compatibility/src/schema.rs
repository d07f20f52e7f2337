//! A schema as the checks see it: with defaults, aliases and docs, which canonical forms leave out, and
//! with the place in its JSON where each part is. More is taken than Avro allows, for what is wrong with
//! a schema is what is to be said.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value as Json};

use crate::json_lines::escaped;
use crate::path::{Path, Step};

/// How many named types a schema may have. An event's has some.
const NAMES_MAX: usize = 500;
/// How many types there may be when each name is taken for what it stands for: a few names that refer to
/// each other twice each would double that with every level.
const TYPES_MAX: u64 = 10_000;

/// A type without parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plain {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
}

impl Plain {
    const ALL: [(&'static str, Self); 8] = [
        ("null", Self::Null),
        ("boolean", Self::Boolean),
        ("int", Self::Int),
        ("long", Self::Long),
        ("float", Self::Float),
        ("double", Self::Double),
        ("bytes", Self::Bytes),
        ("string", Self::String),
    ];

    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, plain)| *plain)
    }

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, plain)| *plain == self).map_or("", |(name, _)| name)
    }
}

/// What a type stands for, beside what it is on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Logical {
    pub(crate) name: String,
    /// Digits, and those behind the point, of a decimal.
    pub(crate) digits: Option<(u64, u64)>,
}

/// The logical types that decoders know, with the types that may stand for them.
const LOGICAL: [(&str, &[&str]); 12] = [
    ("uuid", &["string", "fixed"]),
    ("decimal", &["bytes", "fixed"]),
    ("big-decimal", &["bytes"]),
    ("duration", &["fixed"]),
    ("date", &["int"]),
    ("time-millis", &["int"]),
    ("time-micros", &["long"]),
    ("timestamp-millis", &["long"]),
    ("timestamp-micros", &["long"]),
    ("timestamp-nanos", &["long"]),
    ("local-timestamp-millis", &["long"]),
    ("local-timestamp-micros", &["long"]),
];

/// A type, or a reference to one with a name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Type {
    pub(crate) shape: Shape,
    pub(crate) logical: Option<Logical>,
    /// Where it is in the JSON.
    pub(crate) at: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    Plain(Plain),
    Array(Box<Type>),
    Map(Box<Type>),
    Union(Vec<Type>),
    /// By its full name; what it is [`Schema::definition`] tells.
    Named(String),
    Record(Vec<Field>),
    Enum {
        symbols: Vec<String>,
        default: Option<String>,
    },
    Fixed(u64),
}

/// A record, an enum or a fixed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) aliases: Vec<String>,
    pub(crate) doc: String,
    pub(crate) of: Type,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) of: Type,
    pub(crate) default: Option<Json>,
    pub(crate) aliases: Vec<String>,
    pub(crate) doc: String,
    /// Its vocabulary, which is open.
    pub(crate) values: Vec<String>,
    /// Whether it holds personal data.
    pub(crate) is_personal: bool,
    /// Where it is in the JSON.
    pub(crate) at: String,
}

/// A whole schema.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Schema {
    pub(crate) root: Type,
    names: BTreeMap<String, Named>,
}

impl Schema {
    /// Reads a schema's JSON text, or says in a few words why it cannot be.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let json: Json = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut parser = Parser { names: BTreeMap::new() };
        let root = parser.of(&json, "", "")?;
        let schema = Self { root, names: parser.names };
        if let Some(name) = schema.undefined() {
            return Err(format!("{name} is not defined"));
        }
        let types = schema.types(&schema.root, &mut BTreeMap::new());
        if schema.names.len() > NAMES_MAX || types > TYPES_MAX {
            return Err(format!("it has more than {NAMES_MAX} names or {TYPES_MAX} types"));
        }
        Ok(schema)
    }

    /// How many types there are in one, each name taken for what it stands for. A type within itself
    /// counts once.
    fn types<'a>(&'a self, of: &'a Type, known: &mut BTreeMap<&'a str, u64>) -> u64 {
        if let Shape::Named(name) = &of.shape {
            if let Some(types) = known.get(name.as_str()) {
                return *types;
            }
            known.insert(name, 1);
            let types = self.types(self.definition(of), known);
            known.insert(name, types);
            return types;
        }
        let within = parts(of).into_iter().map(|part| self.types(part, known));
        within.fold(1, u64::saturating_add)
    }

    /// What the type is that a type refers to, or it itself.
    pub(crate) fn definition<'a>(&'a self, of: &'a Type) -> &'a Type {
        match &of.shape {
            Shape::Named(name) => self.names.get(name).map_or(of, |named| &named.of),
            _ => of,
        }
    }

    /// The record, enum or fixed that a type is.
    pub(crate) fn named(&self, of: &Type) -> Option<&Named> {
        match &of.shape {
            Shape::Named(name) => self.names.get(name),
            _ => None,
        }
    }

    /// All that have names.
    pub(crate) fn all_named(&self) -> impl Iterator<Item = &Named> {
        self.names.values()
    }

    /// The fields of the record that it is, and none of what is no record.
    pub(crate) fn fields<'a>(&'a self, of: &'a Type) -> &'a [Field] {
        match &self.definition(of).shape {
            Shape::Record(fields) => fields,
            _ => &[],
        }
    }

    /// The branches of a union, or the type itself.
    pub(crate) fn branches<'a>(&'a self, of: &'a Type) -> Vec<&'a Type> {
        match &self.definition(of).shape {
            Shape::Union(branches) => branches.iter().collect(),
            _ => vec![of],
        }
    }

    /// The field at a path, in whatever branch; the last one that is passed, if the path goes on
    /// from it to items or entries.
    pub(crate) fn find(&self, path: &Path) -> Option<&Field> {
        let (mut of, mut last) = (vec![&self.root], None);
        for step in path.steps() {
            let branches = of.into_iter().flat_map(|of| self.branches(of));
            let mut next = Vec::new();
            for branch in branches {
                match (step, &self.definition(branch).shape) {
                    (Step::Field(name), Shape::Record(fields)) => {
                        if let Some(field) = fields.iter().find(|field| field.name == *name) {
                            last = Some(field);
                            next.push(&field.of);
                        }
                    }
                    (Step::Item, Shape::Array(items)) => next.push(items),
                    (Step::Entry, Shape::Map(values)) => next.push(values),
                    _ => {}
                }
            }
            if next.is_empty() {
                return None;
            }
            of = next;
        }
        last
    }

    /// Calls `visit` for each field once, by the path on which it is met first.
    pub(crate) fn each_field<'a>(&'a self, visit: &mut dyn FnMut(&Path, &'a Field)) {
        self.walk(&self.root, &Path::default(), &mut Vec::new(), visit);
    }

    fn walk<'a>(
        &'a self,
        of: &'a Type,
        path: &Path,
        within: &mut Vec<&'a str>,
        visit: &mut dyn FnMut(&Path, &'a Field),
    ) {
        match &of.shape {
            Shape::Named(name) if within.contains(&name.as_str()) => {}
            Shape::Named(name) => {
                within.push(name);
                self.walk(self.definition(of), path, within, visit);
                within.pop();
            }
            Shape::Array(items) => self.walk(items, &path.item(), within, visit),
            Shape::Map(values) => self.walk(values, &path.entry(), within, visit),
            Shape::Union(branches) => {
                for branch in branches {
                    self.walk(branch, path, within, visit);
                }
            }
            Shape::Record(fields) => {
                for field in fields {
                    let path = path.field(&field.name);
                    visit(&path, field);
                    self.walk(&field.of, &path, within, visit);
                }
            }
            Shape::Plain(_) | Shape::Enum { .. } | Shape::Fixed(_) => {}
        }
    }

    /// A type in words.
    pub(crate) fn describe(&self, of: &Type) -> String {
        let base = match &of.shape {
            Shape::Plain(plain) => plain.name().to_owned(),
            Shape::Array(items) => format!("array of {}", self.describe(items)),
            Shape::Map(values) => format!("map of {}", self.describe(values)),
            Shape::Union(branches) => {
                let branches: Vec<String> = branches.iter().map(|it| self.describe(it)).collect();
                format!("[{}]", branches.join(", "))
            }
            Shape::Named(name) => {
                let kind = match &self.definition(of).shape {
                    Shape::Enum { .. } => "enum",
                    Shape::Fixed(_) => "fixed",
                    _ => "record",
                };
                format!("{kind} {}", last_part(name))
            }
            Shape::Record(_) => "record".to_owned(),
            Shape::Enum { .. } => "enum".to_owned(),
            Shape::Fixed(size) => format!("fixed of {size} bytes"),
        };
        match &self.definition(of).logical {
            Some(Logical { name, digits: Some((precision, scale)) }) => {
                format!("{base} ({name} {precision},{scale})")
            }
            Some(Logical { name, .. }) => format!("{base} ({name})"),
            None => base,
        }
    }

    /// All that decides how a type is written, as a text: equal for types that mean the same. Names
    /// are left out of it.
    pub(crate) fn signature(&self, of: &Type) -> String {
        let mut text = String::new();
        self.sign(of, &mut Vec::new(), &mut text);
        text
    }

    fn sign<'a>(&'a self, of: &'a Type, within: &mut Vec<&'a str>, text: &mut String) {
        match &of.shape {
            Shape::Plain(plain) => text.push_str(plain.name()),
            Shape::Array(items) => {
                text.push('[');
                self.sign(items, within, text);
                text.push(']');
            }
            Shape::Map(values) => {
                text.push('{');
                self.sign(values, within, text);
                text.push('}');
            }
            Shape::Union(branches) => {
                for branch in branches {
                    text.push('|');
                    self.sign(branch, within, text);
                }
            }
            Shape::Named(name) => {
                if let Some(depth) = within.iter().rev().position(|it| it == name) {
                    let _ = write!(text, "^{depth}");
                    return;
                }
                within.push(name);
                self.sign(self.definition(of), within, text);
                within.pop();
            }
            Shape::Record(fields) => {
                text.push('(');
                for field in fields {
                    text.push_str(&field.name);
                    text.push(':');
                    self.sign(&field.of, within, text);
                    text.push(',');
                }
                text.push(')');
            }
            Shape::Enum { symbols, .. } => {
                let _ = write!(text, "<{}>", symbols.join(","));
            }
            Shape::Fixed(size) => {
                let _ = write!(text, "#{size}");
            }
        }
        if let Some(Logical { name, digits }) = &of.logical {
            let _ = write!(text, "~{name}{digits:?}");
        }
    }

    /// The first name that is not defined.
    fn undefined(&self) -> Option<&str> {
        let mut all = self.names.values().map(|named| &named.of).chain([&self.root]);
        all.find_map(|of| self.undefined_part(of))
    }

    fn undefined_part<'a>(&'a self, of: &'a Type) -> Option<&'a str> {
        match &of.shape {
            Shape::Named(name) if !self.names.contains_key(name) => Some(name),
            _ => parts(of).into_iter().find_map(|part| self.undefined_part(part)),
        }
    }
}

/// The types within a type. Those that have names are not looked into.
fn parts(of: &Type) -> Vec<&Type> {
    match &of.shape {
        Shape::Array(of) | Shape::Map(of) => vec![of],
        Shape::Union(branches) => branches.iter().collect(),
        Shape::Record(fields) => fields.iter().map(|field| &field.of).collect(),
        _ => Vec::new(),
    }
}

/// `Money` of `farandole.order.Money`.
pub(crate) fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// `farandole.order` of `farandole.order.Money`.
pub(crate) fn namespace(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(namespace, _)| namespace)
}

struct Parser {
    names: BTreeMap<String, Named>,
}

impl Parser {
    /// The type that is at `at`, in this namespace.
    fn of(&mut self, json: &Json, at: &str, namespace: &str) -> Result<Type, String> {
        let plain = |shape| Type { shape, logical: None, at: at.to_owned() };
        match json {
            Json::String(name) => Ok(plain(match Plain::named(name) {
                Some(known) => Shape::Plain(known),
                None => Shape::Named(full_name(name, namespace)),
            })),
            Json::Array(branches) => {
                let branches = branches.iter().enumerate();
                let branches =
                    branches.map(|(index, it)| self.of(it, &format!("{at}/{index}"), namespace));
                Ok(plain(Shape::Union(branches.collect::<Result<_, _>>()?)))
            }
            Json::Object(members) => self.object(members, at, namespace),
            other => Err(format!("{other} is no type")),
        }
    }

    fn object(
        &mut self,
        members: &Map<String, Json>,
        at: &str,
        namespace: &str,
    ) -> Result<Type, String> {
        let kind = members.get("type").ok_or("a type has no \"type\"")?;
        let part = |name: &str| members.get(name).ok_or(format!("{kind} has no \"{name}\""));
        let kind = match kind {
            Json::String(kind) => kind.as_str(),
            nested => return self.of(nested, &format!("{at}/type"), namespace),
        };
        let mut of = match kind {
            "array" => {
                let items = self.of(part("items")?, &format!("{at}/items"), namespace)?;
                Type { shape: Shape::Array(Box::new(items)), logical: None, at: at.to_owned() }
            }
            "map" => {
                let values = self.of(part("values")?, &format!("{at}/values"), namespace)?;
                Type { shape: Shape::Map(Box::new(values)), logical: None, at: at.to_owned() }
            }
            "record" | "error" | "enum" | "fixed" => {
                return self.definition(kind, members, at, namespace);
            }
            name => self.of(&Json::String(name.to_owned()), at, namespace)?,
        };
        of.logical = logical(members, kind);
        Ok(of)
    }

    fn definition(
        &mut self,
        kind: &str,
        members: &Map<String, Json>,
        at: &str,
        namespace: &str,
    ) -> Result<Type, String> {
        let name = text(members, "name").ok_or_else(|| format!("a {kind} has no \"name\""))?;
        let own = text(members, "namespace");
        let name = full_name(name, own.unwrap_or(namespace));
        let within = self::namespace(&name).to_owned();
        let aliases = texts(members, "aliases");
        let aliases = aliases.iter().map(|alias| full_name(alias, &within)).collect();
        let shape = match kind {
            "enum" => {
                let default = text(members, "default").map(str::to_owned);
                Shape::Enum { symbols: texts(members, "symbols"), default }
            }
            "fixed" => {
                let size = members.get("size").and_then(Json::as_u64);
                Shape::Fixed(size.ok_or("a fixed has no \"size\"")?)
            }
            _ => {
                let fields = members.get("fields").and_then(Json::as_array);
                let fields = fields.ok_or("a record has no \"fields\"")?.iter().enumerate();
                let fields = fields
                    .map(|(index, it)| self.field(it, &format!("{at}/fields/{index}"), &within));
                Shape::Record(fields.collect::<Result<_, _>>()?)
            }
        };
        let doc = text(members, "doc").unwrap_or_default().to_owned();
        let of = Type { shape, logical: logical(members, kind), at: at.to_owned() };
        if self.names.contains_key(&name) {
            return Err(format!("{name} is defined twice"));
        }
        self.names.insert(name.clone(), Named { name: name.clone(), aliases, doc, of });
        Ok(Type { shape: Shape::Named(name), logical: None, at: at.to_owned() })
    }

    fn field(&mut self, json: &Json, at: &str, namespace: &str) -> Result<Field, String> {
        let members = json.as_object().ok_or("a field is no object")?;
        let name = text(members, "name").ok_or("a field has no \"name\"")?.to_owned();
        let of = members.get("type").ok_or_else(|| format!("{name} has no \"type\""))?;
        let of = self
            .of(of, &format!("{at}/{}", escaped("type")), namespace)
            .map_err(|error| format!("{name}: {error}"))?;
        let personal = members.get("farandole.personal").and_then(Json::as_bool);
        Ok(Field {
            name,
            of,
            default: members.get("default").cloned(),
            aliases: texts(members, "aliases"),
            doc: text(members, "doc").unwrap_or_default().to_owned(),
            values: texts(members, "farandole.values"),
            is_personal: personal == Some(true),
            at: at.to_owned(),
        })
    }
}

fn text<'a>(members: &'a Map<String, Json>, name: &str) -> Option<&'a str> {
    members.get(name).and_then(Json::as_str)
}

fn texts(members: &Map<String, Json>, name: &str) -> Vec<String> {
    let all = members.get(name).and_then(Json::as_array).into_iter().flatten();
    all.filter_map(|it| it.as_str().map(str::to_owned)).collect()
}

fn full_name(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}.{name}")
    }
}

/// The logical type, if decoders know it and the type can stand for it; else Avro ignores it.
fn logical(members: &Map<String, Json>, kind: &str) -> Option<Logical> {
    let name = text(members, "logicalType")?;
    let (_, kinds) = LOGICAL.iter().find(|(known, _)| *known == name)?;
    if !kinds.contains(&kind) {
        return None;
    }
    let number = |name: &str| members.get(name).and_then(Json::as_u64);
    let digits = (name == "decimal")
        .then(|| Some((number("precision")?, number("scale").unwrap_or_default())));
    Some(Logical { name: name.to_owned(), digits: digits.flatten() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_inherited_and_found_wherever_they_were_defined() {
        let schema = Schema::parse(
            r#"{"type":"record","name":"Placed","namespace":"farandole.order","fields":[
            {"name":"a","type":["null",{"type":"record","name":"Money","fields":[
                {"name":"amount","type":"long"}]}]},
            {"name":"b","type":{"type":"array","items":"Money"}},
            {"name":"c","type":{"type":"map","values":["null","farandole.order.Money"]}}]}"#,
        )
        .unwrap();
        for path in [
            Path::default().field("a").field("amount"),
            Path::default().field("b").item().field("amount"),
            Path::default().field("c").entry().field("amount"),
        ] {
            assert_eq!(schema.find(&path).unwrap().name, "amount", "{path}");
        }
        assert!(schema.find(&Path::default().field("a").item()).is_none());
        assert_eq!(schema.describe(&schema.root), "record Placed");
    }

    #[test]
    fn what_is_no_schema_is_refused_in_words() {
        for (text, word) in [
            ("{", "EOF"),
            (r#"{"name":"A"}"#, "type"),
            (
                r#"{"type":"record","name":"A","fields":[{"name":"b","type":"B"}]}"#,
                "B is not defined",
            ),
            (r#"["null",{"type":"array","items":"B"}]"#, "B is not defined"),
            (r#""B""#, "B is not defined"),
            (
                r#"[{"type":"fixed","name":"A","size":1},{"type":"fixed","name":"A","size":1}]"#,
                "twice",
            ),
        ] {
            let error = Schema::parse(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn one_that_would_be_endless_is_refused() {
        let mut of = r#""int""#.to_owned();
        for level in 0..30 {
            let again = if level == 0 { "int".to_owned() } else { format!("L{}", level - 1) };
            of = format!(
                r#"{{"type":"record","name":"L{level}","fields":[
                {{"name":"x","type":{of}}},{{"name":"y","type":"{again}"}}]}}"#
            );
        }
        assert!(Schema::parse(&of).unwrap_err().contains("10000 types"));
    }

    #[test]
    fn a_type_within_itself_does_not_hang() {
        let schema = Schema::parse(
            r#"{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}"#,
        )
        .unwrap();
        let mut seen = Vec::new();
        schema.each_field(&mut |path, _| seen.push(path.to_string()));
        assert_eq!(seen, ["next"]);
        assert_eq!(schema.signature(&schema.root), "(next:|null|^0,)");
    }
}
