//! What only people and the code behind a field read: vocabularies, and units in docs.

use std::collections::BTreeSet;

use super::Comparison;
use crate::draft::{Draft, Grade};
use crate::path::Path;
use crate::rule::Rule;
use crate::schema::Field;

/// Units, as docs name them. Those of one line are the same.
const UNITS: [&[&str]; 16] = [
    &["minor unit", "minor units", "cent", "cents"],
    &["major unit", "major units"],
    &["millisecond", "milliseconds", "ms"],
    &["microsecond", "microseconds"],
    &["nanosecond", "nanoseconds"],
    &["second", "seconds"],
    &["minute", "minutes"],
    &["hour", "hours"],
    &["day", "days"],
    &["gram", "grams", "g"],
    &["kilogram", "kilograms", "kg"],
    &["millimetre", "millimetres", "mm"],
    &["centimetre", "centimetres", "cm"],
    &["metre", "metres"],
    &["percent", "%"],
    &["basis point", "basis points", "permille"],
];

/// The units that a doc names.
fn units(doc: &str) -> BTreeSet<&'static str> {
    let letters =
        |c: char| if c.is_alphanumeric() || c == '%' { c.to_ascii_lowercase() } else { ' ' };
    let spaced: String = doc.chars().map(letters).collect();
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let text = format!(" {} ", words.join(" "));
    let is_named = |names: &&&[&str]| names.iter().any(|name| text.contains(&format!(" {name} ")));
    UNITS.iter().filter(is_named).map(|names| names[0]).collect()
}

/// That two docs name units, and other ones.
pub(crate) fn other_units(old: &str, new: &str) -> Option<(String, String)> {
    let (old, new) = (units(old), units(new));
    let listed = |units: BTreeSet<&str>| units.into_iter().collect::<Vec<_>>().join(", ");
    (!old.is_empty() && !new.is_empty() && old.is_disjoint(&new))
        .then(|| (listed(old), listed(new)))
}

impl Comparison<'_> {
    pub(super) fn words(&mut self, old: &Field, new: &Field, path: &Path) {
        let missing = |of: &Field, from: &Field| -> Vec<String> {
            of.values.iter().filter(|word| !from.values.contains(word)).cloned().collect()
        };
        // A field that begins to say its vocabulary says no new words.
        if !old.values.is_empty() {
            let (removed, added) = (missing(old, new), missing(new, old));
            if !removed.is_empty() {
                let what = format!("value {} is removed", removed.join(", "));
                let draft = Draft::new(Rule::R13, Grade::Risky, path, &new.at, what);
                self.found.push(draft.because(
                    "events with it are in the topics, and who reads the list does not expect it",
                ));
            }
            if !added.is_empty() {
                let what = format!("value {} is added", added.join(", "));
                let draft = Draft::new(Rule::R13, Grade::Note, path, &new.at, what)
                    .because("who tells the values apart takes it for one that they do not know")
                    .mend("see to it that each reader does something sensible with it, and first");
                self.found.push(draft);
            }
        }
        if let Some((was, is)) = other_units(&old.doc, &new.doc) {
            let what = format!("the doc says {is}, and said {was}");
            let draft = Draft::new(Rule::R19, Grade::Risky, path, &new.at, what);
            self.found.push(draft.because(
                "the type is the same, so nothing fails: old events and old readers mean the old unit",
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_unit_is_another_unit() {
        assert!(other_units("Minor units, such as cents.", "Major units.").is_some());
        assert!(other_units("In milliseconds.", "In seconds, UTC.").is_some());
        for (old, new) in [
            ("Minor units, such as cents.", "The amount, in minor units."),
            ("The amount.", "The amount, in minor units."),
            ("In minor units.", "The amount."),
            ("A second address.", "An address."),
        ] {
            assert!(other_units(old, new).is_none(), "{old} {new}");
        }
    }
}
