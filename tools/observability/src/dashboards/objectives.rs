//! What was promised, and how much of what may go wrong is left.

use declarations::Fleet;

use super::colour::Colour;
use super::panel::{Column, Dashboard, Panel, Row, Unit};
use super::query::{decisions, deploys};
use super::{recovery, saga};
use crate::objectives::{OBJECTIVES, Objective};

pub(super) const UID: &str = "farandole-objectives";

/// Is what was promised kept, and what used up what may go wrong?
pub(super) fn dashboard(fleet: &Fleet) -> Dashboard {
    let objectives: Vec<&Objective> = OBJECTIVES.iter().filter(|it| it.is_of(fleet)).collect();
    let of = objectives.iter().map(|it| left(it)).chain([invariants()]);
    Dashboard {
        uid: UID,
        title: "Objectives",
        description: "Is what was promised kept, and what used up what may go wrong?",
        variables: Vec::new(),
        since: "7d",
        marks: vec![deploys(), decisions()],
        rows: vec![
            Row::new("What is left of the budgets of 28 days", 4, of.collect()),
            Row::new("Hour by hour", 9, hours(&objectives)),
            Row::new("In numbers", 10, numbers(&objectives)),
            Row::new("What used up the budgets, in the time shown", 6, causes()),
        ],
    }
}

/// An objective's name as a title.
fn title(objective: &Objective) -> String {
    let words = objective.name.replace('-', " ");
    let (first, rest) = words.split_at(1);
    first.to_uppercase() + rest
}

/// What is left of an objective's budget; of the service that has the least, if each has its own.
fn left(objective: &Objective) -> Panel {
    let Objective { name, promise, percent, .. } = objective;
    Panel::stat(
        title(objective),
        format!(
            "Promised for {percent} %: {promise}. This much of what may go wrong in 28 days is left; \
             below zero the promise is broken, by as much again at least where it is -100 %."
        ),
    )
    .unit(Unit::Share)
    .width(3)
    .base(Colour::Ticket)
    .above(0.0, Colour::Notable)
    .above(0.25, Colour::Good)
    .nothing("nothing to count")
    .query("left", format!(r#"clamp_min(min(objective:budget:left{{objective="{name}"}}), -1)"#))
}

/// What has no budget: it is not to happen at all.
fn invariants() -> Panel {
    let violations = "max(farandole_audit_violations)";
    let lost = r#"(sum(max by (job) (farandole_gaps{verdict="lost"})) or vector(0))"#;
    let broken = "(sum(increase(farandole_broken_invariants_total[1d])) or vector(0))";
    Panel::stat(
        "Lost or broken",
        "Events that are lost, books that do not add up, and what cannot happen and did, of the last \
         day. That there is none is promised for 100 %.",
    )
    .width(3)
    .good_below(1.0, Colour::Page)
    .query("lost or broken", format!("{violations} + {lost} + {broken}"))
    .see(recovery::UID)
}

/// How many times as fast as it may an objective's budget burns.
fn burn(objective: &Objective, window: &str) -> String {
    let Objective { name, budget, .. } = objective;
    format!(r#"max(objective:bad_ratio:{window}{{objective="{name}"}}) / {budget}"#)
}

fn hours(objectives: &[&Objective]) -> Vec<Panel> {
    let burns = Panel::states(
        "The worst hours",
        "How fast each budget burned, in the hour before: 1 is as fast as it may, over all 28 days. \
         Six times as fast for hours, or fourteen for one, calls somebody.",
    )
    .base(Colour::Good)
    .above(1.0, Colour::Notable)
    .above(6.0, Colour::Ticket)
    .above(14.4, Colour::Page)
    .nothing("nothing to count");
    let burns = objectives.iter().fold(burns, |panel, it| panel.query(title(it), burn(it, "1h")));
    let left = Panel::lines("What was left", "How each budget went down, and recovered.")
        .unit(Unit::Share)
        .max(1.0)
        .nothing("nothing to count")
        .colours(objectives.iter().enumerate().map(|(at, it)| (title(it), Colour::Other(at))));
    let left = objectives.iter().fold(left, |panel, it| {
        let expr = format!(r#"min(objective:budget:left{{objective="{}"}})"#, it.name);
        panel.query(title(it), expr)
    });
    vec![burns, left]
}

fn numbers(objectives: &[&Objective]) -> Vec<Panel> {
    let burning = Panel::bars(
        "How fast they burn now",
        "In the last hour; 1 is as fast as a budget may burn, over all 28 days.",
    )
    .width(9)
    .base(Colour::Good)
    .above(1.0, Colour::Notable)
    .above(6.0, Colour::Ticket)
    .above(14.4, Colour::Page)
    .nothing("nothing to count");
    let burning =
        objectives.iter().fold(burning, |panel, it| panel.query(title(it), burn(it, "1h")));
    vec![
        Panel::table(
            "What was bad",
            "Shares of what was counted, by how far one looks back.",
            &[
                Column { label: "objective", title: "Objective" },
                Column { label: "service", title: "Service" },
            ],
        )
        .width(15)
        .column("In the last hour", Unit::Share, bad("1h"))
        .column("In six hours", Unit::Share, bad("6h"))
        .column("In three days", Unit::Share, bad("3d"))
        .column("In 28 days", Unit::Share, bad("28d"))
        .column("Left", Unit::Share, "min by (objective, service) (objective:budget:left)")
        .nothing("nothing to count"),
        burning,
    ]
}

fn bad(window: &str) -> String {
    format!("max by (objective, service) (objective:bad_ratio:{window})")
}

fn causes() -> Vec<Panel> {
    vec![
        Panel::table(
            "Orders not taken",
            "Answers to POST /orders that were ours to give and were none, by status.",
            &[Column { label: "status", title: "Status" }],
        )
        .width(6)
        .column(
            "Answers",
            Unit::Count,
            r#"round(sum by (status) (increase(farandole_http_requests_total{job="order", method="POST", route="/orders", status=~"5.."}[$__range]))) > 0"#,
        ),
        Panel::table(
            "Orders that did not end well",
            "By reason, without what is the customer's or the shelf's.",
            &[Column { label: "reason", title: "Reason" }],
        )
        .width(6)
        .column(
            "Orders",
            Unit::Count,
            r#"round(sum by (reason) (increase(farandole_orders_total{outcome="cancelled", reason!~"out_of_stock|payment_failed|customer_request"}[$__range]))) > 0"#,
        )
        .see(saga::UID),
        Panel::table(
            "Calls that took long",
            "Refunds whose outcome was known after 15 minutes, and mails after 30 seconds.",
            &[Column { label: "step", title: "Call" }],
        )
        .width(6)
        .column("Calls", Unit::Count, slow_calls()),
        Panel::table(
            "Services that were late",
            "The share of the time in which something older than ten seconds was unread, or the service \
             did not answer.",
            &[Column { label: "service", title: "Service" }],
        )
        .width(6)
        .column(
            "Of the time",
            Unit::Share,
            "avg by (service) (avg_over_time(objective:late[$__range])) > 0",
        ),
    ]
}

/// How many calls took longer than was promised, by what was called.
fn slow_calls() -> String {
    let slower = |step: &str, bound: &str| {
        let of = format!(r#"step=~"{step}""#);
        let counted = "sum by (step) (increase(farandole_effect_completion_seconds";
        // Prometheus writes bounds with `.0` from version 3 on.
        format!(
            r#"{counted}_count{{{of}}}[$__range])) - {counted}_bucket{{{of}, le=~"{bound}([.]0)?"}}[$__range]))"#
        )
    };
    format!("round({} or {}) > 0", slower("refund", "900"), slower("mail-.*", "30"))
}
