use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::{ScaffoldError, Tree};

/// What is to be written, by path from the root of the tree.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    files: BTreeMap<String, String>,
    /// Those that are not there yet.
    new: Vec<String>,
}

impl Changes {
    /// A file that must not be there yet.
    pub(crate) fn create(
        &mut self,
        tree: &Tree,
        path: &str,
        text: String,
    ) -> Result<(), ScaffoldError> {
        if tree.root.join(path).exists() {
            return Err(ScaffoldError::Refused(format!("{path} is there already")));
        }
        self.new.push(path.to_owned());
        self.files.insert(path.to_owned(), text);
        Ok(())
    }

    /// A file as it is, or as it is to be.
    pub(crate) fn text(&self, tree: &Tree, path: &str) -> Result<String, ScaffoldError> {
        if let Some(text) = self.files.get(path) {
            return Ok(text.clone());
        }
        let file = tree.root.join(path);
        fs::read_to_string(&file).map_err(|error| ScaffoldError::File { path: file, source: error })
    }

    /// Changes a file.
    pub(crate) fn edit(
        &mut self,
        tree: &Tree,
        path: &str,
        change: impl FnOnce(&str) -> Result<String, String>,
    ) -> Result<(), ScaffoldError> {
        let text = self.text(tree, path)?;
        let changed =
            change(&text).map_err(|why| ScaffoldError::Refused(format!("{path}: {why}")))?;
        self.files.insert(path.to_owned(), changed);
        Ok(())
    }

    /// What is written, each with whether it is new.
    pub fn paths(&self) -> impl Iterator<Item = (&str, bool)> {
        self.files.keys().map(|path| (path.as_str(), self.new.contains(path)))
    }

    /// Writes all of it.
    pub fn write(&self, tree: &Tree) -> Result<(), ScaffoldError> {
        for (path, text) in &self.files {
            let file: PathBuf = tree.root.join(path);
            let error = |source| ScaffoldError::File { path: file.clone(), source };
            if let Some(directory) = file.parent() {
                fs::create_dir_all(directory).map_err(error)?;
            }
            fs::write(&file, text).map_err(error)?;
        }
        Ok(())
    }
}
