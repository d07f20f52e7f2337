//! The tree against what is released: the list of released files, a revision, the registry, and what
//! runs.

mod personal;
mod released;
mod unread;

use contracts::{COMPATIBILITY, Declared};

use super::{Contracts, Found, Subject};
use crate::finding::{Finding, Place, User};
use crate::rule::{Rule, Verdict};
use crate::tree::{Reader, Writer, is_same_json};

pub(super) fn check(contracts: &Contracts, readers: &[Reader], found: &mut Found<'_>) {
    released::skipped(contracts, found);
    released::listed(contracts, readers, found);
    if let Some(before) = &contracts.before {
        released::compared(contracts, before, readers, found);
        unread::check(contracts, before, found);
    }
    personal::check(contracts, found);
    for subject in &contracts.subjects {
        guarded(subject, found);
    }
    for declared in &contracts.running {
        running(contracts, declared, found);
    }
}

/// A finding that is about no single place of a schema.
fn finding(rule: Rule, verdict: Verdict, path: String, what: String, why: &str) -> Finding {
    Finding {
        rule,
        verdict,
        path,
        what,
        why: why.to_owned(),
        mend: rule.mend().to_owned(),
        paste: None,
        place: None,
        users: Vec::new(),
        accepted: None,
    }
}

/// Who reads an event.
fn users(readers: &[Reader], service: &str, event: &str) -> Vec<User> {
    let reads = |it: &&Reader| it.from == service && it.event == event;
    let user = |it: &Reader| User {
        service: it.service.clone(),
        place: it.source.place(""),
        uses: String::new(),
    };
    readers.iter().filter(reads).map(user).collect()
}

fn file_place(writer: &Writer) -> Option<Place> {
    writer.source.file.clone().map(|file| Place { file, line: 1 })
}

/// What the registry makes of an event's subject.
fn guarded(subject: &Subject, found: &mut Found<'_>) {
    let path = format!("{}/{}", subject.service, subject.event);
    if subject.compatibility != COMPATIBILITY {
        let what = format!("its compatibility is {}, not {COMPATIBILITY}", subject.compatibility);
        let why = "the registry takes next versions that not everybody can read";
        found.push(finding(Rule::R35, Verdict::Broken, path.clone(), what, why));
    }
    if !subject.deleted.is_empty() {
        let versions: Vec<String> = subject.deleted.iter().map(ToString::to_string).collect();
        let what = format!("version {} is deleted in the registry", versions.join(", "));
        let why = "next versions are compared with those only that are left, and events of it may be \
                   in the topics";
        found.push(finding(Rule::R35, Verdict::Broken, path, what, why));
    }
}

/// What a running instance writes, against the files.
fn running(contracts: &Contracts, declared: &Declared, found: &mut Found<'_>) {
    for emitted in &declared.emits {
        let (Some(schema), Some(version)) = (&emitted.schema, emitted.version) else { continue };
        let is_it = |it: &&Writer| {
            it.service == declared.service && it.event == emitted.event && it.version == version
        };
        let path = format!("{}/{}.v{version}", declared.service, emitted.event);
        let who = declared.instance.as_deref().unwrap_or("a running instance");
        match contracts.tree.writers.iter().find(is_it) {
            Some(file) if is_same_json(&file.source.text, &schema.to_string()) => {}
            Some(file) => {
                let what = format!("{who} writes another schema than the file");
                let why = "what is checked here is not what is written";
                let place = file_place(file);
                found.push(Finding {
                    place,
                    ..finding(Rule::R30, Verdict::Broken, path, what, why)
                });
            }
            None => {
                let what = format!("{who} writes a version that has no file");
                let why = "events of it are in the topics, and nothing here is checked against it";
                found.push(finding(Rule::R30, Verdict::Broken, path, what, why));
            }
        }
    }
}
