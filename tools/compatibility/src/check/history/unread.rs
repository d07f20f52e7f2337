//! What nobody reads, neither now nor before.

use super::{file_place, finding};
use crate::check::{Before, Contracts, Found};
use crate::finding::Finding;
use crate::path::Path;
use crate::rule::{Rule, Verdict};
use crate::schema::Schema;
use crate::tree::{Tree, Writer};

/// Checks the events that were there before. Where it is not known who read them, nothing is said.
pub(super) fn check(contracts: &Contracts, before: &Before, found: &mut Found<'_>) {
    if !before.has_readers {
        return;
    }
    for versions in contracts.tree.by_event() {
        let Some(newest) = versions.last() else { continue };
        let Some(old) = newest_of(&before.tree, newest) else { continue };
        let (Ok(schema), Ok(was)) = (&newest.schema, &old.schema) else { continue };
        let states = [&contracts.tree, &before.tree];
        let is_read =
            states.iter().any(|it| it.readers_of(&newest.service, &newest.event).next().is_some());
        if !is_read {
            if !states.iter().any(|it| is_end(it, newest)) {
                let what = "nobody reads it".to_owned();
                let why = "its service does not say either that the story may end with it";
                found.push(Finding {
                    place: file_place(newest),
                    ..finding(Rule::R34, Verdict::Risky, newest.subject(), what, why)
                });
            }
            continue;
        }
        let fields = unread(&states, newest, schema, was);
        if !fields.is_empty() {
            let what = format!("nobody reads {}", fields.join(", "));
            let why = "nobody in the fleet does; others may";
            found.push(Finding {
                place: file_place(newest),
                ..finding(Rule::R34, Verdict::Note, newest.path(&""), what, why)
            });
        }
    }
}

fn newest_of<'a>(tree: &'a Tree, of: &Writer) -> Option<&'a Writer> {
    let mut versions = tree.writers.iter().rev();
    versions.find(|it| it.service == of.service && it.event == of.event)
}

fn is_end(tree: &Tree, of: &Writer) -> bool {
    let services = tree.declared.iter().filter(|it| it.service == of.service);
    services.flat_map(|it| &it.emits).any(|it| it.event == of.event && it.is_end)
}

/// The fields that both states have and no reader of either names. Of a record that nobody names, what
/// is in it goes without saying; and the key is read by all.
fn unread(states: &[&Tree], of: &Writer, schema: &Schema, was: &Schema) -> Vec<String> {
    let mut found: Vec<Path> = Vec::new();
    schema.each_field(&mut |path, field| {
        let mut readers = states.iter().flat_map(|it| it.readers_of(&of.service, &of.event));
        let is_read = readers.any(|it| it.schema.as_ref().is_ok_and(|it| it.find(path).is_some()));
        let is_within = found.iter().any(|known| known.touches(path));
        let is_key = field.doc.contains("Kafka key");
        if !is_read && !is_within && !is_key && was.find(path).is_some() {
            found.push(path.clone());
        }
    });
    found.iter().map(ToString::to_string).collect()
}
