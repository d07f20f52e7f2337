use crate::age::{ago, within};
use crate::outcomes::Outcomes;
use crate::print::one_line;
use crate::stuck::{Awaited, Filter, Group, Orphan, Stuck, StuckOrder, Work};

/// How many orphans are told of.
const ORPHANS_SHOWN: usize = 5;

/// What an operator reads: a summary, then examples.
pub(super) fn render(stuck: &Stuck, lapsed: Option<&Outcomes>, filter: Filter) -> String {
    let mut parts = Vec::new();
    let all = stuck.all();
    parts.push(match filter {
        Filter::Order(_) if stuck.orders.is_empty() => {
            "Nothing is awaited for this order.".to_owned()
        }
        Filter::Order(_) => "1 order does not go on.".to_owned(),
        Filter::Late { .. } if all == 0 => "No order hangs.".to_owned(),
        Filter::Late { .. } => format!("{all} {} on:", hang(all)),
    });
    parts.extend(stuck.groups.iter().map(group));
    parts.extend(lapsed.map(lapses));
    if stuck.settled > 0 {
        parts.push(format!(
            "{} for what was discarded, acknowledged or parked: farandole dlq log",
            waits(stuck.settled)
        ));
    }
    if let Some(from) = stuck.looked_back_to {
        parts.push(format!(
            "Looked back to {from:.0} only, for time was up; --placed-within TIME looks at less."
        ));
    }
    let orphans = stuck.orphans.len() + stuck.orphans_more;
    if orphans > 0 {
        parts.push(format!(
            "{orphans} unknown to the order service, and not undone elsewhere: farandole orders show \
             ORDER"
        ));
        parts.extend(stuck.orphans.iter().take(ORPHANS_SHOWN).map(orphan));
    }
    for order in &stuck.orders {
        parts.push(format!("\n{}", of_order(order)));
    }
    if stuck.more > 0 {
        let more = stuck.more;
        parts.push(format!("\n{more} of them are not shown; --limit {all} shows all."));
    }
    if !stuck.orders.is_empty() {
        parts.push("\nNext: see above; all about one: farandole orders show ORDER".to_owned());
    }
    parts.join("\n")
}

fn hang(orders: usize) -> &'static str {
    if orders == 1 { "order does not go" } else { "orders do not go" }
}

fn waits(orders: usize) -> String {
    if orders == 1 { "1 order waits".to_owned() } else { format!("{orders} orders wait") }
}

fn group(group: &Group) -> String {
    let Group { service, awaits, orders, since, last, example } = group;
    let last = if orders == &1 { String::new() } else { format!(", the last for {}", ago(*last)) };
    format!(
        "  {orders} × {service} {} since {since:.0} ({}{last}), such as {example}",
        awaited(awaits),
        ago(*since),
    )
}

fn lapses(outcomes: &Outcomes) -> String {
    let waited = match outcomes.lapsed_waiting_for.as_slice() {
        [] => String::new(),
        [(one, _)] => format!("; all waited for {one}"),
        several => {
            let parts: Vec<String> =
                several.iter().map(|(cause, count)| format!("{cause} {count}")).collect();
            format!("; they waited for: {}", parts.join(", "))
        }
    };
    format!(
        "Cancelled as timed_out in the last {} min: {}{waited}.",
        outcomes.within_s / 60,
        outcomes.timed_out()
    )
}

fn orphan(orphan: &Orphan) -> String {
    let known: Vec<String> =
        orphan.known_by.iter().map(|(service, status)| format!("{service} {status}")).collect();
    format!("  {} ({})", orphan.order_id, one_line(&known.join(", ")))
}

fn of_order(order: &StuckOrder) -> String {
    let reason = order.cancel_reason.as_ref().map(|reason| format!(": {reason}"));
    let head = format!(
        "{} {}{} for {}, placed at {:.0}",
        order.order_id,
        order.status,
        reason.unwrap_or_default(),
        ago(order.since),
        order.placed_at
    );
    let services = order.services.iter().flat_map(of_service);
    let lines: Vec<String> = std::iter::once(head).chain(services).collect();
    let lines: Vec<_> = lines.iter().map(|line| one_line(line)).collect();
    lines.join("\n")
}

/// What a service has to do with an order, in lines.
pub(super) fn of_service(work: &Work) -> Vec<String> {
    let lines = lines(work).into_iter().enumerate();
    let line = |(at, line)| match at {
        0 => format!("  {:<12} {line}", work.service),
        _ => format!("               {line}"),
    };
    lines.map(line).collect()
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
    error.map_or_else(String::new, |error| format!(": {error}"))
}
