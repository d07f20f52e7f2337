use jiff::Timestamp;

use crate::age::ago;
use crate::print::{Line, Weight};
use crate::status::{Calls, Facts, Health, Seen, Service, Verdict, waited};

/// How wide the columns are: name, answer, what it has read.
const NAME: usize = 14;
const ANSWER: usize = 12;
const READ: usize = 28;

/// What an operator reads: a sentence, a line per service, what is wrong and what to do.
pub(super) fn render(facts: &Facts, verdict: &Verdict) -> Vec<Line> {
    let summary = if verdict.is_well() { Weight::Strong } else { Weight::Alarm };
    let mut lines = vec![Line::default().and(summary, verdict.summary()), Line::default()];
    lines.extend(facts.services.iter().map(service));
    lines.extend(orders(facts));
    if !verdict.findings.is_empty() {
        lines.extend([
            Line::default(),
            Line::default().and(Weight::Strong, "What is wrong, and what to do:"),
        ]);
    }
    for finding in &verdict.findings {
        let head = Line::plain("  - ").and(Weight::Strong, finding.sentence());
        lines.push(head);
        lines.extend(finding.next.iter().map(|next| Line::plain(format!("      {next}"))));
    }
    lines.extend(section("Also:", &verdict.notes));
    lines.extend(section("Not seen:", &verdict.unknown));
    lines
}

fn section(title: &str, items: &[String]) -> Vec<Line> {
    if items.is_empty() {
        return Vec::new();
    }
    let items = items.iter().map(|item| Line::default().and(Weight::Faint, format!("  - {item}")));
    [Line::default(), Line::default().and(Weight::Faint, title)].into_iter().chain(items).collect()
}

fn service(service: &Service) -> Line {
    let (weight, answer) = match &service.health {
        Health::Ready { .. } => (Weight::Plain, "ready"),
        Health::NotReady { .. } => (Weight::Alarm, "not ready"),
        Health::Silent { .. } => (Weight::Alarm, "no answer"),
        Health::Away { .. } => (Weight::Alarm, "not there"),
        Health::Odd { .. } => (Weight::Alarm, "not it"),
    };
    let mut line = Line::plain(format!("  {:<NAME$}", service.name));
    line = line.and(weight, format!("{answer:<ANSWER$}"));
    let (weight, read) = read(service);
    line = line.and(weight, format!("{read:<READ$}"));
    let open = open(service);
    if open.is_empty() {
        let said = if service.database.known().is_some() { "nothing open" } else { "" };
        return line.and(Weight::Faint, said);
    }
    line.and(Weight::Plain, open.join(", "))
}

/// How far it has read.
fn read(service: &Service) -> (Weight, String) {
    let Some(group) = service.group.known() else {
        return (Weight::Faint, "reading unknown".to_owned());
    };
    let weight = if group.members == 0 { Weight::Alarm } else { Weight::Plain };
    match (group.members, group.unread, group.unread_since) {
        (0, 0, _) => (weight, "nobody reads".to_owned()),
        (_, 0, _) => (Weight::Faint, "has read everything".to_owned()),
        (0, unread, Some(since)) => (weight, format!("nobody reads, {unread} for {}", ago(since))),
        (0, unread, None) => (weight, format!("nobody reads, {unread} wait")),
        (_, unread, Some(since)) if is_old(since) => {
            (Weight::Strong, format!("{unread} unread for {}", ago(since)))
        }
        (_, unread, _) => (Weight::Faint, format!("{unread} unread")),
    }
}

/// What is on its way is no news.
fn is_old(since: Timestamp) -> bool {
    Timestamp::now().duration_since(since).as_secs() >= 5
}

/// What is open in its database, of what is not always so.
fn open(service: &Service) -> Vec<String> {
    let Some(database) = service.database.known() else {
        return service
            .database
            .reason()
            .map(|_| "database not seen".to_owned())
            .into_iter()
            .collect();
    };
    let mut open = Vec::new();
    if let Some(outbox) = database.outbox.known()
        && let Some(since) = outbox.since
        && is_old(since)
    {
        open.push(format!("{} to publish for {}", outbox.events, ago(since)));
    }
    if let Some(queue) = database.retries.known()
        && queue.failing() > 0
    {
        open.push(format!("{} tried again", queue.failing()));
    }
    for calls in database.calls.known().into_iter().flatten() {
        let Calls { step, open: all, followed, since, .. } = calls;
        if all > followed {
            let since =
                since.filter(|since| is_old(*since)).map(|since| format!(" for {}", ago(since)));
            let since = since.unwrap_or_default();
            open.push(format!("{} to {step}{since}", all - followed));
        }
        if *followed > 0 {
            open.push(format!("{followed} {step} followed"));
        }
    }
    if let Some(gaps) = database.gaps.known().filter(|gaps| !gaps.is_empty()) {
        open.push(format!("{} missing", gaps.len()));
    }
    open
}

fn orders(facts: &Facts) -> Vec<Line> {
    let Seen::Known(orders) = &facts.orders else { return Vec::new() };
    let mut reasons: Vec<(&String, &i64)> = orders.cancelled.iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let cancelled: i64 = orders.cancelled.values().sum();
    let reasons: Vec<String> =
        reasons.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    let reasons =
        if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join(", ")) };
    let said = format!(
        "{} completed, {cancelled} cancelled{reasons} in the last {} min",
        orders.completed,
        orders.within_s / 60
    );
    let mut lines = vec![
        Line::default(),
        Line::plain(format!("  {:<NAME$}", "orders")).and(Weight::Plain, said),
    ];
    if orders.timed_out() > 0 {
        let waited = waited(&orders.lapsed_waiting_for);
        let waited = waited.trim_start_matches(", ");
        let said = format!("  {:<NAME$}timed out: {waited}", "");
        lines.push(Line::default().and(Weight::Faint, said));
    }
    lines
}
