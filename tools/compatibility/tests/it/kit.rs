//! What the cases are made of: an event `Thing` of the service `shop`, and a service `desk` that reads it.

use compatibility::{Before, Contracts, Finding, Report, Rules, Tree};
use jiff::civil::{Date, date};
use serde_json::{Value, json};

/// The day of all checks.
pub(crate) const TODAY: Date = date(2026, 11, 30);

/// A type: a name as it is, or JSON.
pub(crate) fn kind(text: &str) -> Value {
    if text.starts_with(['{', '[']) {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    } else {
        json!(text)
    }
}

/// A field without a default.
pub(crate) fn f(name: &str, of: &str) -> Value {
    json!({"name": name, "type": kind(of)})
}

/// A field with a default.
pub(crate) fn d(name: &str, of: &str, default: Value) -> Value {
    with(f(name, of), "default", default)
}

/// With a member more.
pub(crate) fn with(mut of: Value, name: &str, value: Value) -> Value {
    of[name] = value;
    of
}

/// A type with a logical type.
pub(crate) fn logical(of: &str, name: &str) -> String {
    json!({"type": of, "logicalType": name}).to_string()
}

/// Gives every field a doc that has none, so that this is not what is found.
fn documented(of: &mut Value) {
    if let Some(fields) = of.get_mut("fields").and_then(Value::as_array_mut) {
        for field in fields {
            let name = field["name"].as_str().unwrap_or_default().to_owned();
            let members = field.as_object_mut().unwrap();
            members.entry("doc").or_insert_with(|| json!(format!("What {name} says.")));
        }
    }
    match of {
        Value::Array(items) => items.iter_mut().for_each(documented),
        Value::Object(members) => members
            .iter_mut()
            .filter(|(name, _)| *name != "default")
            .for_each(|(_, it)| documented(it)),
        _ => {}
    }
}

/// The text of a record `Thing` with these fields.
pub(crate) fn thing(fields: &[Value]) -> String {
    let mut record =
        json!({"type": "record", "name": "Thing", "namespace": "farandole.shop", "fields": fields});
    documented(&mut record);
    serde_json::to_string_pretty(&record).unwrap()
}

/// The files of a tree with these versions, of which the reader reads what is given.
pub(crate) fn files(versions: &[String], reader: Option<&String>) -> Vec<(String, String)> {
    let version = |(at, text): (usize, &String)| {
        (format!("schemas/shop/Thing.v{}.avsc", at + 1), text.clone())
    };
    let mut files: Vec<_> = versions.iter().enumerate().map(version).collect();
    files.extend(reader.map(|text| ("services/desk/reads/Thing.avsc".to_owned(), text.clone())));
    files
}

/// A tree and what it is compared with.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) now: Vec<(String, String)>,
    pub(crate) before: Option<Vec<(String, String)>>,
    /// What else there is to be set.
    pub(crate) more: fn(&mut Contracts),
}

impl Question {
    pub(crate) fn contracts(&self) -> Contracts {
        let tree = Tree::of_files(self.now.clone()).unwrap();
        let mut contracts = Contracts::of(tree, TODAY);
        contracts.before = self.before.clone().map(|files| Before {
            of: "git:main".to_owned(),
            tree: Tree::of_files(files).unwrap(),
            has_readers: true,
        });
        (self.more)(&mut contracts);
        contracts
    }

    pub(crate) fn report(&self, rules: Rules) -> Report {
        let mut contracts = self.contracts();
        contracts.rules = rules;
        contracts.check()
    }

    /// What is found, in short.
    pub(crate) fn found(&self, rules: Rules) -> Vec<String> {
        self.report(rules).findings.iter().map(short).collect()
    }
}

/// `R03 broken total` of a finding.
pub(crate) fn short(finding: &Finding) -> String {
    let path = &finding.path;
    let within =
        path.strip_prefix("shop/Thing.v").map(|rest| rest.trim_start_matches(char::is_numeric));
    let within = within.or_else(|| path.strip_prefix("desk reads shop/Thing"));
    let within = within.map_or(path.as_str(), |rest| rest.trim_start_matches('.'));
    format!("{} {} {within}", finding.rule, finding.verdict.word()).trim_end().to_owned()
}
