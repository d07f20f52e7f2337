//! The fleet as a whole: where one begins.

use super::colour::{Colour, Colours, OUTCOMES, QUANTILES, STEPS};
use super::panel::{Column, Dashboard, Panel, Row, Unit};
use super::query::{deploys, differences, letters, quantile, stuck, unanswered};
use super::{recovery, saga, service};

pub(super) const UID: &str = "farandole-fleet";

/// Is all well, and if not, where to look next?
pub(super) fn dashboard(colours: &Colours) -> Dashboard {
    Dashboard {
        uid: UID,
        title: "Fleet",
        description: "Is all well, and if not, where to look next?",
        variables: Vec::new(),
        since: "1h",
        marks: vec![deploys()],
        rows: vec![
            Row::sentence(sentence()),
            Row::new("Who is called, and who is there", 7, presence(colours)),
            Row::new("Orders", 7, orders()),
            Row::new("Services", 7, services(colours)),
            Row::new("What is behind, and what waits", 7, waits(colours)),
            Row::new("The outside", 7, outside()),
        ],
    }
}

fn sentence() -> Vec<Panel> {
    vec![
        Panel::stat("Orders a second", "How many orders customers place.")
            .unit(Unit::PerSecond)
            .query("orders", "sum(rate(farandole_orders_placed_total[$__rate_interval]))")
            .see(saga::UID),
        Panel::stat("In flight", "Orders that were placed and have not ended yet.")
            .query("orders", "sum(max by (stage) (farandole_orders_open))")
            .see(saga::UID),
        Panel::stat("Late", "Orders that have been in flight for longer than ten seconds.")
            .good_below(1.0, Colour::Notable)
            .query("orders", "max(farandole_orders_open_late)")
            .see(saga::UID),
        Panel::stat(
            "Stuck",
            "Orders that wait for something that does not come by itself: farandole orders stuck.",
        )
        .good_below(1.0, Colour::Page)
        .query("orders", stuck())
        .see(recovery::UID),
        Panel::stat(
            "Dead letters open",
            "Records that a service gave up and that nobody has seen to yet: farandole dlq list.",
        )
        .good_below(1.0, Colour::Ticket)
        .query("letters", letters())
        .see(recovery::UID),
        Panel::stat(
            "Differences",
            "What services say to each other and have not declared, or the reverse: farandole graph \
             --observed.",
        )
        .good_below(1.0, Colour::Ticket)
        .query("differences", differences())
        .see(recovery::UID),
    ]
}

fn orders() -> Vec<Panel> {
    let placed =
        r#"farandole_http_request_duration_seconds{job="order", method="POST", route="/orders"}"#;
    let answers = |status: &str| {
        format!(
            "sum(rate(farandole_http_requests_total{{job=\"order\", method=\"POST\", \
             route=\"/orders\", status=~\"{status}\"}}[$__rate_interval])) or vector(0)"
        )
    };
    vec![
        Panel::lines(
            "Orders placed, and how they end",
            "Completed and cancelled together follow placed; where they don't, orders hang.",
        )
        .unit(Unit::PerSecond)
        .width(8)
        .query("placed", "sum(rate(farandole_orders_placed_total[$__rate_interval]))")
        .query("{{outcome}}", "sum by (outcome) (rate(farandole_orders_total[$__rate_interval]))")
        .colours(OUTCOMES)
        .see(saga::UID),
        Panel::stacked(
            "Answers to POST /orders",
            "Taken, refused because of what the client sent, and failed, which is ours.",
        )
        .unit(Unit::PerSecond)
        .width(8)
        .query("failed", answers("5.."))
        .query("refused", answers("4.."))
        .query("taken", answers("2.."))
        .colours([
            ("taken", Colour::Good),
            ("refused", Colour::Notable),
            ("failed", Colour::Page),
        ]),
        Panel::lines(
            "How long POST /orders takes",
            "From the request's arrival to its answer, which is sent after the commit.",
        )
        .unit(Unit::Seconds)
        .width(8)
        .query("half within", quantile("0.5", "", placed))
        .query("99 of 100 within", quantile("0.99", "", placed))
        .nothing("nothing to measure")
        .colours(QUANTILES),
    ]
}

fn presence(colours: &Colours) -> Vec<Panel> {
    let ready = Panel::states(
        "Ready",
        "Whether at least one instance of each service says that it is ready. What is away is not.",
    )
    .state(0, "not ready", Colour::Page)
    .state(1, "ready", Colour::Good);
    let ready = colours.names().fold(ready, |panel, name| {
        let expr = format!(r#"max(farandole_ready{{job="{name}", part="all"}}) or vector(0)"#);
        panel.query(name, expr)
    });
    let alerts = Panel::table(
        "Alerts",
        "What calls somebody: a page now, a ticket this week. The runbook has a chapter for each.",
        &[
            Column { label: "severity", title: "Severity" },
            Column { label: "alertname", title: "Alert" },
            Column { label: "service", title: "Service" },
        ],
    )
    .column("For", Unit::Seconds, alerts())
    .nothing("nobody is called");
    vec![alerts, ready]
}

/// How long ago what fires began. One that always fires tells that rules are evaluated.
fn alerts() -> String {
    let began =
        r#"min by (severity, alertname, service) (ALERTS_FOR_STATE{severity=~"page|ticket"})"#;
    let fires = r#"on (severity, alertname, service) ALERTS{alertstate="firing"}"#;
    let none = r#"0 * absent(ALERTS{alertname="Watchdog"})"#;
    format!(
        r#"time() - {began} and {fires} or label_replace({none}, "alertname", "no rules are evaluated", "", "")"#
    )
}

fn services(colours: &Colours) -> Vec<Panel> {
    vec![
        Panel::lines("Events a second", "What each service reads and processes.")
            .unit(Unit::PerSecond)
            .width(8)
            .query(
                "{{job}}",
                "sum by (job) (rate(farandole_events_consumed_total[$__rate_interval]))",
            )
            .colours(colours.services())
            .see(service::UID),
        Panel::lines(
            "Tries that failed",
            "Records that are tried again or given up, a minute; what is infrastructure's fault is \
             not among them.",
        )
        .unit(Unit::PerMinute)
        .width(8)
        .query(
            "{{job}}",
            "60 * (sum by (job) (rate(farandole_retries_total[$__rate_interval])) + \
             sum by (job) (rate(farandole_dead_letters_total[$__rate_interval])))",
        )
        .colours(colours.services())
        .see(recovery::UID),
        Panel::lines(
            "How long events take: 95 of 100 within",
            "From when an event was written until what follows from it is committed.",
        )
        .unit(Unit::Seconds)
        .width(8)
        .query("{{job}}", quantile("0.95", "job", "farandole_event_delay_seconds"))
        .nothing("nothing to measure")
        .colours(colours.services())
        .see(service::UID),
    ]
}

fn waits(colours: &Colours) -> Vec<Panel> {
    vec![
        Panel::states(
            "Lag",
            "How old the first record is that a service has not read. Above a minute somebody is \
             called.",
        )
        .unit(Unit::Seconds)
        .width(6)
        .base(Colour::Good)
        .above(1.0, Colour::Plain)
        .above(10.0, Colour::Notable)
        .above(60.0, Colour::Page)
        .query(
            "{{job}}",
            "max by (job) (max_over_time(farandole_consumer_lag_seconds[$__rate_interval]))",
        )
        .see(service::UID),
        Panel::lines("Outbox", "Events that are decided and not known to be in Kafka yet.")
            .width(6)
            .query("{{job}}", "max by (job) (farandole_outbox_backlog)")
            .colours(colours.services()),
        Panel::lines(
            "Retry queue",
            "Records that failed and are tried again, and those behind them.",
        )
        .width(6)
        .query("{{job}}", "max by (job) (farandole_retry_queue_records)")
        .colours(colours.services())
        .see(recovery::UID),
        Panel::lines("Open calls", "Charges, refunds, bookings and mails without a known outcome.")
            .width(6)
            .query("{{step}}", "max by (step) (farandole_effects_pending)")
            .colours(STEPS),
    ]
}

fn outside() -> Vec<Panel> {
    vec![
        Panel::states(
            "Circuits",
            "Open: a provider does not answer, and is only probed until it does. Calls wait.",
        )
        .state(0, "closed", Colour::Good)
        .state(1, "half-open", Colour::Notable)
        .state(2, "open", Colour::Page)
        .query("{{step}} {{destination}}", circuits()),
        Panel::lines("How long calls take: 95 of 100 within", "One try, with whatever outcome.")
            .unit(Unit::Seconds)
            .width(6)
            .query("{{step}}", quantile("0.95", "step", "farandole_effect_duration_seconds"))
            .nothing("nothing to measure")
            .colours(STEPS),
        Panel::lines(
            "Calls without an answer",
            "The share of tries after which nobody knows what came of the call.",
        )
        .unit(Unit::Share)
        .width(6)
        .query("{{step}}", unanswered("step"))
        .colours(STEPS),
    ]
}

/// The circuits; of a step that has made no call there is none, and it is closed.
fn circuits() -> &'static str {
    "max by (step, destination) (farandole_effect_circuit_state) or on (step) \
     0 * sum by (step) (farandole_effects_total)"
}
