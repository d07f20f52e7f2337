//! The tests of the rules: what fires when, and what does not.

use std::collections::BTreeSet;
use std::thread;

use crate::files::{alerts, rule_files, rules, test_files, text, yaml};
use crate::tools::{promtool, said};

#[test]
fn the_rules_are_such_as_prometheus_takes() {
    for file in rule_files() {
        let output = promtool(&rules(), &["check", "rules", &format!("{file}.yml")]);
        assert!(output.status.success(), "{}", said(&output));
    }
    let optional = rules().join("../optional");
    let output = promtool(&optional, &["check", "rules", "exporters.yml"]);
    assert!(output.status.success(), "{}", said(&output));
}

/// Several at once: one takes up to a minute, of one processor.
#[test]
fn each_alert_fires_when_it_should_and_only_then() {
    let directory = rules().join("tests");
    let ran = thread::scope(|scope| {
        let tests = test_files().into_iter();
        let tests = tests.map(|file| {
            let file = format!("{file}.yml");
            let directory = &directory;
            scope.spawn(move || promtool(directory, &["test", "rules", &file]))
        });
        let tests: Vec<_> = tests.collect();
        tests.into_iter().map(|test| test.join().unwrap()).collect::<Vec<_>>()
    });
    let failed: String = ran.iter().filter(|it| !it.status.success()).map(said).collect();
    assert!(failed.is_empty(), "{failed}");
}

/// Whether it fires at the right moment is for each test to say.
#[test]
fn there_is_no_alert_without_a_test_in_which_it_fires() {
    let mut expected = String::new();
    for file in test_files() {
        let tests = yaml(&rules().join(format!("tests/{file}.yml")));
        for test in tests["tests"].as_array().unwrap() {
            expected += &test["promql_expr_test"].to_string();
        }
    }
    let fires = |name: &str, severity: &str| {
        expected.contains(&format!("{{alertname=\\\"{name}\\\", severity=\\\"{severity}\\\""))
            || expected.contains(&format!("alertname=\\\"{name}\\\", alertstate=\\\"firing\\\""))
    };
    let untried: BTreeSet<String> = alerts()
        .iter()
        .map(|(_, alert)| (text(alert, "alert"), text(&alert["labels"], "severity")))
        .filter(|(name, severity)| !fires(name, severity))
        .map(|(name, severity)| format!("{name} ({severity})"))
        .collect();
    assert_eq!(untried, BTreeSet::new());
}
