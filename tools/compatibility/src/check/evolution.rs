//! Each version of an event against each other.

use super::Found;
use crate::alone;
use crate::changes::{Side, changes};
use crate::draft::{Draft, Grade};
use crate::path::Path;
use crate::rule::Rule;
use crate::schema::{Schema, namespace};
use crate::tree::{Reader, Writer, record_name};

/// Checks an event's versions, oldest first. Returns how many pairs were compared.
pub(super) fn check(versions: &[&Writer], readers: &[Reader], found: &mut Found<'_>) -> usize {
    let [first, ..] = versions else { return 0 };
    let readers: Vec<&Reader> = readers
        .iter()
        .filter(|reader| reader.from == first.service && reader.event == first.event)
        .collect();
    for writer in versions {
        by_itself(writer, found);
    }
    if let Some((newest, schema)) = versions.iter().rev().find_map(|it| Some((it, parsed(it)?))) {
        for draft in alone::enums(schema).into_iter().chain(alone::docs(schema)) {
            found.about_writer(draft, newest, &[]);
        }
    }
    let mut told = Vec::new();
    let mut pairs = 0;
    for (at, new) in versions.iter().enumerate() {
        // The nearest first: what differs from an older version, too, is said of the step it came with.
        for old in versions[..at].iter().rev() {
            pairs += 1;
            for draft in between(old, new) {
                let key = (draft.rule, draft.path.clone(), draft.what.clone());
                if !told.contains(&key) {
                    told.push(key);
                    found.about_writer(draft, new, &readers);
                }
            }
        }
    }
    pairs
}

fn parsed(writer: &Writer) -> Option<&Schema> {
    writer.schema.as_ref().ok()
}

fn by_itself(writer: &Writer, found: &mut Found<'_>) {
    let root = Path::default();
    let schema = match &writer.schema {
        Ok(schema) => schema,
        Err(reason) => {
            let what = format!("is no Avro schema: {reason}");
            let draft = Draft::new(Rule::R20, Grade::Broken, &root, "", what);
            found.about_writer(draft.because("nobody can read what it writes"), writer, &[]);
            return;
        }
    };
    for draft in alone::defaults(schema) {
        found.about_writer(draft, writer, &[]);
    }
    let expected = record_name(&writer.service, &writer.event);
    let name = schema.named(&schema.root).map_or("no record", |named| named.name.as_str());
    if name != expected {
        let what = format!("holds {name}, and its path says {expected}");
        let why = if namespace(name) == namespace(&expected) {
            "its subject in the registry is made of the record's name, so it would be compared with \
             nothing"
        } else {
            "the namespace tells whose event it is"
        };
        let draft = Draft::new(Rule::R30, Grade::Broken, &root, "", what).because(why);
        let paste =
            format!("\"name\": \"{}\", \"namespace\": \"{}\"", writer.event, namespace(&expected));
        found.about_writer(draft.paste(paste), writer, &[]);
    }
}

/// What a rule says about the step from one version to a later one.
fn between(old: &Writer, new: &Writer) -> Vec<Draft> {
    let (Some(was), Some(is)) = (parsed(old), parsed(new)) else { return Vec::new() };
    let old_side = Side { schema: was, text: &old.source.text };
    let mut drafts = changes(old_side, Side { schema: is, text: &new.source.text });
    was.each_field(&mut |path, field| {
        if !is_key(&field.doc) {
            return;
        }
        let same =
            is.find(path).is_some_and(|now| is.signature(&now.of) == was.signature(&field.of));
        if !same {
            let what = "the field that is the Kafka key is gone, or another".to_owned();
            let draft = Draft::new(Rule::R32, Grade::Broken, path, "", what);
            drafts.push(
                draft.because("events of one order must have one key, or their order is lost"),
            );
        }
    });
    drafts
}

/// Whether a doc says that the field is what events are keyed by.
fn is_key(doc: &str) -> bool {
    doc.contains("Kafka key")
}
