//! What was found, as texts: for people, for pull requests, and for other tools.

mod markdown;
mod sarif;
mod text;

pub use markdown::{markdown, rules_table};
pub use sarif::sarif;
pub use text::text;

use crate::check::Report;
use crate::rule::Verdict;

/// What was checked, in a line.
fn checked(report: &Report) -> String {
    let Report { versions, events, pairs, values, .. } = report;
    format!(
        "{}, {}, {} of versions and readers, {} read in both ways",
        counted(*events, "event"),
        counted(*versions, "version"),
        counted(*pairs, "pair"),
        counted(*values, "value")
    )
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// How many findings of which kind there are, in a line.
fn counts(report: &Report) -> String {
    let accepted = report.findings.iter().filter(|finding| finding.accepted.is_some()).count();
    let mut parts: Vec<String> = [Verdict::Broken, Verdict::Risky, Verdict::Note]
        .into_iter()
        .map(|verdict| (report.count(verdict), verdict.word()))
        .map(|(count, word)| {
            let plural = if word == "note" && count != 1 { "s" } else { "" };
            format!("{count} {word}{plural}")
        })
        .collect();
    if accepted > 0 {
        parts.push(format!("{accepted} of them accepted"));
    }
    parts.join(", ")
}
