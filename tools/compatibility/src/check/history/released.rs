//! Released files are never edited, only succeeded.

use super::{file_place, finding, users};
use crate::changes::{Side, changes};
use crate::check::{Before, Contracts, Found, is_same_version};
use crate::finding::Finding;
use crate::rule::{Rule, Verdict};
use crate::tree::{Reader, Writer, is_same_json, sha256};

/// Numbers that are left out.
pub(super) fn skipped(contracts: &Contracts, found: &mut Found<'_>) {
    for versions in contracts.tree.by_event() {
        for (expected, writer) in (1..).zip(versions) {
            if writer.version == expected {
                continue;
            }
            let what = format!("version {expected} is not there");
            let why = "versions are numbered from 1 without gaps: the registry counts them so";
            found.push(Finding {
                place: file_place(writer),
                ..finding(Rule::R30, Verdict::Broken, writer.path(&""), what, why)
            });
            break;
        }
    }
}

/// The list of released files.
pub(super) fn listed(contracts: &Contracts, readers: &[Reader], found: &mut Found<'_>) {
    let Some(released) = &contracts.tree.released else { return };
    for (file, sum) in released {
        let is_it = |it: &&Writer| it.source.file.as_ref() == Some(file);
        match contracts.tree.writers.iter().find(is_it) {
            Some(writer) if sha256(&writer.source.text) == *sum => {}
            Some(writer) => edited(writer, "the list of released files", found),
            None => {
                let name = file.trim_start_matches("schemas/").trim_end_matches(".avsc");
                let what = "a released file is gone".to_owned();
                let why = "events of it are in the topics, and whoever reads them needs it";
                found.push(finding(Rule::R30, Verdict::Broken, name.to_owned(), what, why));
                if let Some((service, event)) =
                    name.split_once(".v").and_then(|it| it.0.split_once('/'))
                {
                    gone(contracts, service, event, readers, found);
                }
            }
        }
    }
}

fn edited(writer: &Writer, by: &str, found: &mut Found<'_>) {
    let what = format!("a released file is edited: {by} has another");
    let why = "events that the old text wrote are in the topics, under the id of the old text";
    found.push(Finding {
        place: file_place(writer),
        ..finding(Rule::R30, Verdict::Broken, writer.path(&""), what, why)
    });
}

/// An event of which no version is left.
fn gone(
    contracts: &Contracts,
    service: &str,
    event: &str,
    readers: &[Reader],
    found: &mut Found<'_>,
) {
    let mut now = contracts.tree.writers.iter();
    if now.any(|it| it.service == service && it.event == event) {
        return;
    }
    let path = format!("{service}/{event}");
    let mut elsewhere = contracts.tree.writers.iter();
    if let Some(moved) = elsewhere.find(|it| it.event == event) {
        let what = format!("it is {}'s now", moved.service);
        let why = "another topic, another source and another sequence: who reads the old topic sees no \
                   more of it, and late events of the old one come after new ones";
        found.push(Finding {
            users: users(readers, service, event),
            place: file_place(moved),
            ..finding(Rule::R32, Verdict::Broken, path.clone(), what, why)
        });
    }
    let users = users(readers, service, event);
    let verdict = if users.is_empty() { Verdict::Risky } else { Verdict::Broken };
    let why = "events of it are in the topic, and may be among the dead letters";
    let what = "the event is gone".to_owned();
    found.push(Finding { users, ..finding(Rule::R31, verdict, path, what, why) });
}

/// The tree against another state.
pub(super) fn compared(
    contracts: &Contracts,
    before: &Before,
    readers: &[Reader],
    found: &mut Found<'_>,
) {
    for old in &before.tree.writers {
        if let Some(now) = contracts.tree.writers.iter().find(|now| is_same_version(now, old)) {
            differing(old, now, before, readers, found);
            continue;
        }
        let what = format!("a released file is gone: {} has it", before.of);
        let why = "events of it are in the topics, and whoever reads them needs it";
        found.push(finding(Rule::R30, Verdict::Broken, old.path(&""), what, why));
    }
    for versions in before.tree.by_event() {
        gone(contracts, &versions[0].service, &versions[0].event, readers, found);
    }
}

/// A version that is in both, and what its edit does that no registry would see.
fn differing(
    old: &Writer,
    now: &Writer,
    before: &Before,
    readers: &[Reader],
    found: &mut Found<'_>,
) {
    if is_same_json(&old.source.text, &now.source.text) {
        return;
    }
    edited(now, &before.of, found);
    let (Ok(was), Ok(is)) = (&old.schema, &now.schema) else { return };
    let old_side = Side { schema: was, text: &old.source.text };
    let readers: Vec<&Reader> =
        readers.iter().filter(|it| it.from == now.service && it.event == now.event).collect();
    for draft in changes(old_side, Side { schema: is, text: &now.source.text }) {
        if matches!(draft.rule, Rule::R10 | Rule::R13 | Rule::R18 | Rule::R19) {
            found.about_writer(draft, now, &readers);
        }
    }
}
