//! Whether the tests of the rules would see it if a rule were wrong.
//!
//! Each comparison is turned round, each number and each threshold made a hundred times as large, and each
//! `for` left out, one at a time; some test must fail then. The rules of the objectives are generated, and
//! all alike: they are tried in `objectives.yml` alone.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::expression::{Token, replaced, tokens};
use crate::files::{rule_files, rules, rules_of, test_files, text, yaml};
use crate::tools::{promtool, said};

/// Mutants that no test can tell from the rule, and why.
const ALIKE: [(&str, &str, &str); 0] = [];

/// A rule that is wrong.
struct Mutant {
    /// The file that it is in.
    file: String,
    /// The file as it is then.
    rules: Value,
    /// The rule's name, and what was done to it.
    name: String,
    what: String,
    /// The metrics that the rule reads.
    metrics: BTreeSet<String>,
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.file, self.name, self.what)
    }
}

#[test]
#[ignore = "takes minutes: make rules-check"]
fn some_test_fails_when_a_rule_is_wrong() {
    let mutants = mutants();
    assert!(mutants.len() > 200, "{} mutants are too few", mutants.len());
    let (next, survivors) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let workers = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if !is_seen(mutant) {
                        eprintln!("nobody saw: {mutant}");
                        survivors.lock().unwrap().push(mutant.to_string());
                    }
                }
            });
        }
    });
    println!("{} mutants", mutants.len());
    let survivors = survivors.into_inner().unwrap();
    assert!(survivors.is_empty(), "no test fails with\n{}", survivors.join("\n"));
}

fn mutants() -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for file in rule_files().into_iter().filter(|it| it != "objectives" && it != "kpis") {
        let whole = yaml(&rules().join(format!("{file}.yml")));
        for (group, of_group) in whole["groups"].as_array().unwrap().iter().enumerate() {
            for (index, rule) in of_group["rules"].as_array().unwrap().iter().enumerate() {
                let name = text(rule, "alert") + &text(rule, "record");
                let metrics = if file == "thresholds" {
                    users(&name)
                } else {
                    metrics(&text(rule, "expr"), &name)
                };
                for (what, rule) in changes(&file, rule) {
                    let mut rules = whole.clone();
                    rules["groups"][group]["rules"][index] = rule;
                    let (file, name, metrics) = (file.clone(), name.clone(), metrics.clone());
                    mutants.push(Mutant { file, rules, name, what, metrics });
                }
            }
        }
    }
    let is_alike = |it: &Mutant| {
        ALIKE.iter().any(|(name, what, _)| it.name == *name && it.what.contains(what))
    };
    mutants.retain(|it| !is_alike(it));
    mutants
}

/// What can be wrong with a rule: what was done, and the rule.
fn changes(file: &str, rule: &Value) -> Vec<(String, Value)> {
    let expression = text(rule, "expr");
    let pieces = tokens(&expression);
    let mut changes = Vec::new();
    let mut compares = file == "thresholds";
    for (at, piece) in pieces.iter().enumerate() {
        let by = match *piece {
            Token::Comparison(comparison) => {
                compares = true;
                turned(comparison).to_owned()
            }
            Token::Number(number) if compares => {
                compares = false;
                let number: f64 = number.parse().unwrap();
                if number == 0.0 { "100".to_owned() } else { (number * 100.0).to_string() }
            }
            Token::Other(blank) if blank.trim().is_empty() => continue,
            Token::Name("bool") => continue,
            _ => {
                compares = false;
                continue;
            }
        };
        let mut wrong = rule.clone();
        let expression = replaced(&pieces, at, &by);
        let line = expression.split_whitespace().collect::<Vec<_>>().join(" ");
        wrong["expr"] = json!(expression);
        changes.push((format!("{piece:?} is {by}: {line}"), wrong));
    }
    if rule.get("for").is_some() {
        let mut wrong = rule.clone();
        wrong.as_object_mut().unwrap().remove("for");
        changes.push(("without for".to_owned(), wrong));
    }
    changes
}

fn turned(comparison: &str) -> &'static str {
    match comparison {
        ">" => "<",
        "<" => ">",
        "==" => "!=",
        "!=" => "==",
        ">=" => "<=",
        _ => ">=",
    }
}

/// The metrics that a rule reads and its own name, as they are called in tests.
fn metrics(expression: &str, name: &str) -> BTreeSet<String> {
    let mut metrics = BTreeSet::from([name.to_owned()]);
    for token in tokens(expression) {
        if let Token::Name(name) = token {
            let in_tests: &[&str] = match name {
                "up" => &["gone"],
                "farandole_ready" => &["lacks", "all_lack"],
                name => &[name],
            };
            metrics.extend(in_tests.iter().map(ToString::to_string));
        }
    }
    metrics
}

/// Otherwise all would be seen.
#[test]
fn rules_as_they_are_make_no_test_fail() {
    for file in test_files() {
        let changed = if file == "baselines" { "saga" } else { &file };
        let directory = written(changed, &yaml(&rules().join(format!("{changed}.yml"))));
        let count = AtomicUsize::new(0);
        let first = |_: &Value| count.fetch_add(1, Ordering::Relaxed) < 2;
        assert!(!fails(&directory.path().join("tests"), &file, &first), "{file}");
    }
}

/// The metrics that the rules read that read this.
fn users(name: &str) -> BTreeSet<String> {
    let mut users = BTreeSet::new();
    for file in rule_files() {
        for rule in rules_of(&yaml(&rules().join(format!("{file}.yml")))) {
            let expression = text(rule, "expr");
            if expression.contains(&format!("scalar({name})")) {
                users.extend(metrics(&expression, name));
            }
        }
    }
    users
}

/// Whether some test fails: first those about what the rule reads, which mostly does, then all.
fn is_seen(mutant: &Mutant) -> bool {
    let directory = written(&mutant.file, &mutant.rules);
    let tests = directory.path().join("tests");
    // Its own tests before those of others.
    let mut files = test_files();
    files.sort_by_key(|file| *file != mutant.file);
    let near = |test: &Value| is_about(test, mutant);
    let far = |test: &Value| !is_about(test, mutant);
    files.iter().any(|file| fails(&tests, file, &near))
        || files.iter().any(|file| fails(&tests, file, &far))
}

/// A directory with all rules, one file of which is this, and a place for tests.
fn written(changed: &str, as_it_is: &Value) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let tests = directory.path().join("tests");
    fs::create_dir(&tests).unwrap();
    for file in rule_files() {
        let path = format!("{file}.yml");
        if file == changed {
            fs::write(directory.path().join(path), as_it_is.to_string()).unwrap();
        } else {
            fs::copy(rules().join(&path), directory.path().join(&path)).unwrap();
        }
    }
    fs::copy(rules().join("tests/fleet.yml"), tests.join("fleet.yml")).unwrap();
    directory
}

/// Whether a test names the alert, or gives what the rule reads.
fn is_about(test: &Value, mutant: &Mutant) -> bool {
    let series = test["input_series"].as_array().into_iter().flatten();
    let mut names = series.map(|it| text(it, "series"));
    let gives = names.any(|it| mutant.metrics.contains(it.split('{').next().unwrap_or_default()));
    let expected = test["promql_expr_test"].to_string();
    gives || expected.contains(&format!("alertname=\\\"{}\\\"", mutant.name))
}

/// Whether one of these tests of a file fails.
fn fails(directory: &Path, file: &str, which: &dyn Fn(&Value) -> bool) -> bool {
    let mut whole = yaml(&rules().join(format!("tests/{file}.yml")));
    whole["tests"].as_array_mut().unwrap().retain(which);
    // A few at a time: most often the first sees it.
    let tests = whole["tests"].as_array().unwrap().clone();
    tests.chunks(3).any(|some| {
        whole["tests"] = json!(some);
        fs::write(directory.join("some.yml"), whole.to_string()).unwrap();
        let output = promtool(directory, &["test", "rules", "some.yml"]);
        let said = said(&output);
        assert!(output.status.success() || said.contains("got:"), "{said}");
        !output.status.success()
    })
}
