use graph::{Difference, Edge, EdgeKind, Finding, Graph, Observed};

use crate::age::ago;
use crate::print::{Line, Weight};
use crate::table::table;

/// Who says what to whom: a row for each event and who reads it.
pub(super) fn graph(graph: Graph<'_>) -> String {
    let edges = graph.edges();
    let mut before = None;
    let rows = edges.iter().map(|edge| {
        // What the row above says as well is not said again.
        let event = (edge.from, edge.event);
        let (from, event) =
            if before.replace(event) == Some(event) { ("", "") } else { (edge.from, edge.event) };
        row(from, event, edge)
    });
    let rows = table(["FROM", "EVENT", "TO", "LEADS TO", "WITHIN"], rows);
    let services = graph.services().len();
    let owners: std::collections::BTreeSet<&str> =
        graph.services().iter().map(|it| it.owner.as_str()).filter(|it| !it.is_empty()).collect();
    let teams = owners.into_iter().collect::<Vec<_>>().join(", ");
    format!(
        "{rows}\n\n{services} services, of {teams}. \"!\" is a failure, \"<\" undoes something."
    )
}

fn row(from: &str, event: &str, edge: &Edge<'_>) -> [String; 5] {
    let mark = match edge.kind {
        EdgeKind::Forward => "",
        EdgeKind::Failure => "! ",
        EdgeKind::Undoing => "< ",
    };
    let event = if event.is_empty() { String::new() } else { format!("{mark}{event}") };
    let leads_to = match (&edge.leads_to[..], edge.undoes) {
        ([], Some(undoes)) => format!("(undoes {undoes})"),
        (led, _) => led.join(", "),
    };
    let within = match edge.within_s {
        Some(within_s) => format!("{within_s} s"),
        None if edge.may_linger && !edge.leads_to.is_empty() => "any time".to_owned(),
        None => String::new(),
    };
    [from.to_owned(), event, edge.to.unwrap_or("-").to_owned(), leads_to, within]
}

/// What is wrong, and what to do.
pub(super) fn findings(findings: &[Finding], observed: Option<&Observed>) -> Vec<Line> {
    let mut lines = Vec::new();
    for Finding { check, what, mend, .. } in findings {
        lines.push(Line::plain(""));
        lines.push(
            Line::default()
                .and(Weight::Alarm, check.name())
                .and(Weight::Plain, format!("  {what}")),
        );
        lines.push(Line::plain(format!("  {mend}")));
    }
    lines.push(Line::plain(""));
    lines.push(Line::plain(match findings.len() {
        0 => "Every saga ends, and what was done for one that fails is undone.".to_owned(),
        number => format!("{number} findings."),
    }));
    if let Some(observed) = observed {
        let (wrong, notes): (Vec<&Difference>, Vec<&Difference>) =
            observed.differences.iter().partition(|it| it.is_wrong());
        lines.extend(wrong.into_iter().flat_map(difference));
        lines.push(Line::plain(""));
        let note = |it: &Difference| {
            let accepted = it.accepted.iter().map(|why| format!(" Accepted: {why}."));
            format!("{:<3}  {}{}", it.rule, it.what, accepted.collect::<String>())
        };
        lines.extend(notes.into_iter().map(|it| Line::default().and(Weight::Faint, note(it))));
        lines.extend(summary(observed));
    }
    lines
}

/// Something that is wrong, with where and since when, and what to do.
fn difference(difference: &Difference) -> Vec<Line> {
    let Difference { rule, what, since, times, examples, mend, .. } = difference;
    let head = Line::default().and(Weight::Alarm, format!("{rule:<3}"));
    let mut lines = vec![Line::plain(""), head.and(Weight::Plain, format!("  {what}"))];
    let mut seen = Vec::new();
    if !examples.is_empty() {
        seen.push(if *times == 1 { "once".to_owned() } else { format!("{times} times") });
    }
    seen.extend(since.map(|since| format!("since {} ago", ago(since))));
    seen.extend(examples.iter().map(|it| {
        let id = it.id.map(|id| format!(" {id}")).unwrap_or_default();
        format!("{}/{}/{}{id}", it.topic, it.partition, it.offset)
    }));
    if !seen.is_empty() {
        lines.push(Line::default().and(Weight::Faint, format!("     {}", seen.join(", "))));
    }
    lines.push(Line::plain(format!("     {mend}")));
    lines
}

fn summary(observed: &Observed) -> Vec<Line> {
    let Observed { records, differences, left_out } = observed;
    let wrong = differences.iter().filter(|it| it.is_wrong()).count();
    let mut lines = vec![Line::plain("")];
    lines.extend(left_out.iter().map(|what| Line::default().and(Weight::Faint, what)));
    lines.push(Line::plain(match wrong {
        0 => format!("{records} records: the dance is as declared."),
        number => format!("{records} records: the dance is not as declared, in {number} ways."),
    }));
    lines
}
