//! The catalogue of the fleet as it is, and of fleets that it is not.

use std::fs;
use std::path::Path;

use declarations::{Fleet, Schemas};
use farandole_catalogue::{Catalogue, EXAMPLES, Examples, files};

/// The examples that are committed, or none where there are none yet.
pub(crate) fn examples() -> Examples {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(EXAMPLES);
    fs::read_to_string(path)
        .map_or_else(|_| Examples::default(), |it| Examples::parse(&it).unwrap())
}

/// The fleet's catalogue.
pub(crate) fn catalogue() -> Catalogue {
    Catalogue::of(Fleet::embedded().services(), &Schemas::embedded(), &examples())
}

/// A file of a catalogue.
pub(crate) fn file(catalogue: &Catalogue, path: &str) -> String {
    let files = files(catalogue);
    files.into_iter().find(|(name, _)| name == path).unwrap().1
}
