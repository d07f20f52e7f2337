use std::fmt::Write as _;

use crate::charts::number;

/// A table with a heading, a sentence and a chart; nothing when it has no rows.
pub(super) fn section(title: &str, about: &str, head: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let rule: Vec<&str> = head.iter().map(|_| "---:").collect();
    let mut text = format!("### {title}\n\n{about}\n\n");
    let _ = writeln!(text, "| {} |\n| {} |", head.join(" | "), rule.join(" | "));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

pub(super) fn milliseconds(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { number(value) }
}
