//! The saga: the way of orders, how long it takes, and how it ends.

use super::colour::{Colour, Colours, OUTCOMES, REASONS, STAGES};
use super::panel::{Column, Dashboard, Panel, Row, Unit};
use super::query::{Quantiles as _, deploys};
use super::recovery;

pub(super) const UID: &str = "farandole-saga";

/// How far do orders get, how fast, and why not further?
pub(super) fn dashboard(colours: &Colours) -> Dashboard {
    Dashboard {
        uid: UID,
        title: "Saga",
        description: "How far do orders get, how fast, and why not further?",
        variables: Vec::new(),
        since: "1h",
        marks: vec![deploys()],
        rows: vec![
            Row::sentence(sentence()),
            Row::new("The way of orders", 8, way(colours)),
            Row::new("How long it takes", 9, durations()),
            Row::new("In flight", 7, in_flight()),
            Row::new("Undone and too late", 7, undone()),
        ],
    }
}

fn sentence() -> Vec<Panel> {
    vec![
        Panel::stat("Placed an hour", "Orders that customers placed, as of the last five minutes.")
            .unit(Unit::PerHour)
            .query("orders", "3600 * sum(rate(farandole_orders_placed_total[5m]))"),
        Panel::stat(
            "Completed",
            "The share of orders that ended in the last five minutes with a parcel.",
        )
        .unit(Unit::Share)
        .max(1.0)
        .base(Colour::Notable)
        .above(0.8, Colour::Good)
        .query(
            "completed",
            r#"sum(rate(farandole_orders_total{outcome="completed"}[5m])) / (sum(rate(farandole_orders_total[5m])) > 0)"#,
        )
        .nothing("none ended"),
        Panel::stat("Half end within", "From placed to completed, as of the last five minutes.")
            .unit(Unit::Seconds)
            .query("half within", ended_within("0.5"))
            .nothing("none ended"),
        Panel::stat("99 of 100 end within", "The same for all but the slowest hundredth.")
            .unit(Unit::Seconds)
            .query("99 of 100 within", ended_within("0.99"))
            .nothing("none ended"),
        Panel::stat("In flight", "Orders that were placed and have not ended yet.")
            .query("orders", "sum(max by (stage) (farandole_orders_open))"),
        Panel::stat(
            "Oldest in flight",
            "How long ago the oldest order was placed that has not ended. An order that is not paid \
             for ends by its deadline.",
        )
        .unit(Unit::Seconds)
        .good_below(10.0, Colour::Notable)
        .query("age", "max(farandole_orders_open_age_seconds)"),
    ]
}

fn ended_within(share: &str) -> String {
    format!(
        "histogram_quantile({share}, sum by (le) \
         (rate(farandole_order_duration_seconds_bucket{{outcome=\"completed\"}}[5m]))) >= 0"
    )
}

fn way(colours: &Colours) -> Vec<Panel> {
    let said = |events: &str| {
        format!(
            "sum by (type) \
             (rate(farandole_events_published_total{{type=~\"{events}\"}}[$__rate_interval]))"
        )
    };
    vec![
        Panel::lines(
            "Stages",
            "How many orders come by each stage. All lines run together, a little lower at each; \
             where one falls off, orders stop there.",
        )
        .unit(Unit::PerSecond)
        .width(8)
        .query(
            "{{type}}",
            said(
                "OrderPlaced|StockReserved|PaymentCharged|OrderConfirmed|ShipmentCreated|OrderCompleted",
            ),
        )
        .colours(colours.events()),
        Panel::stacked("How orders end", "Orders that were completed and cancelled.")
            .unit(Unit::PerSecond)
            .width(8)
            .query(
                "{{outcome}}",
                "sum by (outcome) (rate(farandole_orders_total[$__rate_interval]))",
            )
            .colours(OUTCOMES),
        Panel::stacked(
            "Why orders are cancelled",
            "Cancelled orders a minute, by their reason. Those that timed out are not the customer's \
             wish.",
        )
        .unit(Unit::PerMinute)
        .width(8)
        .query(
            "{{reason}}",
            r#"60 * sum by (reason) (rate(farandole_orders_total{outcome="cancelled"}[$__rate_interval]))"#,
        )
        .colours(REASONS),
    ]
}

fn durations() -> Vec<Panel> {
    vec![
        Panel::lines("From placed to completed", "How long orders take that end well.")
            .unit(Unit::Seconds)
            .width(6)
            .quantiles(r#"farandole_order_duration_seconds{outcome="completed"}"#),
        Panel::heatmap(
            "From placed to completed, each",
            "How many orders took how long; a second band is a group of orders with a fate of its own.",
        )
        .width(9)
        .nothing("nothing to measure")
        .query(
            "{{le}}",
            r#"sum by (le) (increase(farandole_order_duration_seconds_bucket{outcome="completed"}[$__rate_interval]))"#,
        ),
        Panel::bars(
            "The slowest steps: 95 of 100 within",
            "From when an event was written until what follows from it is committed in a service, \
             as of the last five minutes.",
        )
        .unit(Unit::Seconds)
        .width(9)
        .query(
            "{{type}} → {{job}}",
            "topk(8, histogram_quantile(0.95, sum by (le, type, job) \
             (rate(farandole_event_delay_seconds_bucket[5m]))) >= 0)",
        )
        .nothing("no events"),
    ]
}

fn in_flight() -> Vec<Panel> {
    vec![
        Panel::stacked("In flight, by stage", "Where orders are that have not ended.")
            .width(6)
            .query("{{stage}}", "max by (stage) (farandole_orders_open)")
            .colours(STAGES),
        Panel::lines("The oldest, by stage", "How long ago the oldest order of each stage was placed.")
            .unit(Unit::Seconds)
            .width(6)
            .query("{{stage}}", "max by (stage) (farandole_orders_open_age_seconds)")
            .colours(STAGES),
        Panel::lines(
            "Late, and overdue",
            "Late: in flight for more than ten seconds. Overdue: past the deadline, and not decided; \
             there should be none.",
        )
        .width(6)
        .query("late", "max(farandole_orders_open_late)")
        .query("overdue", "max(farandole_orders_overdue) > 0")
        .colours([("late", Colour::Notable), ("overdue", Colour::Page)]),
        Panel::lines("From placed to confirmed", "How long it takes until an order is paid for.")
            .unit(Unit::Seconds)
            .width(6)
            .quantiles("farandole_order_confirmation_seconds"),
    ]
}

fn undone() -> Vec<Panel> {
    vec![
        Panel::table(
            "Ways that orders went",
            "How the orders ended that ended in the time shown, and their shares.",
            &[
                Column { label: "outcome", title: "Outcome" },
                Column { label: "reason", title: "Reason" },
            ],
        )
        .width(8)
        .column("Orders", Unit::Count, ended())
        .column(
            "Share",
            Unit::Share,
            format!("{} / on () group_left () (sum({}) > 0)", ended(), ended()),
        ),
        Panel::table(
            "To be undone",
            "Cancelled orders for which the event that undoes what was done is still missing.",
            &[Column { label: "event", title: "Missing" }],
        )
        .width(8)
        .column("Orders", Unit::Count, "max by (event) (farandole_compensations_open)")
        .column("The oldest", Unit::Seconds, "max by (event) (farandole_compensation_age_seconds)")
        .see(recovery::UID),
        Panel::lines(
            "Deadlines that passed",
            "Orders a minute that nobody paid for in time, and that were cancelled for it.",
        )
        .unit(Unit::PerMinute)
        .width(8)
        .query(
            "timed_out",
            r#"60 * sum(rate(farandole_orders_total{reason="timed_out"}[$__rate_interval]))"#,
        )
        .colours(REASONS),
    ]
}

/// The orders that ended in the time shown.
fn ended() -> &'static str {
    "round(sum by (outcome, reason) (increase(farandole_orders_total[$__range])))"
}
