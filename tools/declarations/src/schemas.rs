//! The events' schemas, as files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use thiserror::Error;

const EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/schemas.rs"));

/// The events' schemas: each `<service>/<Event>.v<N>.avsc`.
#[derive(Debug, Clone)]
pub struct Schemas(Vec<Schema>);

/// One version of one event's schema.
#[derive(Debug, Clone)]
pub struct Schema {
    /// The service that writes it.
    pub service: String,
    /// The event's type.
    pub event_type: String,
    /// The version, from 1.
    pub version: u32,
    /// The schema's JSON text.
    pub text: String,
}

/// A directory that does not hold schemas as it should.
#[derive(Debug, Error)]
pub enum InvalidSchemas {
    /// It cannot be read.
    #[error("cannot read {path}", path = path.display())]
    Unreadable {
        /// The directory or file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// A file's name or content is not what is expected.
    #[error("{path}: {reason}", path = path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is none.
    #[error("no schema in {}: expected <service>/<Event>.v<N>.avsc", .0.display())]
    Empty(PathBuf),
}

impl Schemas {
    /// Those that this program was built with.
    #[allow(clippy::expect_used, reason = "a test of this file holds them valid")]
    pub fn embedded() -> Self {
        let files = EMBEDDED.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned()));
        Self::of(files.collect()).expect("the embedded schemas are valid")
    }

    /// Those in a directory.
    pub fn read(directory: &Path) -> Result<Self, InvalidSchemas> {
        let mut files = Vec::new();
        for service in entries(directory)?.iter().filter(|path| path.is_dir()) {
            for path in entries(service)? {
                let text = fs::read_to_string(&path).map_err(unreadable(&path))?;
                files.push((path, text));
            }
        }
        if files.is_empty() {
            return Err(InvalidSchemas::Empty(directory.to_owned()));
        }
        Self::of(files)
    }

    fn of(files: Vec<(PathBuf, String)>) -> Result<Self, InvalidSchemas> {
        let mut schemas = Vec::new();
        for (path, text) in files {
            match Schema::parse(&path, text) {
                Ok(schema) => schemas.push(schema),
                Err(reason) => return Err(InvalidSchemas::Invalid { path, reason }),
            }
        }
        schemas.sort_by(|a, b| a.key().cmp(&b.key()));
        Ok(Self(schemas))
    }

    /// All versions of an event, oldest first; none if there is no such event.
    pub fn versions(&self, service: &str, event_type: &str) -> &[Schema] {
        let mut all = self.by_event();
        all.find(|it| it[0].service == service && it[0].event_type == event_type)
            .unwrap_or_default()
    }

    /// All versions of each event, oldest first.
    pub fn by_event(&self) -> impl Iterator<Item = &[Schema]> {
        self.0.chunk_by(|a, b| a.service == b.service && a.event_type == b.event_type)
    }
}

impl Schema {
    fn parse(path: &Path, text: String) -> Result<Self, String> {
        let part = |part: Option<&std::ffi::OsStr>| part?.to_str().map(str::to_owned);
        let service = part(path.parent().and_then(Path::file_name)).unwrap_or_default();
        let file = part(path.file_name()).unwrap_or_default();
        let (event_type, version) = file
            .strip_suffix(".avsc")
            .and_then(|stem| stem.split_once(".v"))
            .and_then(|(event_type, version)| Some((event_type, version.parse().ok()?)))
            .filter(|(_, version)| *version > 0)
            .ok_or("not a schema's name; expected <Event>.v<N>.avsc, N from 1")?;
        let json: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let (namespace, name) = (&json["namespace"], &json["name"]);
        if *namespace != format!("farandole.{service}") || name != event_type {
            return Err(format!(
                "holds {name} in {namespace}; expected \"{event_type}\" in \"farandole.{service}\""
            ));
        }
        Ok(Self { event_type: event_type.to_owned(), service, version, text })
    }

    fn key(&self) -> (&str, &str, u32) {
        (&self.service, &self.event_type, self.version)
    }
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, InvalidSchemas> {
    let entries = fs::read_dir(directory).map_err(unreadable(directory))?;
    entries.map(|entry| Ok(entry.map_err(unreadable(directory))?.path())).collect()
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> InvalidSchemas {
    move |source| InvalidSchemas::Unreadable { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_schemas_are_those_that_the_services_declare() {
        let schemas = Schemas::embedded();
        let mut known: Vec<(&str, &str)> = schemas
            .by_event()
            .map(|versions| (versions[0].service.as_str(), versions[0].event_type.as_str()))
            .collect();
        known.sort_unstable();
        let services = crate::fleet().services().iter();
        let mut declared: Vec<(&str, &str)> = services
            .flat_map(|it| it.emits.iter().map(|event| (it.service.as_str(), event.event.as_str())))
            .collect();
        declared.sort_unstable();
        assert_eq!(known, declared);
    }

    #[test]
    fn versions_come_in_the_order_of_their_numbers() {
        let text = r#"{"namespace":"farandole.order","name":"OrderPlaced"}"#;
        let file = |version| {
            (PathBuf::from(format!("order/OrderPlaced.v{version}.avsc")), text.to_owned())
        };
        let schemas = Schemas::of(vec![file(10), file(2), file(1)]).unwrap();
        let versions: Vec<u32> =
            schemas.by_event().flatten().map(|schema| schema.version).collect();
        assert_eq!(versions, [1, 2, 10]);
    }

    #[test]
    fn a_file_that_is_no_schema_is_named() {
        let text = r#"{"namespace":"farandole.order","name":"OrderPlaced"}"#;
        for (path, text, word) in [
            ("order/OrderPlaced.avsc", text, "expected <Event>.v<N>.avsc"),
            ("order/OrderPlaced.v0.avsc", text, "expected <Event>.v<N>.avsc"),
            ("order/OrderLost.v1.avsc", text, "OrderLost"),
            ("payment/OrderPlaced.v1.avsc", text, "farandole.payment"),
            ("order/OrderPlaced.v1.avsc", "{", "EOF"),
        ] {
            let error = Schemas::of(vec![(path.into(), text.to_owned())]).unwrap_err().to_string();
            assert!(error.contains(path) && error.contains(word), "{error}");
        }
    }
}
