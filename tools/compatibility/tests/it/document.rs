//! The tables of docs/contracts.md, which are made of the rules and of the cases.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

use compatibility::{Fate, Registry, Rules, fate, registry, render};

use crate::cases::{self, Case};

const FILE: &str = "docs/contracts.md";

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(FILE)
}

/// What becomes of the values: read by the reader, or, where nobody reads, by each version as a whole.
fn worst(case: &Case) -> Option<Fate> {
    let mut fates = Vec::new();
    for (at, writer) in case.versions.iter().enumerate() {
        let others = case.versions.iter().enumerate().filter(|(other, _)| *other != at);
        let readers: Vec<&String> = match &case.reader {
            Some(reader) => vec![reader],
            None => others.map(|(_, other)| other).collect(),
        };
        for reader in readers {
            fates.push(fate(writer, reader).ok()?);
        }
    }
    [Fate::Lost, Fate::Mistaken, Fate::Read].into_iter().find(|fate| fates.contains(fate))
}

fn words(fate: Option<Fate>) -> &'static str {
    match fate {
        Some(Fate::Lost) => "some are unreadable",
        Some(Fate::Mistaken) => "some are read otherwise than Avro says",
        Some(Fate::Read) => "all are read",
        None => "–",
    }
}

fn table() -> String {
    let mut text = "| what changes, or is read | found here | a registry | the values |\n\
                    |---|---|---|---|\n"
        .to_owned();
    for case in cases::all() {
        let found = case.question().found(Rules::all());
        let found: Vec<String> =
            found.iter().map(|it| it.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
        let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
        let registry = match &case.versions[..] {
            [old, new] => match registry(old, new) {
                Registry::Takes => "takes it",
                Registry::Refuses => "refuses it",
            },
            _ => "–",
        };
        let _ =
            writeln!(text, "| {} | {found} | {registry} | {} |", case.name, words(worst(&case)));
    }
    text
}

/// The text with a region between its two lines replaced.
fn with_region(text: &str, name: &str, region: &str) -> String {
    let begin = format!("<!-- rendered by the tests of compatibility: {name} -->\n");
    let end = "<!-- end of what is rendered -->";
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{FILE} has no {name}"));
    let (_, after) = rest.split_once(end).unwrap();
    format!("{before}{begin}{region}{end}{after}")
}

#[test]
fn the_documented_rules_and_cases_are_those_that_are_checked() {
    let is = fs::read_to_string(path()).unwrap();
    let to_be = with_region(&is, "rules", &render::rules_table());
    let to_be = with_region(&to_be, "cases", &table());
    if env::var_os("FARANDOLE_RENDER").is_some() {
        fs::write(path(), &to_be).unwrap();
        return;
    }
    assert!(is == to_be, "{FILE} is not what the rules say: run this test with FARANDOLE_RENDER=1");
}
