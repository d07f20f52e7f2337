use std::fmt::Write as _;

use farandole_cli::stuck::{Awaited, Filter, Stuck, StuckOrder, Work};

use crate::age::{ago, within};

/// What an operator reads.
pub(super) fn render(stuck: &Stuck, filter: Filter) -> String {
    let mut text = String::new();
    for order in &stuck.orders {
        text.push_str(&of_order(order));
        text.push('\n');
    }
    let Stuck { orders, more } = stuck;
    let all = orders.len() + more;
    let summary = match filter {
        Filter::Order(_) if all == 0 => "Nothing is awaited for this order.".to_owned(),
        Filter::OlderThan(_) if all == 0 => "No order hangs.".to_owned(),
        _ if *more == 0 => format!("{all} {} on. Next: see above.", hang(all)),
        _ => format!(
            "{all} {} on; {more} of them are not shown. Next: see above, or --limit {all}.",
            hang(all)
        ),
    };
    text + &summary
}

fn hang(orders: usize) -> &'static str {
    if orders == 1 { "order does not go" } else { "orders do not go" }
}

fn of_order(order: &StuckOrder) -> String {
    let reason = order.cancel_reason.as_ref().map(|reason| format!(": {reason}"));
    let mut text = format!(
        "{} {}{} for {}, placed at {:.0}\n",
        order.order_id,
        order.status,
        reason.unwrap_or_default(),
        ago(order.since),
        order.placed_at
    );
    for work in &order.services {
        let head = format!("  {:<12} ", work.service);
        for (index, line) in lines(work).into_iter().enumerate() {
            let start = if index == 0 { &head } else { "               " };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{start}{line}");
        }
    }
    text
}

fn lines(work: &Work) -> Vec<String> {
    let mut lines: Vec<String> = work.awaits.iter().map(awaited).collect();
    if work.awaits.is_empty() {
        lines.push("also has open:".to_owned());
    }
    lines.extend(work.unpublished.iter().map(|event| format!("not published: {event}")));
    lines.extend(work.parked.iter().map(|parked| {
        let event = parked.event.as_deref().unwrap_or("a record without a type");
        let when = if parked.dead {
            "given up, goes to the dead letters".to_owned()
        } else {
            format!("again {}", within(parked.due_at))
        };
        let behind = match parked.behind {
            0 => String::new(),
            behind => format!(", {behind} more behind it"),
        };
        let error = because(parked.last_error.as_deref());
        format!("parked: {event}, tried {} times, {when}{behind}{error}", parked.attempts)
    }));
    lines.extend(work.calls.iter().map(|call| {
        let error = because(call.last_error.as_deref());
        format!(
            "call: {} for {}, tried {} times, again {}{error}",
            call.step,
            ago(call.since),
            call.attempts,
            within(call.due_at)
        )
    }));
    lines.extend(work.missing.iter().map(|gap| {
        let (source, number, words) = (&gap.source, gap.sequence, gap.verdict.words());
        format!("missing: number {number} of {source} for {}, {words}", ago(gap.since))
    }));
    lines.extend(work.dead_letters.iter().map(|letter| {
        let event = letter.event.as_deref().unwrap_or("a record without a type");
        format!("dead letter: {event}, {}{}", letter.id, because(letter.last_error.as_deref()))
    }));
    lines.extend(work.next.iter().map(|next| format!("next: {next}")));
    lines
}

fn awaited(awaited: &Awaited) -> String {
    match awaited {
        Awaited::Event { event, from } => format!("awaits {event} from {from}"),
        Awaited::Call { step } => format!("awaits the outcome of the call {step}"),
        Awaited::Deadline => "is to cancel it: its deadline has passed".to_owned(),
        Awaited::Unclear => "has nothing to wait for".to_owned(),
    }
}

fn because(error: Option<&str>) -> String {
    // On one line, whatever an error quotes.
    error.map_or_else(String::new, |error| format!(": {}", error.escape_debug()))
}
