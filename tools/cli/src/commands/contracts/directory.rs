//! The contracts in a directory.

use std::fs;
use std::io::{Error, ErrorKind};
use std::path::Path;

use compatibility::{ACCEPTED, RELEASED, Tree};

use super::Unseen;

/// The largest file that is read, in bytes. A schema has some thousands.
const FILE_MAX: u64 = 1024 * 1024;

/// Whether a directory has schemas and services.
pub(super) fn is_tree(directory: &Path) -> bool {
    ["schemas", "services"].iter().all(|part| directory.join(part).is_dir())
}

/// The tree in a directory.
pub(super) fn read(directory: &Path) -> anyhow::Result<Tree> {
    if !is_tree(directory) {
        let why = format!("{}: there are no schemas/ and services/ in it", directory.display());
        return Err(crate::command_line::Misused(why).into());
    }
    let files = files(directory)
        .map_err(|error| Unseen(format!("{} cannot be read: {error}", directory.display())))?;
    Ok(Tree::of_files(files)?)
}

fn files(directory: &Path) -> Result<Vec<(String, String)>, Error> {
    let mut found = Vec::new();
    for service in names(&directory.join("schemas"))? {
        let folder = format!("schemas/{service}");
        if directory.join(&folder).is_dir() {
            add_all(directory, &folder, &mut found)?;
        }
    }
    for service in names(&directory.join("services"))? {
        add(directory, format!("services/{service}/declaration.json"), &mut found)?;
        let reads = format!("services/{service}/reads");
        if directory.join(&reads).is_dir() {
            add_all(directory, &reads, &mut found)?;
        }
    }
    for file in [RELEASED, ACCEPTED] {
        add(directory, file.to_owned(), &mut found)?;
    }
    Ok(found)
}

fn add_all(root: &Path, folder: &str, found: &mut Vec<(String, String)>) -> Result<(), Error> {
    for name in names(&root.join(folder))? {
        add(root, format!("{folder}/{name}"), found)?;
    }
    Ok(())
}

/// Adds a file, if it is there.
fn add(root: &Path, file: String, found: &mut Vec<(String, String)>) -> Result<(), Error> {
    let path = root.join(&file);
    match fs::metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(of) if of.len() > FILE_MAX => {
            let why = format!("{file} has more than {FILE_MAX} bytes");
            return Err(Error::new(ErrorKind::FileTooLarge, why));
        }
        Ok(_) => {}
    }
    let text = fs::read_to_string(&path)
        .map_err(|error| Error::new(error.kind(), format!("{file}: {error}")))?;
    found.push((file, text));
    Ok(())
}

fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string().ok());
    }
    names.sort();
    Ok(names)
}
