//! Each reader against each version: by the rules, as the services do at their start, and with values.

use contracts::WriterSchema;

use super::Found;
use crate::alone;
use crate::decoding::{Outcome, Written};
use crate::draft::{Draft, Grade};
use crate::path::Path;
use crate::readable::unreadable;
use crate::rule::Rule;
use crate::schema::{Field, Schema};
use crate::tree::{Reader, Writer};

/// Checks who reads an event, of which these are the versions. Returns how many pairs of a version and a
/// reader there are, and how many values were read.
pub(super) fn check(
    versions: &[&Writer],
    readers: &[Reader],
    found: &mut Found<'_>,
) -> (usize, usize) {
    let [first, ..] = versions else { return (0, 0) };
    let written: Vec<(&Writer, Result<Written, String>)> =
        versions.iter().map(|it| (*it, Written::new(&it.source.text))).collect();
    for (writer, values) in &written {
        if let (Err(reason), Ok(_)) = (values, &writer.schema) {
            let what = format!("cannot be written: {reason}");
            let draft = Draft::new(Rule::R20, Grade::Broken, &Path::default(), "", what);
            found.about_writer(draft.because("the services cannot start with it"), writer, &[]);
        }
    }
    let (mut pairs, mut values) = (0, 0);
    let reads = |it: &&Reader| it.from == first.service && it.event == first.event;
    for reader in readers.iter().filter(reads) {
        let schema = match &reader.schema {
            Ok(schema) => schema,
            Err(reason) => {
                let what = format!("is no Avro schema: {reason}");
                let draft = Draft::new(Rule::R20, Grade::Broken, &Path::default(), "", what);
                found.about_reader(draft.because("the service cannot start with it"), reader);
                continue;
            }
        };
        for draft in alone::defaults(schema) {
            found.about_reader(draft, reader);
        }
        for (writer, written) in &written {
            pairs += 1;
            pair(writer, reader, schema, found);
            if let Ok(written) = written {
                values += written.len();
                differences(writer, written, reader, schema, found);
            }
            start(writer, reader, found);
        }
        other_defaults(versions, reader, schema, found);
        for draft in alone::reliance(schema) {
            if !found.is_hurt(reader, &draft.path) {
                found.about_reader(draft, reader);
            }
        }
    }
    (pairs, values)
}

/// What does not fit by the rules.
fn pair(writer: &Writer, reader: &Reader, schema: &Schema, found: &mut Found<'_>) {
    let Ok(written) = &writer.schema else { return };
    for mut draft in unreadable(written, schema) {
        let is_told = found.is_told(draft.rule, &reader.path(&draft.path));
        if !is_told && !found.is_hurt(reader, &draft.path) {
            draft.what = format!("{} (v{})", draft.what, writer.version);
            found.about_reader(draft, reader);
        }
    }
}

/// What the service says at its start, if nothing is found that would explain it.
fn start(writer: &Writer, reader: &Reader, found: &mut Found<'_>) {
    let says = WriterSchema::parse(&writer.source.text)
        .and_then(|written| written.check_readable_as(&reader.source.text));
    let root = Path::default();
    if let Err(error) = says
        && !found.is_hurt(reader, &root)
    {
        let what = format!("refuses v{} at its start: {error}", writer.version);
        let draft = Draft::new(Rule::R20, Grade::Broken, &root, "", what);
        found.about_reader(draft.because("the service would not start"), reader);
    }
}

/// Where Avro reads a value and the service another, or none.
fn differences(
    writer: &Writer,
    written: &Written,
    reader: &Reader,
    schema: &Schema,
    found: &mut Found<'_>,
) {
    let outcomes = match written.read(schema, &reader.source.text) {
        Ok(outcomes) => outcomes,
        Err(reason) => {
            let what = format!("is no Avro schema: {reason}");
            let draft = Draft::new(Rule::R20, Grade::Broken, &Path::default(), "", what);
            found.about_reader(draft.because("the service cannot start with it"), reader);
            return;
        }
    };
    for outcome in outcomes {
        let Some((at, how)) = differ(&outcome) else { continue };
        let path = path_of(schema, &at);
        if found.is_hurt(reader, &path) {
            continue;
        }
        let what = format!("reads v{} otherwise than Avro: {how}", writer.version);
        let at = schema.find(&path).map_or("", |field| field.at.as_str());
        let rule =
            if outcome.avro.is_err() && outcome.service.is_err() { Rule::R20 } else { Rule::R21 };
        let draft = Draft::new(rule, Grade::Broken, &path, at, what);
        found.about_reader(draft.because(format!("of {}", outcome.of)), reader);
    }
}

/// Where and how the two ways differ.
fn differ(outcome: &Outcome) -> Option<(String, String)> {
    match (&outcome.avro, &outcome.service) {
        (Ok(avro), Ok(service)) => {
            let (at, how) = avro.difference(service)?;
            Some((at, format!("Avro and the service read {how}")))
        }
        (Ok(_), Err((at, why))) => Some((at.clone(), format!("the service cannot: {why}"))),
        (Err(why), Ok(_)) => Some((String::new(), format!("Avro cannot: {why}"))),
        (Err(_), Err((at, why))) => Some((at.clone(), format!("neither can: {why}"))),
    }
}

/// The path that a text says, as far as it is one of the schema's.
fn path_of(schema: &Schema, text: &str) -> Path {
    let mut found = Path::default();
    schema.each_field(&mut |path, _| {
        if path.to_string() == text {
            found = path.clone();
        }
    });
    found
}

/// Defaults of a reader that are not the writer's: of an event without the field, two readers read two
/// values.
fn other_defaults(versions: &[&Writer], reader: &Reader, schema: &Schema, found: &mut Found<'_>) {
    let parsed: Vec<&Schema> = versions.iter().filter_map(|it| it.schema.as_ref().ok()).collect();
    let mut drafts = Vec::new();
    schema.each_field(&mut |path: &Path, field: &Field| {
        let Some(own) = &field.default else { return };
        let newest = parsed.iter().rev().find_map(|writer| writer.find(path));
        let Some(theirs) = newest.and_then(|field| field.default.as_ref()) else { return };
        let is_used = parsed.iter().any(|writer| writer.find(path).is_none());
        if is_used && own != theirs {
            let what = format!("its default is {own}, and the writer's {theirs}");
            let draft = Draft::new(Rule::R10, Grade::Broken, path, &field.at, what);
            let draft = draft.because("of an event without the field, two readers read two values");
            drafts.push(
                draft
                    .mend("take the writer's default, in the schema and in the type")
                    .paste(format!("\"default\": {theirs}")),
            );
        }
    });
    for draft in drafts {
        if !found.is_hurt(reader, &draft.path) {
            found.about_reader(draft, reader);
        }
    }
}
