//! What whoever is called reads, and where it leads.

use std::collections::BTreeSet;
use std::fs;

use declarations::fleet;
use serde_json::Value;

use crate::expression::{Token, tokens};
use crate::files::{alerts, root, rule_files, rules, rules_of, text, yaml};

/// Where the runbook is for who reads an alert: all alerts have it from here.
const RUNBOOK: &str = "https://github.com/farandole/farandole/blob/main/docs/operations.md#";

/// Where the console is for who reads an alert, unless somebody has put another address there.
const CONSOLE: &str = "http://localhost:8080";

/// The console's pages, but for that of a service.
const PAGES: [&str; 5] = ["/", "/orders", "/dead-letters", "/dance", "/services"];

/// The first chapter about something that goes wrong.
const FIRST: &str = "a-service-is-not-ready";

/// Chapters that no alert leads to, and why.
const OF_THEIR_OWN: [(&str, &str); 1] = [("after-anything", "what ends each of the others")];

/// A heading as GitHub links to it.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
}

/// The chapters of the runbook, in order.
fn chapters() -> Vec<String> {
    let text = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    text.lines().filter_map(|line| line.strip_prefix("## ")).map(anchor).collect()
}

/// Alerts that ship, also those that are not loaded by default.
fn all_alerts() -> Vec<Value> {
    let optional = yaml(&rules().join("../optional/exporters.yml"));
    let optional = rules_of(&optional).cloned();
    alerts().into_iter().map(|(_, alert)| alert).chain(optional).collect()
}

#[test]
fn each_alert_says_what_it_means_and_leads_to_a_chapter() {
    let chapters = chapters();
    for alert in all_alerts() {
        let name = text(&alert, "alert");
        let severity = text(&alert["labels"], "severity");
        assert!(["page", "ticket", "info"].contains(&severity.as_str()), "{name}: {severity}");
        for annotation in ["summary", "description"] {
            let text = text(&alert["annotations"], annotation);
            assert!(!text.trim().is_empty(), "{name} has no {annotation}");
            assert_eq!(text.matches("{{").count(), text.matches("}}").count(), "{name}: {text}");
        }
        let url = text(&alert["annotations"], "runbook_url");
        let chapter = url.strip_prefix(RUNBOOK).unwrap_or_default();
        assert!(chapters.iter().any(|it| it == chapter), "{name}: there is no chapter {url}");
    }
}

/// Whether the console has it is tried on a running one.
#[test]
fn each_alert_leads_to_a_page_of_the_console() {
    for alert in all_alerts() {
        let (name, url) = (text(&alert, "alert"), text(&alert["annotations"], "console_url"));
        let page = url.strip_prefix(CONSOLE).unwrap_or_default();
        let is_service = page.strip_prefix("/services/").is_some_and(|service| {
            let is_label = service.starts_with("{{ $labels.") && service.ends_with(" }}");
            is_label || fleet().service(service).is_some()
        });
        assert!(is_service || PAGES.contains(&page), "{name}: {url:?} is no page of the console");
    }
}

/// Of a label that is not there Prometheus makes nothing, and says nothing.
#[test]
fn an_alert_names_no_label_that_it_does_not_have() {
    let records: Vec<Value> = rule_files()
        .iter()
        .flat_map(|file| {
            let file = yaml(&rules().join(format!("{file}.yml")));
            rules_of(&file).filter(|it| it.get("record").is_some()).cloned().collect::<Vec<_>>()
        })
        .collect();
    for alert in all_alerts() {
        let has = labels(&text(&alert, "expr"), &records);
        let told = format!("{} {}", alert["annotations"], alert["labels"]);
        for (at, before) in told.match_indices("$labels.") {
            let label = &told[at + before.len()..];
            let end = label.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap();
            assert!(
                has.contains(&label[..end]),
                "{} has no {}",
                text(&alert, "alert"),
                &label[..end]
            );
        }
    }
}

/// The labels that the series of an expression have, as far as its text tells: those that it groups by or
/// sets, and those of the recorded series that it reads. What follows `and` and `unless` adds none.
fn labels(expression: &str, records: &[Value]) -> BTreeSet<String> {
    let mut labels = BTreeSet::new();
    let (mut depth, mut left_out, mut groups) = (0, None, false);
    let tokens = tokens(expression);
    for (at, token) in tokens.iter().enumerate() {
        match *token {
            Token::Other("(") => {
                depth += 1;
                groups = tokens[..at].iter().rev().find(|it| **it != Token::Other(" "))
                    == Some(&Token::Name("by"));
            }
            Token::Other(")") => {
                depth -= 1;
                groups = false;
                left_out = left_out.filter(|since| depth >= *since);
            }
            Token::Name("or") => left_out = left_out.filter(|since| depth > *since),
            _ if left_out.is_some() => {}
            Token::Name("and" | "unless") => left_out = Some(depth),
            Token::Name("up") => labels.extend(["job", "instance"].map(str::to_owned)),
            Token::Name(name) if groups => drop(labels.insert(name.to_owned())),
            Token::Name(name) => {
                for record in records.iter().filter(|it| text(it, "record") == name) {
                    labels.extend(
                        record["labels"].as_object().into_iter().flatten().map(|it| it.0.clone()),
                    );
                    labels.extend(self::labels(&text(record, "expr"), records));
                }
            }
            // Such as what label_replace sets.
            Token::Other(quoted) => {
                labels.extend(
                    quoted.strip_prefix('"').and_then(|it| it.strip_suffix('"')).map(str::to_owned),
                );
            }
            _ => {}
        }
    }
    labels
}

#[test]
fn the_labels_of_an_expression_are_those_that_it_groups_by_or_sets() {
    let records = [
        serde_json::json!({ "record": "a:b", "expr": "max by (step) (c)", "labels": { "d": "e" } }),
    ];
    for (expression, expected) in [
        ("max by (job, topic) (x) > 0 unless on (step) a:b", "job topic"),
        ("(sum by (job) (x) and on () a:b) or sum by (part) (x)", "job part"),
        ("a:b > scalar(f:g)", "d step"),
        ("up == 0 and on (job) group by (part) (x)", "instance job"),
    ] {
        let found: Vec<String> = labels(expression, &records).into_iter().collect();
        assert_eq!(found.join(" "), expected, "{expression}");
    }
}

#[test]
fn an_alert_leads_to_each_chapter_about_what_goes_wrong() {
    let led_to: BTreeSet<String> =
        all_alerts().iter().map(|alert| text(&alert["annotations"], "runbook_url")).collect();
    let exempt = |chapter: &String| OF_THEIR_OWN.iter().any(|(it, _)| it == chapter);
    let chapters = chapters();
    let first = chapters.iter().position(|it| it == FIRST).unwrap();
    let nobody_leads_to: Vec<&String> = chapters[first..]
        .iter()
        .filter(|chapter| !led_to.contains(&format!("{RUNBOOK}{chapter}")) && !exempt(chapter))
        .collect();
    assert!(nobody_leads_to.is_empty(), "no alert leads to {nobody_leads_to:?}");
}

/// The table tells all alerts, and no others, as the rules have them.
#[test]
fn the_runbook_lists_all_alerts() {
    let runbook = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    for (_, alert) in alerts() {
        let (name, severity) = (text(&alert, "alert"), text(&alert["labels"], "severity"));
        let url = text(&alert["annotations"], "runbook_url");
        let row = |line: &&str| {
            line.starts_with(&format!("| `{name}` | {severity} |"))
                && line.contains(&format!("(#{})", url.strip_prefix(RUNBOOK).unwrap_or_default()))
        };
        assert!(runbook.lines().any(|line| row(&line)), "{name} ({severity}) is not in the table");
    }
    let names: BTreeSet<String> = alerts().iter().map(|(_, it)| text(it, "alert")).collect();
    let rows = runbook.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    for (name, rest) in
        rows.filter(|(_, rest)| rest.starts_with("page |") || rest.starts_with("ticket |"))
    {
        assert!(names.contains(name), "there is no alert {name}: {rest}");
    }
}
