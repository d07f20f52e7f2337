//! In which order to deploy what has changed.

use std::collections::BTreeSet;

use crate::check::{Contracts, is_same_version};
use crate::tree::{Reader, Writer};

/// The steps, in words; none if nothing has changed, as far as is known.
pub(crate) fn order(contracts: &Contracts) -> Vec<String> {
    let new: Vec<&Writer> =
        contracts.tree.writers.iter().filter(|writer| is_new(contracts, writer)).collect();
    if new.is_empty() {
        return Vec::new();
    }
    let files: Vec<String> = new.iter().map(|it| it.path(&"")).collect();
    let writers: BTreeSet<&str> = new.iter().map(|it| it.service.as_str()).collect();
    let reads = |it: &&Reader| {
        new.iter().any(|writer| it.from == writer.service && it.event == writer.event)
    };
    let readers = contracts.tree.readers.iter().filter(reads).map(|it| it.service.as_str());
    let readers: BTreeSet<&str> = readers.filter(|service| !writers.contains(service)).collect();
    let list = |names: BTreeSet<&str>| names.into_iter().collect::<Vec<_>>().join(", ");
    let mut steps = vec![format!("`farandole schemas register` ({})", files.join(", "))];
    if !readers.is_empty() {
        steps.push(format!("who reads it, if changed: {}", list(readers)));
    }
    steps.push(format!("who writes it: {}", list(writers)));
    steps
}

/// Whether a version is not released yet, as far as is known.
fn is_new(contracts: &Contracts, writer: &Writer) -> bool {
    if let Some(before) = &contracts.before {
        return !before.tree.writers.iter().any(|it| is_same_version(it, writer));
    }
    match (&contracts.tree.released, &writer.source.file) {
        (Some(released), Some(file)) => !released.contains_key(file),
        _ => false,
    }
}
