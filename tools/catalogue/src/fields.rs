//! The fields of a schema, those within others included.

use std::collections::BTreeMap;

use serde_json::Value;

/// A field that holds personal data.
const PERSONAL: &str = "farandole.personal";
/// The values that a text has today. More may come.
const VALUES: &str = "farandole.values";

/// A field of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Where it is: names with dots between, `[]` behind an array's and `{}` behind a map's, such as
    /// `lines[].sku`.
    pub path: String,
    /// Its own name.
    pub name: String,
    /// Its type in Avro's words, such as `array of Line` or `string (uuid)`.
    pub type_text: String,
    /// What it means.
    pub about: String,
    /// What a reader takes where it is not written.
    pub default: Option<Value>,
    /// Whether it, or what it is in, holds personal data.
    pub is_personal: bool,
    /// The values that it has today, if they are few. More may come.
    pub values: Vec<String>,
    /// In how many other fields it is.
    pub depth: usize,
}

impl Field {
    /// The path as it is in links: without brackets.
    pub fn anchor(&self) -> String {
        anchor(&self.path)
    }

    /// What its number counts, or the form of its text: the logical type or, of a number, what is
    /// said of it. `None` where only the meaning tells.
    pub fn unit(&self) -> Option<String> {
        let (base, logical) = self.type_text.split_once(" (").unwrap_or((&self.type_text, ""));
        match logical.trim_end_matches(')') {
            "timestamp-millis" => Some("time, milliseconds UTC".to_owned()),
            "timestamp-micros" => Some("time, microseconds UTC".to_owned()),
            "" if ["int", "long", "float", "double"].contains(&base) => {
                let end = self.about.find([',', ';', '.']).unwrap_or(self.about.len());
                Some(self.about[..end].to_lowercase())
            }
            "" => None,
            logical => Some(logical.to_owned()),
        }
    }
}

/// A path of a field as it is in links.
pub(crate) fn anchor(path: &str) -> String {
    path.replace(['[', ']', '{', '}'], "")
}

/// All fields of a schema, each before those within it. What is no schema has none.
pub fn fields(schema: &Value) -> Vec<Field> {
    let mut walk = Walk { named: BTreeMap::new(), within: Vec::new(), found: Vec::new() };
    walk.learn(schema, "");
    walk.record(schema, &Place::default());
    walk.found
}

/// Where the walk is.
#[derive(Debug, Clone, Default)]
struct Place {
    path: String,
    namespace: String,
    depth: usize,
    is_personal: bool,
}

struct Walk<'a> {
    /// The types that have names, by their full ones.
    named: BTreeMap<String, &'a Value>,
    /// The records that the walk is in: one within itself is told once.
    within: Vec<String>,
    found: Vec<Field>,
}

impl<'a> Walk<'a> {
    /// Finds all types that have names: a schema may refer to what it defines elsewhere.
    fn learn(&mut self, schema: &'a Value, namespace: &str) {
        match schema {
            Value::Array(branches) => branches.iter().for_each(|it| self.learn(it, namespace)),
            Value::Object(_) => {
                let (full, namespace) = full_name(schema, namespace);
                if let Some(full) = full {
                    self.named.insert(full, schema);
                }
                for inner in [&schema["items"], &schema["values"], &schema["type"]] {
                    self.learn(inner, &namespace);
                }
                for field in list(&schema["fields"]) {
                    self.learn(&field["type"], &namespace);
                }
            }
            _ => {}
        }
    }

    /// The fields of a record, at this place.
    fn record(&mut self, schema: &'a Value, place: &Place) {
        let (full, namespace) = full_name(schema, &place.namespace);
        let full = full.unwrap_or_default();
        if self.within.contains(&full) {
            return;
        }
        self.within.push(full);
        for field in list(&schema["fields"]) {
            let name = text(&field["name"]);
            let dot = if place.path.is_empty() { "" } else { "." };
            let place = Place {
                path: format!("{}{dot}{name}", place.path),
                namespace: namespace.clone(),
                depth: place.depth,
                is_personal: place.is_personal || field[PERSONAL] == true,
            };
            self.found.push(Field {
                path: place.path.clone(),
                name,
                type_text: self.type_text(&field["type"], &namespace),
                about: text(&field["doc"]),
                default: field.get("default").cloned(),
                is_personal: place.is_personal,
                values: list(&field[VALUES]).iter().map(text).collect(),
                depth: place.depth,
            });
            self.inner(&field["type"], &Place { depth: place.depth + 1, ..place });
        }
        self.within.pop();
    }

    /// The fields within a field of this type.
    fn inner(&mut self, schema: &'a Value, place: &Place) {
        let at = |mark: &str| Place { path: format!("{}{mark}", place.path), ..place.clone() };
        match schema {
            Value::String(name) => {
                if let Some(schema) = self.resolve(name, &place.namespace) {
                    self.inner(schema, place);
                }
            }
            Value::Array(branches) => branches.iter().for_each(|it| self.inner(it, place)),
            Value::Object(members) => match members.get("type") {
                Some(Value::String(kind)) if kind == "record" => self.record(schema, place),
                Some(Value::String(kind)) if kind == "array" => {
                    self.inner(&schema["items"], &at("[]"));
                }
                Some(Value::String(kind)) if kind == "map" => {
                    self.inner(&schema["values"], &at("{}"));
                }
                Some(inner @ (Value::Object(_) | Value::Array(_))) => self.inner(inner, place),
                _ => {}
            },
            _ => {}
        }
    }

    fn resolve(&self, name: &str, namespace: &str) -> Option<&'a Value> {
        let full = if name.contains('.') || namespace.is_empty() {
            name.to_owned()
        } else {
            format!("{namespace}.{name}")
        };
        self.named.get(&full).copied()
    }

    fn type_text(&self, schema: &Value, namespace: &str) -> String {
        match schema {
            Value::String(name) => name.rsplit('.').next().unwrap_or(name).to_owned(),
            Value::Array(branches) => {
                let branches: Vec<String> =
                    branches.iter().map(|it| self.type_text(it, namespace)).collect();
                branches.join(" or ")
            }
            Value::Object(_) => self.complex_type_text(schema, namespace),
            _ => String::new(),
        }
    }

    fn complex_type_text(&self, schema: &Value, namespace: &str) -> String {
        let logical = schema["logicalType"].as_str();
        let text = match schema["type"].as_str() {
            Some("array") => format!("array of {}", self.type_text(&schema["items"], namespace)),
            Some("map") => format!("map of {}", self.type_text(&schema["values"], namespace)),
            Some("enum") => {
                let symbols: Vec<String> = list(&schema["symbols"]).iter().map(text).collect();
                format!("{}: {}", text(&schema["name"]), symbols.join(" | "))
            }
            Some("record" | "fixed") => text(&schema["name"]),
            Some(plain) => plain.to_owned(),
            None => self.type_text(&schema["type"], namespace),
        };
        logical.map_or(text.clone(), |logical| format!("{text} ({logical})"))
    }
}

/// A type's full name, if it has one, and the namespace of the names within it.
fn full_name(schema: &Value, outer: &str) -> (Option<String>, String) {
    let namespace = schema["namespace"].as_str().unwrap_or(outer);
    match schema["name"].as_str() {
        None => (None, outer.to_owned()),
        Some(name) => match name.rsplit_once('.') {
            Some((namespace, _)) => (Some(name.to_owned()), namespace.to_owned()),
            None if namespace.is_empty() => (Some(name.to_owned()), String::new()),
            None => (Some(format!("{namespace}.{name}")), namespace.to_owned()),
        },
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths(schema: &Value) -> Vec<String> {
        fields(schema).into_iter().map(|field| field.path).collect()
    }

    #[test]
    fn fields_within_others_are_found_through_all_that_avro_has() {
        let money = json!({"type": "record", "name": "Money", "fields": [
            {"name": "amount", "type": "long"}]});
        let schema = json!({"type": "record", "name": "Sold", "namespace": "farandole.shop", "fields": [
            {"name": "total", "type": money},
            {"name": "discount", "type": ["null", "Money"], "default": null},
            {"name": "lines", "type": {"type": "array", "items": {"type": "record", "name": "Line",
                "fields": [{"name": "price", "type": "farandole.shop.Money"}]}}},
            {"name": "fees", "type": {"type": "map", "values": "Money"}},
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["A", "B"]}},
        ]});
        assert_eq!(
            paths(&schema),
            [
                "total",
                "total.amount",
                "discount",
                "discount.amount",
                "lines",
                "lines[].price",
                "lines[].price.amount",
                "fees",
                "fees{}.amount",
                "at",
                "state",
            ]
        );
        let found = fields(&schema);
        let types: Vec<&str> = found.iter().map(|it| it.type_text.as_str()).collect();
        assert_eq!(types[2], "null or Money");
        assert_eq!(types[4], "array of Line");
        assert_eq!(types[7], "map of Money");
        assert_eq!(types[9], "long (timestamp-millis)");
        assert_eq!(types[10], "State: A | B");
        assert_eq!(found[2].default, Some(Value::Null));
        assert_eq!(found[6].depth, 2);
        assert_eq!(found[6].anchor(), "lines.price.amount");
    }

    #[test]
    fn a_type_within_itself_is_told_once() {
        let list = json!({"type": "record", "name": "List", "namespace": "a", "fields": [
            {"name": "value", "type": "int"},
            {"name": "next", "type": ["null", "List"]}]});
        assert_eq!(paths(&list), ["value", "next"]);
    }

    #[test]
    fn what_is_within_personal_data_is_personal() {
        let schema = json!({"type": "record", "name": "Sold", "fields": [
            {"name": "who", "farandole.personal": true, "type": {"type": "record", "name": "Who",
                "fields": [{"name": "email", "type": "string"}]}},
            {"name": "how", "type": "string", "farandole.values": ["web", "shop"]}]});
        let found = fields(&schema);
        assert_eq!(found.iter().map(|it| it.is_personal).collect::<Vec<_>>(), [true, true, false]);
        assert_eq!(found[2].values, ["web", "shop"]);
    }

    #[test]
    fn units_are_told_of_numbers_and_times() {
        let unit = |field: Value| {
            fields(&json!({"type": "record", "name": "A", "fields": [field]}))[0].unit()
        };
        let amount =
            json!({"name": "a", "type": "long", "doc": "Minor units of it, such as cents."});
        assert_eq!(unit(amount).as_deref(), Some("minor units of it"));
        let time =
            json!({"name": "a", "type": {"type": "long", "logicalType": "timestamp-millis"}});
        assert_eq!(unit(time).as_deref(), Some("time, milliseconds UTC"));
        assert_eq!(unit(json!({"name": "a", "type": "string", "doc": "Text."})), None);
    }
}
