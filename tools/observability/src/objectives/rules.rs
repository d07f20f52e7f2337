//! The rules of the objectives, as Prometheus reads them.
//!
//! By how fast a budget burns, as the SRE workbook has it: a page where in an hour a fiftieth of the budget
//! of 28 days goes (14.4 times as fast as it may), or in six hours a twentieth (6 times), and a ticket
//! where in a day or three a tenth. The short window lets an alert end soon after its cause.

use std::fmt::Write as _;

use super::table::{Objective, Sli};

/// Where the chapter is that says what to do.
const RUNBOOK: &str = "https://github.com/farandole/farandole/blob/main/docs/operations.md#the-budget-of-an-objective-burns";
/// Where the console shows each service.
const CONSOLE: &str = "http://localhost:8080/services";

/// Windows that are counted by the services' own counters.
const SHORT: [&str; 5] = ["5m", "30m", "1h", "2h", "6h"];
/// Windows that are summed up from what was counted in five minutes each: they reach back far.
const LONG: [&str; 3] = ["1d", "3d", "28d"];

/// How fast a budget burns, and for how long.
struct Burn {
    factor: &'static str,
    long: &'static str,
    short: &'static str,
    /// For so long after an alert about a cause the burn is that cause's: as long as the short window
    /// remembers it.
    explained: &'static str,
}

/// Two pairs of windows, and what they ask for.
struct Alert {
    severity: &'static str,
    /// For so long the cause of it may need to be known.
    wait: &'static str,
    burns: [Burn; 2],
    /// What goes before it.
    unless: &'static str,
}

const ALERTS: [Alert; 2] = [
    Alert {
        severity: "page",
        wait: "2m",
        burns: [
            Burn { factor: "14.4", long: "1h", short: "5m", explained: "10m" },
            Burn { factor: "6", long: "6h", short: "30m", explained: "35m" },
        ],
        unless: "",
    },
    Alert {
        severity: "ticket",
        wait: "15m",
        burns: [
            Burn { factor: "3", long: "1d", short: "2h", explained: "130m" },
            Burn { factor: "1", long: "3d", short: "6h", explained: "370m" },
        ],
        unless: "\n            unless on (objective, service) ALERTS{alertname=\"BudgetBurns\", severity=\"page\"}",
    },
];

const HEAD: &str = "\
# Made by make docs from the table of objectives (tools/observability): change that, and not this.
#
# Of each objective, the share that was bad per window, what is left of its budget of 28 days, and alerts by how
# fast that burns: two windows each, so that an alert neither comes by a moment's trouble nor stays long
# after it.
# - Where little is counted there is no alert: more than 1 / budget in the long window, so that one bad order
#   of a night's three calls nobody.
# - While somebody is called for a cause (`explains` in presence.yml), and as long after it as the short
#   window remembers it, there is none either: there is one alert for one cause. What the budget has lost by
#   that is in objective:budget:left.
groups:
";

/// The file.
pub(super) fn rules(objectives: &[&Objective]) -> String {
    let mut text = HEAD.to_owned();
    states(&mut text);
    for objective in objectives {
        match objective.sli {
            Sli::Events { bad, total, open } => events(&mut text, objective, bad, total, open),
            Sli::Time { bad } => time(&mut text, objective, bad),
        }
        alerts(&mut text, objective);
    }
    text
}

/// What several objectives need.
fn states(text: &mut String) {
    text.push_str(
        "  - name: farandole-objectives
    rules:
      # Each sample says of a moment whether the service was late, or did not answer.
      - record: objective:late
        expr: |
          label_replace(
            group by (job) (farandole:missing) or (farandole:lag_seconds > bool 10),
            \"service\", \"$1\", \"job\", \"(.+)\"
          )
      # Somebody is called, or about to be, for what makes orders late; and, for messages, for what keeps those.
      - record: objective:explained
        expr: group(ALERTS{explains=~\"delays|budgets\", service!=\"notification\"})
      - record: objective:explained:messages
        expr: group(ALERTS{explains!=\"\"})
",
    );
}

fn group(text: &mut String, name: &str, interval: Option<&str>) {
    let _ = writeln!(text, "\n  - name: farandole-objective-{name}");
    if let Some(interval) = interval {
        let _ = writeln!(text, "    interval: {interval}");
    }
    text.push_str("    rules:\n");
}

fn record(text: &mut String, objective: &Objective, name: &str, expression: &str) {
    let labels = labels(objective);
    let _ = writeln!(
        text,
        "      - record: {name}\n        expr: {expression}\n        labels: {{ {labels} }}"
    );
}

fn labels(objective: &Objective) -> String {
    let service = objective.service.map_or(String::new(), |it| format!(", service: {it}"));
    format!("objective: {}{service}", objective.name)
}

/// The series of an objective.
fn selector(objective: &Objective) -> String {
    format!("{{objective=\"{}\"}}", objective.name)
}

fn events(text: &mut String, objective: &Objective, bad: &str, total: &str, open: Option<&str>) {
    let (name, of) = (objective.name, selector(objective));
    // Before there is any, the gauge may be missing.
    let open_now = format!("(sum(objective:open{of}) or vector(0))");
    let and_open = |count: String| match open {
        Some(_) => format!("({count}) + {open_now}"),
        None => count,
    };
    group(text, name, None);
    let _ = writeln!(text, "      # {} % of: {}", objective.percent, objective.promise);
    if let Some(open) = open {
        record(text, objective, "objective:open", open);
    }
    for window in SHORT {
        let count = |query: &str| and_open(query.replace("WINDOW", window));
        counted(text, objective, window, &count(bad), &count(total));
    }
    group(text, &format!("{name}-long"), Some("5m"));
    let five = |query: &str| query.replace("WINDOW", "5m");
    record(text, objective, "objective:bad:increase5m", &five(bad));
    record(text, objective, "objective:total:increase5m", &five(total));
    for window in LONG {
        let count = |what: &str| {
            and_open(format!("sum(sum_over_time(objective:{what}:increase5m{of}[{window}]))"))
        };
        counted(text, objective, window, &count("bad"), &count("total"));
    }
    left(text, objective);
}

/// How many were bad in a window, how many there were, and the share; there is none of nothing.
fn counted(text: &mut String, objective: &Objective, window: &str, bad: &str, total: &str) {
    let of = selector(objective);
    record(text, objective, &format!("objective:bad:{window}"), bad);
    record(text, objective, &format!("objective:total:{window}"), total);
    let ratio = format!("objective:bad:{window}{of} / (objective:total:{window}{of} > 0)");
    record(text, objective, &format!("objective:bad_ratio:{window}"), &ratio);
}

fn time(text: &mut String, objective: &Objective, bad: &str) {
    group(text, objective.name, None);
    let _ = writeln!(text, "      # {} % of: {}", objective.percent, objective.promise);
    for window in SHORT {
        let ratio = format!("avg by (service) (avg_over_time({bad}[{window}]))");
        record(text, objective, &format!("objective:bad_ratio:{window}"), &ratio);
    }
    group(text, &format!("{}-long", objective.name), Some("5m"));
    for window in LONG {
        let ratio = format!("avg by (service) (avg_over_time({bad}[{window}]))");
        record(text, objective, &format!("objective:bad_ratio:{window}"), &ratio);
    }
    left(text, objective);
}

/// What is left of the budget: 1 all of it, 0 nothing, and less where more was bad than may be.
fn left(text: &mut String, objective: &Objective) {
    let (of, budget) = (selector(objective), objective.budget);
    let expression = format!("1 - objective:bad_ratio:28d{of} / {budget}");
    record(text, objective, "objective:budget:left", &expression);
}

fn alerts(text: &mut String, objective: &Objective) {
    group(text, &format!("{}-alerts", objective.name), None);
    for alert in &ALERTS {
        let burns: Vec<String> =
            alert.burns.iter().map(|it| burns(objective, it, alert.unless)).collect();
        let Alert { severity, wait, .. } = alert;
        let service = objective.service.map_or(String::new(), |it| format!(", service: {it}"));
        let page = objective.service.unwrap_or("{{ $labels.service }}");
        let whose = objective.service.map_or(" by {{ $labels.service }}", |_| "");
        let Objective { name, promise, percent, .. } = objective;
        let _ = write!(
            text,
            "      - alert: BudgetBurns
        expr: |
          {}
        for: {wait}
        labels: {{ severity: {severity}, objective: {name}{service} }}
        annotations:
          summary: \"The budget of {name} burns{whose}\"
          description: >-
            Promised for {percent} %: {promise}. Lately {{{{ humanizePercentage $value }}}} were not so, and no other
            alert says why. Going on like that, the budget of 28 days is used up {}.
          runbook_url: \"{RUNBOOK}\"
          console_url: \"{CONSOLE}/{page}\"
",
            burns.join("\n          or\n          "),
            if *severity == "page" { "within days" } else { "before they are over" },
        );
    }
}

/// One pair of windows: bad in both, enough counted, and nothing that explains it.
fn burns(objective: &Objective, burn: &Burn, unless: &str) -> String {
    let (of, budget) = (selector(objective), objective.budget);
    let Burn { factor, long, short, explained } = burn;
    let enough = match objective.sli {
        Sli::Events { .. } => format!("objective:total:{long}{of} > 1 / {budget}"),
        // By time there is always enough, once it was looked for half as long.
        Sli::Time { .. } => format!("objective:bad_ratio:{short}{of} offset {short}"),
    };
    let explains = if objective.tells_customers {
        "objective:explained:messages"
    } else {
        "objective:explained"
    };
    format!(
        "\
(
            objective:bad_ratio:{long}{of} > {factor} * {budget}
            and objective:bad_ratio:{short}{of} > {factor} * {budget}
            and {enough}
            unless on () max_over_time({explains}[{explained}]){unless}
          )"
    )
}
