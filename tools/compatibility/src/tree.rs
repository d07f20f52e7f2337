//! What is checked: the schemas, who reads what, and what the services declare.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use contracts::Declared;
use declarations::{Fleet, Schemas};
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::finding::Place;
use crate::json_lines::line_of;
use crate::schema::{Schema, last_part, namespace};

/// Where the list of released schemas is: the path of each from the root, and its SHA-256.
pub const RELEASED: &str = "schemas/released.json";
/// Where it says which findings are accepted, why, and until when.
pub const ACCEPTED: &str = "contracts/accepted.toml";

/// The accepted findings of the tree that this was built from.
const EMBEDDED_ACCEPTED: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/accepted.toml"));

/// What is before a service's name in the namespace of its events.
const NAMESPACE: &str = "farandole.";

/// A state of the contracts: of a directory, of a revision, or of what runs.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    pub(crate) writers: Vec<Writer>,
    pub(crate) readers: Vec<Reader>,
    /// What the services declare of themselves.
    pub declared: Vec<Declared>,
    pub(crate) released: Option<BTreeMap<String, String>>,
    pub(crate) accepted: Vec<Accepted>,
    accepted_text: String,
    /// Whether it is made of files that somebody can look at.
    pub(crate) has_files: bool,
}

/// A file of the tree that cannot be read as what it is.
#[derive(Debug, Error)]
#[error("{file}: {reason}")]
pub struct InvalidTree {
    /// The file, from the root of the tree.
    pub file: String,
    /// What is wrong with it.
    pub reason: String,
}

/// One version of an event's schema.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    pub(crate) service: String,
    pub(crate) event: String,
    pub(crate) version: u32,
    pub(crate) source: Source,
    /// Or why it is none.
    pub(crate) schema: Result<Schema, String>,
}

/// What a service reads of an event.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    /// The service; of a running instance also which it is.
    pub(crate) service: String,
    /// Who emits the event.
    pub(crate) from: String,
    pub(crate) event: String,
    pub(crate) source: Source,
    pub(crate) schema: Result<Schema, String>,
}

/// A text, and the file in which it is, if it is in one of the tree's.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) file: Option<String>,
    pub(crate) text: String,
}

impl Source {
    /// Where a value of the JSON is.
    pub(crate) fn place(&self, pointer: &str) -> Option<Place> {
        let file = self.file.clone()?;
        Some(Place { file, line: line_of(&self.text, pointer) })
    }
}

/// A finding that is accepted for a while.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// The rule that found it.
    pub rule: String,
    /// What it is about, as the finding says it.
    pub path: String,
    /// Why that is all right.
    pub reason: String,
    /// The last day on which it is.
    pub until: Date,
}

impl Accepted {
    /// Those in this text, which is that of a file `contracts/accepted.toml`; or what is wrong with it.
    pub fn read(text: &str) -> Result<Vec<Self>, String> {
        let file = toml::from_str::<AcceptedFile>(text).map_err(|error| error.to_string())?;
        Ok(file.accepted)
    }

    /// Those of the tree that this was built from.
    pub fn embedded() -> Vec<Self> {
        Self::read(EMBEDDED_ACCEPTED).unwrap_or_default()
    }

    /// Whether it is about the schemas. The others, `D1` to `D12`, are about what is seen in the topics.
    pub(crate) fn is_of_contracts(&self) -> bool {
        !self.rule.starts_with('D')
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AcceptedFile {
    #[serde(default)]
    accepted: Vec<Accepted>,
}

impl Writer {
    fn new(service: &str, event: &str, version: u32, source: Source) -> Self {
        let schema = Schema::parse(&source.text);
        Self { service: service.to_owned(), event: event.to_owned(), version, source, schema }
    }

    /// `order/OrderPlaced`.
    pub(crate) fn subject(&self) -> String {
        format!("{}/{}", self.service, self.event)
    }

    /// `order/OrderPlaced.v2`, and the path within it.
    pub(crate) fn path(&self, path: &impl ToString) -> String {
        let path = path.to_string();
        let dot = if path.is_empty() { "" } else { "." };
        format!("{}.v{}{dot}{path}", self.subject(), self.version)
    }
}

impl Reader {
    /// `payment reads order/OrderPlaced`, and the path within it.
    pub(crate) fn path(&self, path: &impl ToString) -> String {
        let path = path.to_string();
        let dot = if path.is_empty() { "" } else { "." };
        format!("{} reads {}/{}{dot}{path}", self.service, self.from, self.event)
    }
}

impl Tree {
    /// The tree of these files: the path of each from the root, and its text. Those that are no part of
    /// the contracts are passed over.
    pub fn of_files(files: Vec<(String, String)>) -> Result<Self, InvalidTree> {
        let mut tree = Self { has_files: true, ..Self::default() };
        for (file, text) in files {
            let invalid = |reason: String| InvalidTree { file: file.clone(), reason };
            let parts: Vec<&str> = file.split('/').collect();
            match parts[..] {
                _ if file == RELEASED => {
                    let released = serde_json::from_str(&text);
                    tree.released = Some(released.map_err(|error| invalid(error.to_string()))?);
                }
                _ if file == ACCEPTED => {
                    let accepted = Accepted::read(&text).map_err(invalid)?;
                    (tree.accepted, tree.accepted_text) = (accepted, text);
                }
                ["schemas", service, name] => {
                    let (event, version) = event_and_version(name).ok_or_else(|| {
                        invalid("not a schema's name; expected <Event>.v<N>.avsc, N from 1".into())
                    })?;
                    let (service, source) =
                        (service.to_owned(), Source { file: Some(file.clone()), text });
                    tree.writers.push(Writer::new(&service, &event, version, source));
                }
                ["services", service, "reads", name] => {
                    let event = name.strip_suffix(".avsc").unwrap_or(name).to_owned();
                    let service = service.to_owned();
                    let source = Source { file: Some(file.clone()), text };
                    tree.add_reader(service, &event, None, source);
                }
                ["services", _, "declaration.json"] => {
                    let declared = serde_json::from_str(&text);
                    tree.declared.push(declared.map_err(|error| invalid(error.to_string()))?);
                }
                _ => {}
            }
        }
        tree.add_declared();
        tree.sort();
        Ok(tree)
    }

    /// Adds what services declare that have no files here, as those in another language: what they write,
    /// and what they read.
    fn add_declared(&mut self) {
        for declared in self.declared.clone() {
            let service = &declared.service;
            for emitted in &declared.emits {
                let is_it = |it: &Writer| it.service == *service && it.event == emitted.event;
                if let Some(schema) = &emitted.schema
                    && !self.writers.iter().any(is_it)
                {
                    let text = serde_json::to_string_pretty(schema).unwrap_or_default();
                    let source = Source { file: None, text };
                    let version = emitted.version.unwrap_or(1);
                    self.writers.push(Writer::new(service, &emitted.event, version, source));
                }
            }
            if !self.readers.iter().any(|it| it.service == *service) {
                self.add_readers(&declared, service);
            }
        }
    }

    /// The tree that this was built from: schemas, and declarations with what they read.
    pub fn embedded() -> Self {
        Self::of_schemas(&Schemas::embedded(), declarations::fleet())
    }

    /// These schemas, and what the services of this fleet read by their declarations. What is accepted is
    /// what was when this was built.
    pub fn of_schemas(schemas: &Schemas, fleet: &Fleet) -> Self {
        let mut tree = Self { accepted: Accepted::embedded(), ..Self::default() };
        for schema in schemas.by_event().flatten() {
            let source = Source { file: None, text: schema.text.clone() };
            let of = Writer::new(&schema.service, &schema.event_type, schema.version, source);
            tree.writers.push(of);
        }
        for declared in fleet.services() {
            tree.add_readers(declared, &declared.service);
            tree.declared.push(declared.clone());
        }
        tree.sort();
        tree
    }

    /// These schemas alone, whether or not they are all that the fleet has: who reads them, and not what
    /// else there is to be said of the fleet.
    pub fn of_schemas_alone(schemas: &Schemas, fleet: &Fleet) -> Self {
        let mut tree = Self::of_schemas(schemas, fleet);
        tree.declared.clear();
        let Self { writers, readers, .. } = &mut tree;
        let has =
            |it: &Reader| writers.iter().any(|of| it.from == of.service && it.event == of.event);
        readers.retain(has);
        tree
    }

    /// One version of an event's schema, from elsewhere than a file: the registry, or a running writer.
    pub fn add_writer(&mut self, service: &str, event: &str, version: u32, text: &str) {
        let source = Source { file: None, text: text.to_owned() };
        self.writers.push(Writer::new(service, event, version, source));
        self.sort();
    }

    /// What a running instance reads and writes. Schemas that the tree has in the same version are
    /// compared, and those that it has not are added.
    pub fn add_running(&mut self, declared: &Declared) {
        let instance = declared.instance.as_deref().unwrap_or("running");
        let version = declared.version.as_deref().unwrap_or("of unknown version");
        self.add_readers(declared, &format!("{} ({version}, {instance})", declared.service));
    }

    fn add_readers(&mut self, declared: &Declared, service: &str) {
        for consumed in declared.consumes.iter().filter(|it| !it.schema.is_null()) {
            let text = serde_json::to_string_pretty(&consumed.schema).unwrap_or_default();
            let source = Source { file: None, text };
            self.add_reader(service.to_owned(), &consumed.event, Some(&consumed.from), source);
        }
    }

    fn add_reader(&mut self, service: String, event: &str, from: Option<&str>, source: Source) {
        let schema = Schema::parse(&source.text);
        let written = schema.as_ref().ok().and_then(|it| it.named(&it.root)).map(|it| &it.name);
        let written = written.map(|name| last_part(namespace(name)).to_owned());
        let from = from.map(str::to_owned).or(written).unwrap_or_default();
        self.readers.push(Reader { service, from, event: event.to_owned(), source, schema });
    }

    fn sort(&mut self) {
        self.writers.sort_by_cached_key(|it| (it.service.clone(), it.event.clone(), it.version));
        self.readers.sort_by_cached_key(|it| (it.event.clone(), it.service.clone()));
        self.declared.sort_by_cached_key(|it| it.service.clone());
    }

    /// The versions of each event's schema, oldest first.
    pub(crate) fn by_event(&self) -> impl Iterator<Item = &[Writer]> {
        self.writers.chunk_by(|a, b| a.service == b.service && a.event == b.event)
    }

    /// The events that are there, by service and type, with their versions.
    pub fn events(&self) -> Vec<(&str, &str, Vec<u32>)> {
        let of = |versions: &[Writer]| versions.iter().map(|it| it.version).collect();
        self.by_event().map(|it| (it[0].service.as_str(), it[0].event.as_str(), of(it))).collect()
    }

    /// Who reads an event.
    pub(crate) fn readers_of<'a>(
        &'a self,
        service: &'a str,
        event: &'a str,
    ) -> impl Iterator<Item = &'a Reader> {
        self.readers.iter().filter(move |it| it.from == service && it.event == event)
    }

    /// Where an accepted finding is written down.
    pub(crate) fn place_of(&self, accepted: &Accepted) -> Option<Place> {
        let wanted = format!("\"{}\"", accepted.path);
        let line = self.accepted_text.lines().position(|line| line.contains(&wanted))?;
        let line = u32::try_from(line).ok()?.saturating_add(1);
        Some(Place { file: ACCEPTED.to_owned(), line })
    }

    /// The list of released schemas with those of this tree that are not in it yet; what is in it stays
    /// as it is. The second are the paths that are new.
    pub fn release(&self) -> (BTreeMap<String, String>, Vec<String>) {
        let mut released = self.released.clone().unwrap_or_default();
        let mut new = Vec::new();
        for writer in &self.writers {
            if let Some(file) = &writer.source.file
                && !released.contains_key(file)
            {
                released.insert(file.clone(), sha256(&writer.source.text));
                new.push(file.clone());
            }
        }
        (released, new)
    }
}

/// `OrderPlaced` and 2 of `OrderPlaced.v2.avsc`.
fn event_and_version(file: &str) -> Option<(String, u32)> {
    let (event, version) = file.strip_suffix(".avsc")?.split_once(".v")?;
    let version = version.parse().ok().filter(|version| *version > 0)?;
    Some((event.to_owned(), version))
}

/// The SHA-256 of a text, in hexadecimal digits.
pub(crate) fn sha256(text: &str) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// The namespace and the name that an event's record is to have.
pub(crate) fn record_name(service: &str, event: &str) -> String {
    format!("{NAMESPACE}{service}.{event}")
}

/// Whether two texts are the same JSON, be it formatted differently.
pub(crate) fn is_same_json(one: &str, other: &str) -> bool {
    match (serde_json::from_str::<Json>(one), serde_json::from_str::<Json>(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_embedded_is_a_list_of_accepted_findings() {
        Accepted::read(EMBEDDED_ACCEPTED).unwrap();
    }
}
