//! Fields that are there, or not any more.

use serde_json::Value as Json;

use super::Comparison;
use crate::draft::{Draft, Grade, json_at, some_default, with_default};
use crate::path::Path;
use crate::rule::Rule;
use crate::schema::Field;

/// From which likeness on, of 1, a name is taken for another spelling of an old one.
const LIKE: f64 = 0.7;

impl<'a> Comparison<'a> {
    pub(super) fn fields(&mut self, old: &'a [Field], new: &'a [Field], path: &Path, at: &str) {
        let is_in = |field: &Field, all: &[Field]| all.iter().any(|it| it.name == field.name);
        let mut removed: Vec<&Field> = old.iter().filter(|field| !is_in(field, new)).collect();
        let mut added: Vec<&Field> = new.iter().filter(|field| !is_in(field, old)).collect();
        self.renamed_fields(&mut removed, &mut added, path);
        for field in removed {
            self.removed(field, path, at);
        }
        for field in added {
            self.added(field, path);
        }
        for field in old {
            if let Some(now) = new.iter().find(|now| now.name == field.name) {
                let path = path.field(&field.name);
                self.types(&field.of, &now.of, &path, false);
                // A default of another type is another anyway.
                if self.old.schema.signature(&field.of) == self.new.schema.signature(&now.of) {
                    self.defaults(field, now, &path);
                }
                self.words(field, now, &path);
            }
        }
    }

    /// Takes out the pairs that are one field with two names.
    fn renamed_fields(&mut self, removed: &mut Vec<&Field>, added: &mut Vec<&Field>, path: &Path) {
        removed.retain(|old| {
            let signature = self.old.schema.signature(&old.of);
            let same = |new: &&Field| {
                self.new.schema.signature(&new.of) == signature && is_likely(old, new)
            };
            let Some(at) = added.iter().position(same) else { return true };
            let new = added.remove(at);
            let both = old.default.is_some() && new.default.is_some();
            let grade = if both { Grade::IfRead } else { Grade::Broken };
            let (from, to) = (&old.name, &new.name);
            let why = match (both, new.aliases.contains(from)) {
                (true, _) => format!(
                    "Avro would allow it: both have defaults, so who reads {from} reads its default \
                     from now on, and what was written is lost"
                ),
                (false, true) => format!(
                    "an alias helps those who read with the new schema, if their decoder knows aliases; \
                     who reads {from} finds nothing"
                ),
                (false, false) => "neither can be read as the other".to_owned(),
            };
            let what = format!("{from} is now called {to}");
            let draft = Draft::new(Rule::R04, grade, &path.field(to), &new.at, what);
            let draft = draft.because(why).was(path.field(from));
            self.found.push(match json_at(self.old.text, &old.at) {
                Some(paste) => draft.paste(paste),
                None => draft,
            });
            false
        });
    }

    fn removed(&mut self, field: &Field, path: &Path, at: &str) {
        let path = path.field(&field.name);
        let what = "removed".to_owned();
        let draft = match &field.default {
            None => Draft::new(Rule::R02, Grade::Broken, &path, at, what)
                .because("it had no default: who reads with the old schema cannot read the new events"),
            Some(default) => Draft::new(Rule::R03, Grade::IfRead, &path, at, what).because(format!(
                "Avro would allow it: it has a default, so who reads it would read {default} and never \
                 know"
            )),
        };
        self.found.push(match json_at(self.old.text, &field.at) {
            Some(paste) => draft.paste(paste),
            None => draft,
        });
    }

    fn added(&mut self, field: &Field, path: &Path) {
        if field.default.is_some() {
            return;
        }
        let path = path.field(&field.name);
        let draft = Draft::new(Rule::R01, Grade::Broken, &path, &field.at, "added".to_owned())
            .because("it has no default: who reads with the new schema cannot read the old events");
        let kind = serde_json::from_str::<Json>(self.new.text).ok();
        let kind = kind.and_then(|it| it.pointer(&format!("{}/type", field.at)).cloned());
        let default = some_default(&kind.unwrap_or_default());
        self.found.push(match with_default(self.new.text, field, default) {
            Some(paste) => draft.paste(paste),
            None => draft,
        });
    }

    fn defaults(&mut self, old: &Field, new: &Field, path: &Path) {
        match (&old.default, &new.default) {
            (Some(was), Some(is)) if was != is => {
                let what = format!("the default was {was}, and is {is}");
                let draft = Draft::new(Rule::R10, Grade::IfRead, path, &new.at, what).because(
                    "registries and fingerprints do not see defaults: of one event without the field, \
                     two readers see two values",
                );
                self.found.push(draft.paste(format!("\"default\": {was}")));
            }
            _ => {}
        }
    }
}

/// Whether one field is likely to be another under a new name.
fn is_likely(old: &Field, new: &Field) -> bool {
    let words = |name: &str| -> Vec<String> {
        let words = name.split('_').filter(|word| word.len() > 2);
        words.map(|word| word.trim_end_matches('s').to_lowercase()).collect()
    };
    let shared = words(&old.name).iter().any(|word| words(&new.name).contains(word));
    let same_doc = !old.doc.is_empty() && old.doc == new.doc;
    let is_like = strsim::normalized_damerau_levenshtein(&old.name, &new.name) >= LIKE;
    new.aliases.contains(&old.name) || same_doc || is_like || shared
}
