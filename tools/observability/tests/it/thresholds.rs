//! What alerts compare with.

use std::collections::BTreeSet;

use crate::files::{rule_files, rules, rules_of, text, yaml};

/// The name within `scalar(…)`, wherever there is one.
fn scalars(expression: &str) -> impl Iterator<Item = &str> {
    expression.split("scalar(").skip(1).map(|rest| rest.split(')').next().unwrap_or_default())
}

/// A threshold that is not there makes a comparison false for ever.
#[test]
fn each_threshold_that_is_used_is_there_and_each_that_is_there_is_used() {
    let file = yaml(&rules().join("thresholds.yml"));
    let there: BTreeSet<String> = rules_of(&file).map(|rule| text(rule, "record")).collect();
    let mut used = BTreeSet::new();
    for file in rule_files() {
        let file = yaml(&rules().join(format!("{file}.yml")));
        for rule in rules_of(&file) {
            used.extend(scalars(&text(rule, "expr")).map(str::to_owned));
        }
    }
    assert_eq!(used, there);
}
