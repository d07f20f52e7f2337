use std::fmt::Write as _;

use super::{checked, counts};
use crate::check::Report;
use crate::finding::{Finding, User};
use crate::rule::{Rule, Verdict};

/// For a comment on a pull request: what is wrong, and in which order to deploy what is not.
pub fn markdown(report: &Report) -> String {
    let verdict = if report.is_broken() { "✘" } else { "✔" };
    let mut text = format!("### {verdict} Event contracts: {}\n", counts(report));
    let told: Vec<&Finding> =
        report.findings.iter().filter(|finding| finding.verdict != Verdict::Note).collect();
    if !told.is_empty() {
        text.push_str(
            "\n| | rule | where | what, and why | who reads it |\n|---|---|---|---|---|\n",
        );
        for finding in &told {
            let users: Vec<String> = finding.users.iter().map(user).collect();
            let _ = writeln!(
                text,
                "| {} | {} | {} | {}: {} | {} |",
                finding.verdict.word(),
                finding.rule,
                code(&finding.path),
                cell(&finding.what),
                cell(&finding.why),
                users.join("<br>")
            );
        }
        for finding in told.iter().filter(|finding| finding.verdict == Verdict::Broken) {
            text.push_str(&details(finding));
        }
    }
    if !report.order.is_empty() {
        text.push_str("\n**Deploy in this order**\n\n");
        for (at, step) in (1..).zip(&report.order) {
            let _ = writeln!(text, "{at}. {step}");
        }
        if report.is_broken() {
            text.push_str("\nNot before what is broken is mended.\n");
        }
    }
    let notes = report.count(Verdict::Note);
    if notes > 0 {
        text.push_str("\n<details><summary>Notes</summary>\n\n");
        for finding in report.findings.iter().filter(|it| it.verdict == Verdict::Note) {
            let reason = finding
                .accepted
                .as_ref()
                .map_or_else(|| cell(&finding.why), |reason| format!("accepted: {}", cell(reason)));
            let what = cell(&finding.what);
            let _ = writeln!(text, "- {} {}: {what}; {reason}", finding.rule, code(&finding.path));
        }
        text.push_str("\n</details>\n");
    }
    let _ = write!(text, "\nChecked: {}.", checked(report));
    text
}

fn user(user: &User) -> String {
    let place = user.place.as_ref().map(|place| format!(" {}:{}", place.file, place.line));
    cell(&format!("{}{}", user.service, place.unwrap_or_default()))
}

/// How to mend something, folded.
fn details(finding: &Finding) -> String {
    let Finding { rule, path, mend, .. } = finding;
    let paste = finding.paste.as_ref().map(|json| format!("\n```json\n{}\n```\n", fenced(json)));
    format!(
        "\n<details><summary>{rule} {}: how to mend it</summary>\n\n{}.\n{}\nOr accept it for a \
         while, in `{}`:\n\n```toml\n{}\n```\n\n</details>\n",
        cell(path),
        cell(mend),
        paste.unwrap_or_default(),
        crate::tree::ACCEPTED,
        fenced(&finding.acceptance())
    )
}

/// A text in a cell of a table: of the schemas come texts that would be markup otherwise.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => out.push(' '),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '|' | '`' | '*' | '[' | ']' | '\\' | '@' | '#' => {
                // Numbered, for a backslash before it would not stop a mention.
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// A path, which is made of names, as code.
fn code(path: &str) -> String {
    format!("`{}`", path.replace(['`', '\n', '\r'], " ").replace('|', "\\|"))
}

/// A text between fences.
fn fenced(text: &str) -> String {
    text.replace("```", "'''")
}

/// The rules as a table, for the documentation.
pub fn rules_table() -> String {
    let mut text = "| rule | verdict | what | how to mend it |\n|---|---|---|---|\n".to_owned();
    for rule in Rule::ALL {
        let _ =
            writeln!(text, "| {rule} | {} | {} | {} |", rule.verdicts(), rule.title(), rule.mend());
    }
    text
}
