//! Personal data says so, and who newly reads it is known.

use super::{file_place, finding};
use crate::alone::{personal_paths, suggests_personal};
use crate::check::{Before, Contracts, Found};
use crate::draft::{Draft, Grade, json_at};
use crate::finding::{Finding, User};
use crate::path::Path;
use crate::rule::{Rule, Verdict};
use crate::schema::Schema;
use crate::tree::Writer;

pub(super) fn check(contracts: &Contracts, found: &mut Found<'_>) {
    for versions in contracts.tree.by_event() {
        for (at, writer) in versions.iter().enumerate() {
            if !is_released(contracts, writer) {
                let older: Vec<&Schema> =
                    versions[..at].iter().filter_map(|it| it.schema.as_ref().ok()).collect();
                unsaid(writer, &older, found);
            }
        }
    }
    if let Some(before) = contracts.before.as_ref().filter(|before| before.has_readers) {
        new_readers(contracts, before, found);
    }
}

/// Whether a version was there before: of what is released nothing can be changed any more. Where that
/// is not known, first versions are taken for old.
fn is_released(contracts: &Contracts, writer: &Writer) -> bool {
    let is_it = |it: &Writer| crate::check::is_same_version(it, writer);
    match (&contracts.before, &contracts.tree.released) {
        (Some(before), _) => before.tree.writers.iter().any(is_it),
        (None, Some(released)) => {
            writer.source.file.as_ref().is_some_and(|file| released.contains_key(file))
        }
        (None, None) => writer.version == 1,
    }
}

/// New fields that are likely to hold personal data and do not say so.
fn unsaid(writer: &Writer, older: &[&Schema], found: &mut Found<'_>) {
    let Ok(schema) = &writer.schema else { return };
    let personal = personal_paths(schema);
    let mut drafts: Vec<Draft> = Vec::new();
    schema.each_field(&mut |path, field| {
        let is_known = older.iter().any(|it| it.find(path).is_some());
        let is_said = personal.iter().any(|known| known.touches(path));
        let is_within = drafts.iter().any(|draft| draft.path.touches(path));
        let Some(why) = suggests_personal(field) else { return };
        if is_known || is_said || is_within {
            return;
        }
        let what = "it may hold personal data, and does not say so".to_owned();
        let draft = Draft::new(Rule::R36, Grade::Broken, path, &field.at, what);
        let paste = json_at(&writer.source.text, &field.at).map(|json| {
            let open = json.trim_end_matches('}');
            format!("{open},\"farandole.personal\":true}}")
        });
        let mut draft =
            draft.because(format!("{why}; what says so is sealed and kept out of sight"));
        draft.paste = paste;
        drafts.push(
            draft.mend("say farandole.personal at the field, or accept this if it holds none"),
        );
    });
    for draft in drafts {
        found.about_writer(draft, writer, &[]);
    }
}

/// Readers that name a personal field and did not before.
fn new_readers(contracts: &Contracts, before: &Before, found: &mut Found<'_>) {
    for versions in contracts.tree.by_event() {
        let Some(writer) = versions.last() else { continue };
        let Ok(schema) = &writer.schema else { continue };
        for path in personal_paths(schema) {
            for reader in contracts.tree.readers_of(&writer.service, &writer.event) {
                let Ok(reads) = &reader.schema else { continue };
                let Some(field) = reads.find(&path) else { continue };
                let known = before.tree.readers_of(&writer.service, &writer.event);
                let mut known = known.filter(|old| old.service == reader.service);
                if known.any(|old| reads_at(old.schema.as_ref().ok(), &path)) {
                    continue;
                }
                let owner = contracts.tree.declared.iter().find(|it| it.service == writer.service);
                let owner = owner.map(|it| it.owner.as_str()).filter(|owner| !owner.is_empty());
                let owner = owner.unwrap_or("nobody named");
                let what = format!("{} reads personal data that it did not read", reader.service);
                let why = format!(
                    "the data are in the care of {owner}, who answers for {}",
                    writer.service
                );
                let place = reader.source.place(&field.at);
                let user = User {
                    service: reader.service.clone(),
                    place: place.clone(),
                    uses: field.doc.clone(),
                };
                found.push(Finding {
                    place: place.or_else(|| file_place(writer)),
                    users: vec![user],
                    ..finding(Rule::R36, Verdict::Risky, reader.path(&path), what, &why)
                });
            }
        }
    }
}

fn reads_at(schema: Option<&Schema>, path: &Path) -> bool {
    schema.is_some_and(|schema| schema.find(path).is_some())
}
