//! What is where: all services look alike, and no crate knows all events.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use stack::fleet::SERVICES;

/// What each service has; a name that ends in `/` is a directory with something in it.
const PARTS: [&str; 7] = [
    "src/main.rs",
    "src/lib.rs",
    "src/events.rs",
    "src/domain.rs",
    "src/http.rs",
    "reads/",
    "migrations/",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// All files below a directory of the repository, as paths from its root.
pub(super) fn files(below: &str) -> BTreeSet<String> {
    let (root, mut found) = (root(), BTreeSet::new());
    let mut directories = vec![root.join(below)];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                directories.push(entry.path());
            } else {
                let path = entry.path();
                found.insert(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

/// The services that have a directory.
fn services(files: &BTreeSet<String>) -> BTreeSet<&str> {
    files.iter().filter_map(|file| file.split('/').nth(1)).collect()
}

/// The parts that services lack.
fn missing_parts(files: &BTreeSet<String>) -> Vec<String> {
    let parts = services(files)
        .into_iter()
        .flat_map(|service| PARTS.iter().map(move |part| format!("services/{service}/{part}")));
    let is_there = |part: &String| {
        if part.ends_with('/') {
            files.iter().any(|file| file.starts_with(part))
        } else {
            files.contains(part)
        }
    };
    parts.filter(|part| !is_there(part)).collect()
}

/// Crates that define types for events that are not theirs to know: shared ones for any event,
/// services for every event.
fn know_too_much(sources: &[(String, String)], events: &BTreeSet<String>) -> Vec<String> {
    let crates: BTreeSet<String> = sources.iter().map(|(path, _)| crate_of(path)).collect();
    let defines = |of: &String, event: &String| {
        let types = [format!("struct {event} "), format!("enum {event} ")];
        let mut of_crate = sources.iter().filter(|(path, _)| crate_of(path) == *of);
        of_crate.any(|(_, text)| types.iter().any(|defined| text.contains(defined)))
    };
    let too_many = |of: &String| {
        let known = events.iter().filter(|event| defines(of, event)).count();
        if of.starts_with("services/") { known == events.len() } else { known > 0 }
    };
    crates.into_iter().filter(too_many).collect()
}

/// `services/order` of `services/order/src/lib.rs`.
fn crate_of(path: &str) -> String {
    path.split('/').take(2).collect::<Vec<_>>().join("/")
}

/// A document, by its path from the root.
pub(super) fn document(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

pub(super) fn sources() -> Vec<(String, String)> {
    let all = ["shared", "services"].into_iter().flat_map(files);
    let is_source = |path: &String| {
        path.contains("/src/") && Path::new(path).extension() == Some("rs".as_ref())
    };
    all.filter(is_source)
        .map(|path| (path.clone(), fs::read_to_string(root().join(&path)).unwrap()))
        .collect()
}

fn events() -> BTreeSet<String> {
    testkit::schemas::released().into_iter().map(|(_, event, _)| event).collect()
}

#[test]
fn every_service_is_in_the_list() {
    let (files, listed) = (files("services"), BTreeSet::from(SERVICES));
    assert_eq!(
        services(&files),
        listed,
        "services/, and those with a declaration: run make render"
    );
}

#[test]
fn all_services_look_alike() {
    let mut files = files("services");
    assert_eq!(missing_parts(&files), [""; 0]);

    files.remove("services/payment/src/http.rs");
    files.retain(|file| !file.starts_with("services/shipping/reads/"));
    let planted = ["services/payment/src/http.rs", "services/shipping/reads/"];
    assert_eq!(missing_parts(&files), planted);
}

#[test]
fn no_crate_has_the_types_of_all_events() {
    let (mut sources, events) = (sources(), events());
    assert!(!events.is_empty());
    assert_eq!(know_too_much(&sources, &events), [""; 0]);

    sources.push(("shared/contracts/src/x.rs".to_owned(), "pub struct OrderPlaced {".to_owned()));
    let all: Vec<_> = events.iter().map(|event| format!("pub struct {event} {{}}")).collect();
    sources.push(("services/order/src/x.rs".to_owned(), all.join("\n")));
    assert_eq!(know_too_much(&sources, &events), ["services/order", "shared/contracts"]);
}
