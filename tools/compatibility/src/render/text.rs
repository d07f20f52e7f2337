use super::{checked, counts};
use crate::check::Report;
use crate::finding::Finding;
use crate::rule::Verdict;

/// For a terminal: the findings, the worst last, and then how many there are. Notes are only counted
/// unless `with_notes`.
pub fn text(report: &Report, with_notes: bool) -> String {
    let mut blocks: Vec<String> = report
        .findings
        .iter()
        .rev()
        .filter(|finding| with_notes || finding.verdict != Verdict::Note)
        .map(block)
        .collect();
    if !report.order.is_empty() && !report.is_broken() {
        let steps = (1..).zip(&report.order).map(|(at, step)| format!("  {at}. {step}"));
        blocks.push(format!("deploy in this order:\n{}", steps.collect::<Vec<_>>().join("\n")));
    }
    let verdict = if report.is_broken() { "✘" } else { "✔" };
    blocks.push(format!("{verdict} {}\n  checked: {}", counts(report), checked(report)));
    blocks.join("\n\n")
}

fn block(finding: &Finding) -> String {
    let Finding { rule, verdict, path, what, why, mend, .. } = finding;
    let mut lines = vec![format!("{:<7} {rule}  {path}: {what}", verdict.word())];
    let mut push = |line: String| lines.push(format!("        {line}"));
    if let Some(place) = &finding.place {
        push(format!("at {}:{}", place.file, place.line));
    }
    for user in &finding.users {
        let at = user.place.as_ref().map(|place| format!(" at {}:{}", place.file, place.line));
        let uses = if user.uses.is_empty() { String::new() } else { format!(" ({})", user.uses) };
        push(format!("{} reads it{}{uses}", user.service, at.unwrap_or_default()));
    }
    push(format!("why:  {why}"));
    if let Some(reason) = &finding.accepted {
        push(format!("accepted: {reason}"));
        return lines.join("\n");
    }
    push(format!("mend: {mend}"));
    if let Some(paste) = &finding.paste {
        push(format!("      {paste}"));
    }
    if *verdict != Verdict::Note {
        push(format!("or accept it for a while, in {}:", crate::tree::ACCEPTED));
        finding.acceptance().lines().for_each(|line| push(format!("      {line}")));
    }
    lines.join("\n")
}
