//! Draws what happened to an order: what caused what, who did it, and when.

use console::{Color, Style, measure_text_width, style, truncate_str};
use declarations::SERVICES;
use jiff::Timestamp;
use kafka::ReadEvent;
use kernel::Money;
use serde::Deserialize as _;
use serde_json::Value;
use uuid::Uuid;

use crate::play::Act;

/// One thing that happened.
#[derive(Debug)]
struct Step {
    at: Timestamp,
    who: String,
    what: String,
    detail: String,
    id: Option<Uuid>,
    /// The step that led to it.
    parent: Option<usize>,
}

/// The story as lines of at most `width` columns.
pub(crate) fn draw(acts: &[Act], events: &[ReadEvent], width: usize) -> Vec<String> {
    let steps = steps(acts, events);
    let mut rows = Vec::new();
    branch(&steps, None, "", &mut rows);
    let began = steps.iter().map(|step| step.at).min().unwrap_or_default();
    let breadth = rows.iter().map(|(twig, at)| breadth(twig, &steps[*at])).max().unwrap_or(0);
    let lines = rows.iter().map(|(twig, at)| line(twig, &steps[*at], began, breadth));
    lines.map(|line| truncate_str(&line, width, "…").into_owned()).collect()
}

/// All steps by time, each with its parent: the event that caused it, else the request it came
/// with.
fn steps(acts: &[Act], events: &[ReadEvent]) -> Vec<Step> {
    let mut events: Vec<&ReadEvent> = events.iter().collect();
    events.sort_by_key(|event| event.envelope.time);
    let mut steps: Vec<Step> = acts.iter().map(of_act).collect();
    steps.extend(events.iter().map(|event| of_event(event)));
    for (at, event) in (acts.len()..).zip(events) {
        let cause = event.envelope.causation_id.parse::<Uuid>().ok();
        let caused = |step: &Step| step.id.is_some() && step.id == cause;
        let requested = |act: &Act| act.correlation_id == event.envelope.correlation_id;
        steps[at].parent =
            steps.iter().position(caused).or_else(|| acts.iter().position(requested));
    }
    steps
}

fn of_act(act: &Act) -> Step {
    Step {
        at: act.at,
        who: act.who.to_owned(),
        what: act.what.to_owned(),
        detail: act.answer.clone(),
        id: None,
        parent: None,
    }
}

fn of_event(event: &ReadEvent) -> Step {
    let envelope = &event.envelope;
    Step {
        at: envelope.time,
        who: envelope.source.trim_start_matches('/').to_owned(),
        what: envelope.event_type.clone(),
        detail: detail(&event.payload),
        id: Some(envelope.id),
        parent: None,
    }
}

/// Collects what `parent` led to, each step with the lines that lead to it.
fn branch(steps: &[Step], parent: Option<usize>, stem: &str, rows: &mut Vec<(String, usize)>) {
    let mut children: Vec<usize> =
        (0..steps.len()).filter(|at| steps[*at].parent == parent).collect();
    children.sort_by_key(|at| steps[*at].at);
    let last = children.last().copied();
    for at in children {
        let (twig, stem) = match (parent, Some(at) == last) {
            (None, _) => (String::new(), String::new()),
            (_, false) => (format!("{stem}├─ "), format!("{stem}│  ")),
            (_, true) => (format!("{stem}└─ "), format!("{stem}   ")),
        };
        rows.push((twig, at));
        branch(steps, Some(at), &stem, rows);
    }
}

fn breadth(twig: &str, step: &Step) -> usize {
    measure_text_width(twig) + measure_text_width(&step.what)
}

fn line(twig: &str, step: &Step, began: Timestamp, breadth_max: usize) -> String {
    let elapsed_ms = step.at.duration_since(began).as_millis();
    let mut line = format!(
        "{} ms  {}  {}{}",
        style(format!("{elapsed_ms:>6}")).dim(),
        colour_of(&step.who).apply_to(format!("{:<12}", step.who)),
        style(twig).dim(),
        mood_of(&step.what).apply_to(&step.what),
    );
    if !step.detail.is_empty() {
        line.push_str(&" ".repeat(breadth_max - breadth(twig, step) + 2));
        line.push_str(&style(&step.detail).dim().to_string());
    }
    line
}

/// The services' colours, in their order, and then from the beginning again.
const COLOURS: [Color; 5] = [Color::Blue, Color::Yellow, Color::Green, Color::Magenta, Color::Cyan];

fn colour_of(who: &str) -> Style {
    let place = SERVICES.iter().position(|service| *service == who);
    place.map_or_else(Style::new, |place| Style::new().fg(COLOURS[place % COLOURS.len()]))
}

/// What goes wrong is red, what is undone yellow, and the goal green.
fn mood_of(what: &str) -> Style {
    match what {
        "OrderCompleted" => Style::new().green().bold(),
        "OrderCancelled" => Style::new().red().bold(),
        "StockReleased" | "PaymentRefunded" => Style::new().yellow(),
        _ if what.ends_with("Failed") => Style::new().red(),
        _ => Style::new(),
    }
}

/// What is most worth knowing of a payload, whatever its event.
fn detail(payload: &Value) -> String {
    if let (Some(lines), Some(total)) = (payload["lines"].as_array(), money(&payload["total"])) {
        let lines: Vec<String> =
            lines.iter().map(|line| pieces(&line["quantity"], &line["sku"])).collect();
        return format!("{} for {total}", lines.join(", "));
    }
    if let Some(shortages) = payload["shortages"].as_array() {
        let short = |one: &Value| {
            format!("{} wanted, {} there", pieces(&one["requested"], &one["sku"]), one["available"])
        };
        return shortages.iter().map(short).collect::<Vec<_>>().join("; ");
    }
    money(&payload["amount"])
        .or_else(|| {
            let fields = ["reason", "outcome", "tracking_number"];
            fields.iter().find_map(|field| payload[field].as_str()).map(str::to_owned)
        })
        .unwrap_or_default()
}

fn pieces(quantity: &Value, sku: &Value) -> String {
    format!("{quantity} × {}", sku.as_str().unwrap_or("?"))
}

fn money(money: &Value) -> Option<String> {
    Money::deserialize(money).ok().map(|money| money.to_string())
}

#[cfg(test)]
mod tests {
    use cli::OrderId;
    use console::strip_ansi_codes;
    use contracts::Envelope;
    use serde_json::json;

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + ms).unwrap()
    }

    fn act(ms: i64, what: &'static str, correlation_id: &str) -> Act {
        let correlation_id = correlation_id.to_owned();
        let answer = "201 Created".to_owned();
        Act { at: at(ms), who: "customer", what, answer, correlation_id }
    }

    fn event(ms: i64, name: &str, id: u128, cause: u128, payload: Value) -> ReadEvent {
        let (source, event_type) = name.split_once(' ').unwrap();
        let envelope = Envelope {
            id: Uuid::from_u128(id),
            event_type: event_type.to_owned(),
            source: format!("/{source}"),
            saga: OrderId(Uuid::nil()),
            time: at(ms),
            sequence: 1,
            correlation_id: "c".to_owned(),
            causation_id: Uuid::from_u128(cause).to_string(),
            traceparent: None,
        };
        ReadEvent { envelope, payload }
    }

    fn drawn(acts: &[Act], events: &[ReadEvent], width: usize) -> Vec<String> {
        let lines = draw(acts, events, width);
        lines.iter().map(|line| strip_ansi_codes(line).into_owned()).collect()
    }

    #[test]
    fn what_caused_what_is_drawn_as_a_tree_by_time() {
        let price = json!({"amount": 1500, "currency": "EUR"});
        let placed = json!({"lines": [{"sku": "ribbon", "quantity": 2}], "total": price});
        let events = [
            event(9, "notification CustomerNotified", 4, 3, json!({"outcome": "confirmed"})),
            event(2, "order OrderPlaced", 1, 99, placed),
            event(7, "shipping ShipmentFailed", 5, 3, json!({"reason": "refused"})),
            event(5, "order OrderConfirmed", 3, 1, json!({})),
            event(8, "order OrderCancelled", 6, 5, json!({"reason": "shipment_failed"})),
        ];
        let acts = [act(0, "places", "c"), act(4, "cancels", "d")];
        assert_eq!(
            drawn(&acts, &events, 100),
            [
                "     0 ms  customer      places                      201 Created",
                "     2 ms  order         └─ OrderPlaced              2 × ribbon for 15.00 EUR",
                "     5 ms  order            └─ OrderConfirmed",
                "     7 ms  shipping            ├─ ShipmentFailed     refused",
                "     8 ms  order               │  └─ OrderCancelled  shipment_failed",
                "     9 ms  notification        └─ CustomerNotified   confirmed",
                "     4 ms  customer      cancels                     201 Created",
            ]
        );
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let events = [event(2, "order OrderPlaced", 1, 99, json!({"reason": "x".repeat(200)}))];
        for line in drawn(&[], &events, 60) {
            assert_eq!(measure_text_width(&line), 60, "{line}");
            assert!(line.ends_with('…'));
        }
    }

    #[test]
    fn a_shortage_says_what_is_missing() {
        let short = json!({"sku": "fiddle", "requested": 2, "available": 1});
        assert_eq!(detail(&json!({"shortages": [short]})), "2 × fiddle wanted, 1 there");
    }
}
