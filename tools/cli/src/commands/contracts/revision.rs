//! The contracts of a revision. Only what it has itself is asked for, so a shallow clone will do.

use std::path::Path;
use std::process::Command as Process;

use compatibility::{Before, Tree};

use super::Unseen;

/// The tree of a revision, seen from a directory of its working copy.
pub(super) fn read(directory: &Path, revision: &str) -> anyhow::Result<Before> {
    let of = format!("git:{revision}");
    // A hash from here on: what is written like a flag is none then.
    let wanted = format!("{revision}^{{commit}}");
    let commit = git(directory, &["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted])
        .map_err(|why| {
            Unseen(format!("{of} is not there{}: fetch it, or name another", colon(&why)))
        })?;
    let commit = commit.trim();
    let listed =
        git(directory, &["ls-tree", "-r", "-z", "--name-only", commit, "schemas", "services"])
            .map_err(|why| Unseen(format!("{of} cannot be listed{}", colon(&why))))?;
    let mut files = Vec::new();
    for file in listed.split('\0').filter(|file| is_contract(file)) {
        let text = git(directory, &["show", &format!("{commit}:./{file}")])
            .map_err(|why| Unseen(format!("{file} of {of} cannot be read{}", colon(&why))))?;
        files.push((file.to_owned(), text));
    }
    Ok(Before { of, tree: Tree::of_files(files)?, has_readers: true })
}

/// Whether a file is part of the contracts.
fn is_contract(file: &str) -> bool {
    let parts: Vec<&str> = file.split('/').collect();
    let is_schema = file.strip_suffix(".avsc").is_some();
    match parts[..] {
        ["schemas", _, _] | ["services", _, "reads", _] => is_schema,
        ["services", _, "declaration.json"] => true,
        _ => false,
    }
}

fn git(directory: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Process::new("git")
        .arg("-C")
        .arg(directory)
        .args(arguments)
        .output()
        .map_err(|error| format!("git cannot be run: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    String::from_utf8(output.stdout).map_err(|_| "it is not UTF-8".to_owned())
}

fn colon(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!(" ({why})") }
}
