use std::fs;

use crate::names::{EventRef, Field};
use crate::rust::{Insertion, in_struct, insert, makers, parse};
use crate::{Changes, ScaffoldError, Tree};

/// A next version of an event.
#[derive(Debug, Clone)]
pub struct NewVersion {
    /// The event.
    pub event: EventRef,
    /// A field that it has more.
    pub field: Option<Field>,
}

/// The next version of an event, written from now on, with a field more if that is wanted. Who reads it
/// goes on as before.
pub fn new_version(tree: &Tree, new: &NewVersion) -> Result<Changes, ScaffoldError> {
    let NewVersion { event, field } = new;
    tree.check(event)?;
    let newest = tree.newest(event).unwrap_or(1);
    let mut changes = Changes::default();
    let schema = changes.text(tree, &event.schema(newest))?;
    let schema = match field {
        None => schema,
        Some(field) => with_field(&schema, field)
            .map_err(|why| ScaffoldError::Refused(format!("{}: {why}", event.schema(newest))))?,
    };
    changes.create(tree, &event.schema(newest + 1), schema)?;
    let EventRef { service, event: name } = event;
    changes.edit(tree, &format!("services/{service}/src/lib.rs"), |text| {
        let now = format!("emits!({service:?}, {name}, {newest})");
        if !text.contains(&now) {
            return Err(format!("there is no {now}"));
        }
        Ok(text.replace(&now, &format!("emits!({service:?}, {name}, {})", newest + 1)))
    })?;
    let Some(field) = field else { return Ok(changes) };
    changes.edit(tree, &format!("services/{service}/src/events.rs"), |text| {
        let at = in_struct(&parse(text)?, name)?;
        let Field { name, rust, .. } = field;
        let doc = name.replace('_', " ");
        let comma = if text[..at].ends_with([',', '{']) { "" } else { "," };
        Ok(insert(text, vec![(at, format!("{comma}\n    /// The {doc}.\n    pub {name}: {rust}"))]))
    })?;
    for path in sources(tree, service)? {
        changes.edit(tree, &path, |text| {
            let made = makers(&parse(text)?, name);
            let value: Vec<Insertion> = made
                .into_iter()
                .map(|at| (at, format!(" {}: {},", field.name, field.literal)))
                .collect();
            Ok(insert(text, value))
        })?;
    }
    Ok(changes)
}

/// The schema with a field more, at the end of its list, in the style of what is there.
fn with_field(schema: &str, field: &Field) -> Result<String, String> {
    let parsed: serde_json::Value =
        serde_json::from_str(schema).map_err(|error| format!("it is no JSON: {error}"))?;
    let fields = parsed["fields"].as_array().ok_or("it has no fields")?;
    if fields.iter().any(|there| there["name"] == field.name.as_str()) {
        return Err(format!("there is a field {} already", field.name));
    }
    let end = schema.rfind(']').ok_or("its list of fields does not end")?;
    let head = schema[..end].trim_end();
    let comma = if fields.is_empty() { "" } else { "," };
    let Field { name, avro, json, .. } = field;
    let doc = name.replace('_', " ");
    Ok(format!(
        "{head}{comma}\n    {{\"name\": {name:?}, \"type\": {avro:?}, \"default\": {json}, \"doc\": \"The {doc}.\"}}\n  {}",
        &schema[end..]
    ))
}

/// The sources and tests of a service.
fn sources(tree: &Tree, service: &str) -> Result<Vec<String>, ScaffoldError> {
    let mut found = Vec::new();
    let mut folders = vec![format!("services/{service}/src"), format!("services/{service}/tests")];
    while let Some(folder) = folders.pop() {
        let directory = tree.root.join(&folder);
        let error = |source| ScaffoldError::File { path: directory.clone(), source };
        for entry in fs::read_dir(&directory).map_err(error)? {
            let entry = entry.map_err(error)?;
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                folders.push(path);
            } else if entry.path().extension() == Some("rs".as_ref()) {
                found.push(path);
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}
