//! The files that sqlx's macros write and read, one per query.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context as _;

/// The entries of a crate: their texts by their files' names.
#[derive(Default)]
pub(crate) struct Entries(BTreeMap<String, String>);

/// How entries differ from what is needed, by the queries' first lines. Shown, it ends the sentence
/// that there are so many queries.
pub(crate) struct Changes(Vec<(&'static str, String)>);

impl Entries {
    /// Those in a directory; none when it is not there.
    pub(crate) fn read(directory: &Path) -> anyhow::Result<Self> {
        let unreadable = || format!("{} cannot be read", directory.display());
        let files = match fs::read_dir(directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            files => files.with_context(unreadable)?,
        };
        let mut entries = BTreeMap::new();
        for file in files {
            let file = file.with_context(unreadable)?;
            let text = fs::read_to_string(file.path()).with_context(unreadable)?;
            entries.insert(file.file_name().to_string_lossy().into_owned(), text);
        }
        Ok(Self(entries))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// What would have to be done to these to have `needed`.
    pub(crate) fn changes_to(&self, needed: &Self) -> Changes {
        let superfluous = self.0.iter().filter(|(name, _)| !needed.0.contains_key(*name));
        let mut changes: Vec<_> =
            superfluous.map(|(_, text)| ("no longer needed", first_line(text))).collect();
        for (name, text) in &needed.0 {
            match self.0.get(name) {
                None => changes.push(("missing", first_line(text))),
                Some(kept) if kept != text => changes.push(("outdated", first_line(text))),
                Some(_) => {}
            }
        }
        Changes(changes)
    }

    /// Puts these in a directory in place of `kept`, which are there now.
    pub(crate) fn replace(&self, kept: &Self, directory: &Path) -> anyhow::Result<()> {
        let unusable = || format!("{} cannot be written", directory.display());
        fs::create_dir_all(directory).with_context(unusable)?;
        for name in kept.0.keys().filter(|name| !self.0.contains_key(*name)) {
            fs::remove_file(directory.join(name)).with_context(unusable)?;
        }
        for (name, text) in self.0.iter().filter(|(name, text)| kept.0.get(*name) != Some(*text)) {
            fs::write(directory.join(name), text).with_context(unusable)?;
        }
        if self.0.is_empty() {
            fs::remove_dir(directory).with_context(unusable)?;
        }
        Ok(())
    }
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Display for Changes {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "and .sqlx has them" } else { "but .sqlx differs:" })?;
        self.0.iter().try_for_each(|(what, query)| write!(f, "\n  {what}: {query}"))
    }
}

/// The first line of an entry's query that says something.
fn first_line(entry: &str) -> String {
    let entry: serde_json::Value = serde_json::from_str(entry).unwrap_or_default();
    let query = entry["query"].as_str().unwrap_or("(no entry of sqlx)");
    query.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Entries;

    fn entries(entries: &[(&str, &str)]) -> Entries {
        let text = |query: &str| format!("{{\"query\": \"\\n  {query}\\n  FROM t\"}}");
        Entries(entries.iter().map(|(name, query)| ((*name).to_owned(), text(query))).collect())
    }

    #[test]
    fn what_is_missing_outdated_or_left_over_is_told_and_put_right() {
        let kept = entries(&[("a", "SELECT a"), ("b", "SELECT b"), ("c", "SELECT c")]);
        let needed = entries(&[("a", "SELECT a"), ("b", "SELECT b, d"), ("e", "SELECT e")]);
        assert_eq!(
            kept.changes_to(&needed).to_string(),
            "but .sqlx differs:\n  no longer needed: SELECT c\n  outdated: SELECT b, d\n  \
             missing: SELECT e"
        );
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join(".sqlx");
        kept.replace(&Entries::default(), &directory).unwrap();
        assert!(Entries::read(&directory).unwrap().changes_to(&kept).is_empty());
        needed.replace(&kept, &directory).unwrap();
        assert!(Entries::read(&directory).unwrap().changes_to(&needed).is_empty());
        Entries::default().replace(&needed, &directory).unwrap();
        assert!(!fs::exists(&directory).unwrap());
    }
}
