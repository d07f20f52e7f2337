//! The files of rules and of their tests, as values.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The root of the tree.
pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Where the rules are.
pub(crate) fn rules() -> PathBuf {
    root().join("deploy/observability/rules")
}

/// A file of YAML.
pub(crate) fn yaml(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of the files in a directory that end with `.yml`, without that, in order.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let is_yaml = |path: &PathBuf| path.extension().is_some_and(|it| it == "yml");
    let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let mut names: Vec<String> = entries.filter(is_yaml).map(stem).collect();
    names.sort();
    names
}

/// The files of rules, without those that only tests load.
pub(crate) fn rule_files() -> Vec<String> {
    names(&rules())
}

/// The files of tests.
pub(crate) fn test_files() -> Vec<String> {
    let is_test = |name: &String| name != "fleet";
    names(&rules().join("tests")).into_iter().filter(is_test).collect()
}

/// All rules of a file.
pub(crate) fn rules_of(file: &Value) -> impl Iterator<Item = &Value> {
    let groups = file["groups"].as_array().unwrap().iter();
    groups.flat_map(|group| group["rules"].as_array().unwrap())
}

/// All alerts, with the file that has them.
pub(crate) fn alerts() -> Vec<(String, Value)> {
    let mut alerts = Vec::new();
    for file in rule_files() {
        let rules = yaml(&rules().join(format!("{file}.yml")));
        let of_file = rules_of(&rules).filter(|rule| rule.get("alert").is_some());
        alerts.extend(of_file.map(|rule| (file.clone(), rule.clone())));
    }
    alerts
}

/// A member that is a text, or a number that is meant as one.
pub(crate) fn text(value: &Value, member: &str) -> String {
    match &value[member] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
