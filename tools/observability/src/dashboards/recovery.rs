//! Recovery: what went wrong, what became of it, and what waits for somebody.

use super::colour::{Colour, Colours, STEPS};
use super::panel::{Column, Dashboard, Panel, Row, Unit};
use super::query::{decisions, deploys, differences, letters, looked, stuck};

pub(super) const UID: &str = "farandole-recovery";

/// What waits for somebody, and what became of what went wrong?
pub(super) fn dashboard(colours: &Colours) -> Dashboard {
    Dashboard {
        uid: UID,
        title: "Recovery",
        description: "What waits for somebody, and what became of what went wrong?",
        variables: Vec::new(),
        since: "24h",
        marks: vec![decisions(), deploys()],
        rows: vec![
            Row::sentence(sentence()),
            Row::new("Dead letters", 7, dead_letters(colours)),
            Row::new("Missing events, and what is tried again", 7, gaps_and_retries(colours)),
            Row::new("Waiting for somebody", 7, waiting()),
            Row::new("Does it add up?", 7, audits()),
        ],
    }
}

fn sentence() -> Vec<Panel> {
    vec![
        Panel::stat("Dead letters open", "Records that were given up: farandole dlq list.")
            .good_below(1.0, Colour::Ticket)
            .query("letters", letters()),
        Panel::stat("The oldest", "How long the oldest of them has waited for somebody.")
            .unit(Unit::Seconds)
            .good_below(86_400.0, Colour::Ticket)
            .query("age", looked("letters", "max(farandole_dead_letters_open_age_seconds)")),
        Panel::stat("Events lost", "Events that a topic does not have: farandole gaps.")
            .good_below(1.0, Colour::Page)
            .query("events", r#"sum(max by (job) (farandole_gaps{verdict="lost"})) or vector(0)"#),
        Panel::stat(
            "Orders stuck",
            "Orders that wait for what does not come by itself: farandole orders stuck.",
        )
        .good_below(1.0, Colour::Page)
        .query("orders", stuck()),
        Panel::stat(
            "Calls held",
            "Calls that are not made: parked by an operator, or given up. farandole calls list.",
        )
        .good_below(1.0, Colour::Notable)
        .query("calls", "sum(max by (step, held) (farandole_effects_held)) or vector(0)"),
        Panel::stat("Broken books", "What the audit says must hold and does not: farandole audit.")
            .good_below(1.0, Colour::Page)
            .query("violations", "max(farandole_audit_violations)"),
    ]
}

fn dead_letters(colours: &Colours) -> Vec<Panel> {
    vec![
        Panel::stacked("Open, by service", "They go when somebody redrives or discards them.")
            .width(8)
            .query("{{service}}", "max by (service) (farandole_dead_letters_open)")
            .colours(colours.services()),
        Panel::lines("The oldest, by service", "How long it has waited for somebody.")
            .unit(Unit::Seconds)
            .width(8)
            .query("{{service}}", "max by (service) (farandole_dead_letters_open_age_seconds)")
            .colours(colours.services()),
        Panel::table(
            "Given up in the time shown",
            "By the service that gave them up and the topic that they came from. farandole dlq list \
             tells the causes.",
            &[
                Column { label: "job", title: "Service" },
                Column { label: "topic", title: "Topic" },
            ],
        )
        .width(8)
        .column(
            "Letters",
            Unit::Count,
            "round(sum by (job, topic) (increase(farandole_dead_letters_total[$__range]))) > 0",
        ),
        Panel::table(
            "Open now, by event",
            "By the service that gave them up and the event's type; other is what names none that the \
             service reads.",
            &[
                Column { label: "service", title: "Service" },
                Column { label: "type", title: "Event" },
            ],
        )
        .width(8)
        .column(
            "Letters",
            Unit::Count,
            "max by (service, type) (farandole_dead_letters_open_by_type) > 0",
        ),
        Panel::table(
            "What became of the others",
            "Of all letters that are still in their topics: put back, put back and dead again, or discarded.",
            &[
                Column { label: "service", title: "Service" },
                Column { label: "became", title: "Became" },
            ],
        )
        .width(8)
        .column(
            "Letters",
            Unit::Count,
            "max by (service, became) (farandole_dead_letters_handled) > 0",
        ),
        Panel::table(
            "Operations",
            "What operators have done, of all time. Open is what goes on, or was interrupted: the same \
             command goes on with it.",
            &[
                Column { label: "kind", title: "Operation" },
                Column { label: "state", title: "State" },
            ],
        )
        .width(8)
        .column("Operations", Unit::Count, "max by (kind, state) (farandole_operations_logged) > 0"),
    ]
}

fn gaps_and_retries(colours: &Colours) -> Vec<Panel> {
    vec![
        Panel::stacked(
            "Missing events",
            "Numbers that are missing in sagas' streams. Waiting ones are searched for; dead ones are \
             dead letters; acknowledged ones an operator has seen to.",
        )
        .width(6)
        .query("{{verdict}}", "sum by (verdict) (max by (job, verdict) (farandole_gaps))")
        .colours([
            ("waiting", Colour::Notable),
            ("lost", Colour::Page),
            ("dead", Colour::Ticket),
            ("acknowledged", Colour::Faint),
        ]),
        Panel::table(
            "How missing events turned out",
            "In the time shown, by service.",
            &[
                Column { label: "job", title: "Service" },
                Column { label: "outcome", title: "Outcome" },
            ],
        )
        .width(6)
        .column(
            "Events",
            Unit::Count,
            "round(sum by (job, outcome) (increase(farandole_gaps_total[$__range]))) > 0",
        ),
        Panel::lines("Retries a minute", "How often something that failed is tried again.")
            .unit(Unit::PerMinute)
            .width(6)
            .query(
                "{{job}}",
                "60 * sum by (job) (rate(farandole_retries_total[$__rate_interval]))",
            )
            .colours(colours.services()),
        Panel::lines("Retry queue: the oldest", "How long it has been tried.")
            .unit(Unit::Seconds)
            .width(6)
            .query("{{job}}", "max by (job) (farandole_retry_queue_age_seconds)")
            .colours(colours.services()),
    ]
}

fn waiting() -> Vec<Panel> {
    vec![
        Panel::table(
            "Orders that are stuck",
            "By whose move it is, and what it waits for.",
            &[
                Column { label: "service", title: "Whose move" },
                Column { label: "awaits", title: "Waits for" },
            ],
        )
        .width(6)
        .column("Orders", Unit::Count, "max by (service, awaits) (farandole_orders_stuck) > 0"),
        Panel::table(
            "Calls that are held",
            "Nobody makes them until an operator says so.",
            &[
                Column { label: "step", title: "Call" },
                Column { label: "held", title: "Held" },
            ],
        )
        .width(6)
        .column("Calls", Unit::Count, "max by (step, held) (farandole_effects_held) > 0"),
        Panel::lines("Open calls: the oldest", "How long it has had no known outcome.")
            .unit(Unit::Seconds)
            .width(6)
            .query("{{step}}", "max by (step) (farandole_effects_age_seconds)")
            .colours(STEPS),
        Panel::table(
            "What operators decided",
            "In the time shown, and what came of it. farandole dlq log tells who, and why.",
            &[Column { label: "outcome", title: "Outcome" }],
        )
        .width(6)
        .column(
            "Decisions",
            Unit::Count,
            r#"round(sum by (outcome) (increase(farandole_operations_total{outcome!="ignored"}[$__range]))) > 0"#,
        ),
    ]
}

fn audits() -> Vec<Panel> {
    vec![
        Panel::states(
            "Looks from outside",
            "Whether what looks at the brokers, the databases and the services could do so. What it \
             cannot see, nobody knows.",
        )
        .state(0, "could not look", Colour::Ticket)
        .state(1, "looked", Colour::Good)
        .width(6)
        .query("{{look}}", "max by (look) (farandole_look_success)"),
        Panel::lines(
            "What does not add up",
            "Violated books, and differences between what services declare and what they say.",
        )
        .width(6)
        .query("violations", "max(farandole_audit_violations)")
        .query("differences", differences())
        .colours([("violations", Colour::Other(0)), ("differences", Colour::Other(1))]),
        Panel::lines("Since the last audit", "Above four hours somebody should see why.")
            .unit(Unit::Seconds)
            .width(6)
            .query("age", "time() - max(farandole_audit_last_success_timestamp_seconds)"),
        Panel::table(
            "What is not to happen",
            "How often it did, in the time shown, by service.",
            &[Column { label: "job", title: "Service" }, Column { label: "what", title: "What" }],
        )
        .width(6)
        .column("Times", Unit::Count, not_to_happen()),
    ]
}

/// What services count that is not to happen, by a label that says what it is.
fn not_to_happen() -> String {
    let counters = [
        ("events without their schema", "farandole_schema_violations_total"),
        ("events that Kafka refused", "farandole_events_refused_total"),
        ("outcomes of calls refused", "farandole_outcomes_refused_total"),
        ("rights refused", "farandole_auth_failures_total"),
        ("topics made anew", "farandole_topics_made_anew_total"),
        ("what cannot happen", "farandole_broken_invariants_total"),
    ];
    let count = |(what, counter)| {
        let times = format!("sum by (job) (increase({counter}[$__range]))");
        format!(r#"label_replace({times}, "what", "{what}", "", "")"#)
    };
    format!("round({}) > 0", counters.map(count).join(" or "))
}
