//! What differs between two versions of a schema, and what each difference does to those who read one
//! of them with the other.

mod fields;
mod types;
mod unions;
mod words;

use crate::draft::Draft;
use crate::path::Path;
use crate::schema::Schema;

/// A schema with its text.
#[derive(Clone, Copy)]
pub(crate) struct Side<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) text: &'a str,
}

/// All differences of two versions that a rule is about.
pub(crate) fn changes(old: Side<'_>, new: Side<'_>) -> Vec<Draft> {
    let mut comparison = Comparison { old, new, within: Vec::new(), found: Vec::new() };
    comparison.types(&old.schema.root, &new.schema.root, &Path::default(), false);
    comparison.found
}

pub(crate) use types::is_promoted;
pub(crate) use unions::key;
pub(crate) use words::other_units;

struct Comparison<'a> {
    old: Side<'a>,
    new: Side<'a>,
    /// The pairs of named types around the one that is looked at.
    within: Vec<(&'a str, &'a str)>,
    found: Vec<Draft>,
}
