//! That each rule is needed, and told.

use std::collections::BTreeSet;

use compatibility::{Rule, Rules};

use crate::{cases, kit::Question, states};

#[test]
fn without_a_rule_something_is_not_found() {
    let questions: Vec<(String, Question)> = cases::all()
        .iter()
        .map(|case| (case.name.to_owned(), case.question()))
        .chain(states::all().into_iter().map(|state| (state.name.to_owned(), state.question)))
        .collect();
    let found: Vec<Vec<String>> =
        questions.iter().map(|(_, question)| question.found(Rules::all())).collect();
    let mut needless: BTreeSet<Rule> = Rule::ALL.iter().copied().collect();
    for rule in Rule::ALL {
        let rules = Rules::all().without(*rule);
        let differs = |((_, question), found): (&(String, Question), &Vec<String>)| {
            question.found(rules.clone()) != *found
        };
        if questions.iter().zip(&found).any(differs) {
            needless.remove(rule);
        }
    }
    assert!(needless.is_empty(), "no case would miss {needless:?}");
}
