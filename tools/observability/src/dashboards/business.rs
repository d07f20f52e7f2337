//! Business: orders and money.

use super::colour::{Colour, Colours, OUTCOMES, REASONS};
use super::panel::{Dashboard, Panel, Row, Unit};
use super::query::{Quantiles as _, deploys};

pub(super) const UID: &str = "farandole-business";

/// What comes in, what becomes of it, and where is the money?
pub(super) fn dashboard(_: &Colours) -> Dashboard {
    Dashboard {
        uid: UID,
        title: "Business",
        description: "What comes in, what becomes of it, and where is the money?",
        variables: Vec::new(),
        since: "24h",
        marks: vec![deploys()],
        rows: vec![
            Row::sentence(sentence()),
            Row::new("Orders", 8, orders()),
            Row::new("Money", 8, money()),
            Row::new("What customers feel", 8, customers()),
            Row::new("Stock", 8, stock()),
        ],
    }
}

fn sentence() -> Vec<Panel> {
    vec![
        Panel::stat("Orders an hour", "Orders placed in the last hour.")
            .unit(Unit::PerHour)
            .query("orders", "kpi:orders:per_hour"),
        Panel::stat(
            "Placed and completed",
            "The share of what ended in the last hour that ended well.",
        )
        .unit(Unit::Share)
        .max(1.0)
        .base(Colour::Notable)
        .above(0.8, Colour::Good)
        .query("completed", "kpi:completed:ratio")
        .nothing("none ended"),
        Panel::stat(
            "Value placed an hour",
            "What orders of the last hour come to, in each currency.",
        )
        .unit(Unit::Money)
        .query("{{currency}}", "kpi:order_value_minor:per_hour / 100")
        .nothing("no orders"),
        Panel::stat("Declined", "The share of payments in the last hour that were declined.")
            .unit(Unit::Share)
            .max(1.0)
            .query("declined", "kpi:declined:ratio")
            .nothing("no payments"),
        Panel::stat(
            "Money in limbo",
            "Paid for, and neither shipped nor refunded: confirmed orders in flight, and refunds that \
             are not known yet.",
        )
        .unit(Unit::Money)
        .query("{{currency}}", "kpi:limbo_minor / 100")
        .nothing("none"),
        Panel::stat("Refunds to come", "Cancelled orders whose customers wait for their money.")
            .query("refunds", r#"max(farandole_compensations_open{event="PaymentRefunded"})"#),
    ]
}

fn orders() -> Vec<Panel> {
    vec![
        Panel::lines("Orders an hour", "Placed, and how they end.")
            .unit(Unit::PerHour)
            .width(8)
            .query("placed", "3600 * sum(rate(farandole_orders_placed_total[$__rate_interval]))")
            .query(
                "{{outcome}}",
                "3600 * sum by (outcome) (rate(farandole_orders_total[$__rate_interval]))",
            )
            .colours(OUTCOMES),
        Panel::stacked("Why orders are cancelled", "Cancelled orders an hour, by their reason.")
            .unit(Unit::PerHour)
            .width(8)
            .query(
                "{{reason}}",
                r#"3600 * sum by (reason) (rate(farandole_orders_total{outcome="cancelled"}[$__rate_interval]))"#,
            )
            .colours(REASONS),
        Panel::lines(
            "Placed and completed",
            "The share of the orders that ended which ended well.",
        )
        .unit(Unit::Share)
        .max(1.0)
        .width(8)
        .base(Colour::Good)
        .query("completed", share_now(r#"{outcome="completed"}"#))
        .nothing("none ended"),
    ]
}

/// The share of such orders in those that ended around a point.
fn share_now(such: &str) -> String {
    format!(
        "sum(rate(farandole_orders_total{such}[$__rate_interval])) / \
         (sum(rate(farandole_orders_total[$__rate_interval])) > 0)"
    )
}

fn money() -> Vec<Panel> {
    vec![
        Panel::lines("Value placed an hour", "What orders come to, in each currency.")
            .unit(Unit::Money)
            .width(6)
            .base(Colour::Good)
            .query(
                "{{currency}}",
                "36 * sum by (currency) (rate(farandole_order_value_minor_total[$__rate_interval]))",
            ),
        Panel::lines("Charged and refunded an hour", "What went from customers, and back to them.")
            .unit(Unit::Money)
            .width(6)
            .query(
                "{{currency}} {{outcome}}",
                "36 * sum by (currency, outcome) (rate(farandole_payments_minor_total[$__rate_interval]))",
            ),
        Panel::lines(
            "In flight",
            "What orders come to that have not ended; those confirmed are paid for, and in limbo until \
             the parcel goes.",
        )
        .unit(Unit::Money)
        .width(6)
        .query(
            "{{currency}} {{stage}}",
            r#"max by (currency, stage) (farandole_orders_open_value_minor{stage!="shipped_ahead"}) / 100"#,
        ),
        Panel::lines(
            "What an order comes to",
            "The value placed in a currency, by all orders placed: with one currency it is the average \
             basket.",
        )
        .unit(Unit::Money)
        .width(6)
        .base(Colour::Good)
        .nothing("no orders")
        .query(
            "{{currency}}",
            "sum by (currency) (rate(farandole_order_value_minor_total[$__rate_interval])) / 100 / \
             on () group_left () (sum(rate(farandole_orders_placed_total[$__rate_interval])) > 0)",
        ),
    ]
}

fn customers() -> Vec<Panel> {
    let because = |reason: &str| share_now(&format!(r#"{{reason="{reason}"}}"#));
    vec![
        Panel::lines(
            "Not sold",
            "Shares of the orders that ended: those whose payment was declined, what was not in \
             stock, and where the deadline passed.",
        )
        .unit(Unit::Share)
        .width(8)
        .query("payment_failed", because("payment_failed"))
        .query("out_of_stock", because("out_of_stock"))
        .query("timed_out", because("timed_out"))
        .nothing("none ended")
        .colours(REASONS),
        Panel::lines("Until the order is confirmed", "From placed to confirmed.")
            .unit(Unit::Seconds)
            .width(8)
            .quantiles("farandole_order_confirmation_seconds"),
        Panel::lines("Until the money is back", "From intending a refund until it is known.")
            .unit(Unit::Seconds)
            .width(8)
            .quantiles(r#"farandole_effect_completion_seconds{step="refund"}"#),
        Panel::lines(
            "Lost to deadlines an hour",
            "What orders came to that nobody paid for in time; reckoned by what an order comes to.",
        )
        .unit(Unit::Money)
        .width(8)
        .base(Colour::Ticket)
        .query("{{currency}}", "kpi:lapsed_minor:per_hour / 100")
        .nothing("no orders"),
        Panel::lines(
            "At the first go",
            "The share of orders that needed no second try, no operator and no search, at least.",
        )
        .unit(Unit::Share)
        .width(8)
        .max(1.0)
        .base(Colour::Good)
        .query("at the first go", "kpi:first_pass:ratio")
        .nothing("none ended"),
        Panel::lines("Not told", "Customers an hour whom no mail reached.")
            .unit(Unit::PerHour)
            .width(8)
            .base(Colour::Notable)
            .query(
                "not told",
                r#"3600 * sum(rate(farandole_events_published_total{type="NotificationFailed"}[$__rate_interval]))"#,
            ),
    ]
}

fn stock() -> Vec<Panel> {
    vec![
        Panel::lines(
            "Pieces reserved",
            "Set aside for orders, and neither shipped nor released: nobody else can have them.",
        )
        .width(12)
        .query("pieces", "max(farandole_stock_reserved_pieces)"),
        Panel::lines(
            "The oldest reservation",
            "How long ago the order was placed that has had pieces for the longest. It is not to be much \
             older than an order may be.",
        )
        .unit(Unit::Seconds)
        .width(12)
        .query("age", "max(farandole_stock_reserved_age_seconds)"),
    ]
}
