//! What whoever is called reads, and where it leads.

use std::collections::BTreeSet;
use std::fs;

use crate::files::{alerts, root, rules, text, yaml};

/// Where the runbook is for who reads an alert: all alerts have it from here.
const RUNBOOK: &str = "https://github.com/farandole/farandole/blob/main/docs/operations.md#";

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
fn all_alerts() -> Vec<serde_json::Value> {
    let optional = yaml(&rules().join("../optional/exporters.yml"));
    let optional = crate::files::rules_of(&optional).cloned();
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
