//! The catalogue of events, the dashboards and the rules of the objectives: files that are rendered as a
//! whole.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::{fs, iter};

use catalogue::{Catalogue, EXAMPLES, Examples, files};
use declarations::{Schemas, fleet};
use observability::{dashboards, objectives};

use crate::render::Wrong;

/// Where all files of a kind are rendered, by the end of their names: one that is not any more has to go.
const ALL_RENDERED: [(&str, &str); 2] =
    [("docs/catalogue/asyncapi", ""), (dashboards::DIRECTORY, ".json")];

/// The files as they are to be, by their paths from the root of the tree.
fn documents(root: &Path) -> Result<Vec<(String, String)>, Wrong> {
    let schemas = Schemas::embedded();
    let examples = match fs::read_to_string(root.join(EXAMPLES)) {
        Ok(text) => Examples::parse(&text)?,
        Err(error) if error.kind() == ErrorKind::NotFound => Examples::default(),
        Err(error) => return Err(wrong(EXAMPLES, error)),
    };
    examples.check(&schemas)?;
    let mut documents = files(&Catalogue::of(fleet().services(), &schemas, &examples));
    documents.extend(objectives::files(fleet()));
    documents.extend(dashboards::files(fleet()));
    Ok(documents)
}

/// Writes all documents of the tree at `root`, and removes those that are none any more.
pub(crate) fn write(root: &Path) -> Result<(), Wrong> {
    let documents = documents(root)?;
    for (directory, _) in ALL_RENDERED {
        fs::create_dir_all(root.join(directory)).map_err(|error| wrong(directory, error))?;
    }
    for (file, text) in &documents {
        if read(root, file)? != *text {
            fs::write(root.join(file), text).map_err(|error| wrong(file, error))?;
        }
    }
    for file in left(root, &documents)? {
        fs::remove_file(root.join(&file)).map_err(|error| wrong(&file, error))?;
    }
    Ok(())
}

/// Finds the first line in the documents of the tree at `root` that is not what it is to be.
pub(crate) fn check(root: &Path) -> Result<(), Wrong> {
    let documents = documents(root)?;
    for (file, text) in &documents {
        let is = read(root, file)?;
        if let Some((line, is, to_be)) = differs(&is, text) {
            return Err(Wrong::Document { file: file.clone(), line, is, to_be });
        }
    }
    left(root, &documents)?.into_iter().next().map_or(Ok(()), |file| Err(Wrong::Left(file)))
}

/// A document as it is; that which is not there yet is empty.
fn read(root: &Path, file: &str) -> Result<String, Wrong> {
    match fs::read_to_string(root.join(file)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        other => other.map_err(|error| wrong(file, error)),
    }
}

/// The first line that differs: its number, what it is, and what it is to be.
fn differs(is: &str, to_be: &str) -> Option<(usize, String, String)> {
    if is == to_be {
        return None;
    }
    let lines = |text: &'_ str| -> Vec<String> {
        text.lines().map(str::to_owned).chain(iter::once("(the end)".to_owned())).collect()
    };
    let (is, to_be) = (lines(is), lines(to_be));
    let same = is.iter().zip(&to_be).take_while(|(is, to_be)| is == to_be).count();
    let line = |lines: &[String]| lines.get(same).cloned().unwrap_or_default();
    Some((same + 1, line(&is), line(&to_be)))
}

/// The files that were documents, such as those of services that are gone.
fn left(root: &Path, documents: &[(String, String)]) -> Result<Vec<String>, Wrong> {
    let mut left = Vec::new();
    for (directory, end) in ALL_RENDERED {
        let entries = match fs::read_dir(root.join(directory)) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            other => other.map_err(|error| wrong(directory, error))?,
        };
        for entry in entries {
            let name = entry.map_err(|error| wrong(directory, error))?.file_name();
            let file = format!("{directory}/{}", name.display());
            if file.ends_with(end) && documents.iter().all(|(path, _)| *path != file) {
                left.push(file);
            }
        }
    }
    left.sort();
    Ok(left)
}

fn wrong(file: &str, error: io::Error) -> Wrong {
    Wrong::File { file: file.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_told() {
        assert_eq!(differs("a\nb\n", "a\nb\n"), None);
        let told = |line, is: &str, to_be: &str| Some((line, is.to_owned(), to_be.to_owned()));
        assert_eq!(differs("a\nb\n", "a\nc\n"), told(2, "b", "c"));
        assert_eq!(differs("", "a\n"), told(1, "(the end)", "a"));
        assert_eq!(differs("a\n", "a"), told(3, "", ""), "only the end of the last line");
    }
}
