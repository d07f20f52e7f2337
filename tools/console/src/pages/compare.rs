//! Two orders beside each other: what one has and the other lacks, and which steps took longer.

use std::collections::BTreeSet;

use askama::Template;
use choreography::Fact;
use jiff::SignedDuration;
use projection::{Order, stage};
use serde_json::{Value, json};

use super::{Frame, short};
use crate::words::{clock, spell};

/// A step takes longer than another's if it is so many times as long.
const LONGER_TIMES: i64 = 3;
/// And by so much.
const LONGER_MS: i64 = 20;

pub(crate) struct Side {
    id: String,
    short: String,
    fate: String,
    placed: String,
}

pub(crate) struct StepRow {
    name: &'static str,
    service: &'static str,
    /// After the order was placed, and after that which it follows from.
    times: [(String, String); 2],
    differs: &'static str,
    state: &'static str,
}

#[derive(Template)]
#[template(path = "compare.html")]
pub(crate) struct ComparePage {
    pub(crate) frame: Frame,
    sentence: String,
    sides: [Side; 2],
    steps: Vec<StepRow>,
}

/// A step of one or both.
struct Pair {
    fact: Fact,
    /// In milliseconds after the order was placed.
    at: [Option<i64>; 2],
    /// In milliseconds after that which it follows from.
    took: [Option<i64>; 2],
}

impl Pair {
    fn differs(&self) -> Option<&'static str> {
        match (self.at, self.took) {
            ([Some(_), None], _) => Some("only in the first"),
            ([None, Some(_)], _) => Some("only in the second"),
            (_, [Some(a), Some(b)]) if a > b * LONGER_TIMES && a - b > LONGER_MS => {
                Some("longer in the first")
            }
            (_, [Some(a), Some(b)]) if b > a * LONGER_TIMES && b - a > LONGER_MS => {
                Some("longer in the second")
            }
            _ => None,
        }
    }
}

fn pairs(orders: [&Order; 2]) -> Vec<Pair> {
    let facts: BTreeSet<Fact> = orders.iter().flat_map(|it| it.said().iter()).collect();
    let at = |order: &Order, fact| {
        let step = order.steps.iter().find(|step| step.fact == fact)?;
        Some(step.at - order.began())
    };
    let took = |order: &Order, fact| order.reactions().find(|(it, _)| *it == fact).map(|it| it.1);
    let mut pairs: Vec<Pair> = facts
        .into_iter()
        .map(|fact| Pair {
            fact,
            at: orders.map(|order| at(order, fact)),
            took: orders.map(|order| took(order, fact)),
        })
        .collect();
    pairs.sort_by_key(|pair| {
        (declarations::fleet().depth(pair.fact.event_type()), pair.at[0].or(pair.at[1]), pair.fact)
    });
    pairs
}

impl ComparePage {
    pub(crate) fn new(frame: Frame, orders: [&Order; 2]) -> Self {
        let pairs = pairs(orders);
        let count = |what: &str| pairs.iter().filter(|it| it.differs() == Some(what)).count();
        let (first, second) = (count("only in the first"), count("only in the second"));
        let longer = count("longer in the first") + count("longer in the second");
        let sentence = match (first + second, longer) {
            (0, 0) => "Both went the same way, and no step took much longer in one.".to_owned(),
            (0, _) => {
                format!("Both went the same way; {}.", steps(longer, "took much longer in one"))
            }
            (apart, 0) => format!("They went apart: {}.", steps(apart, "only one of them has")),
            (apart, _) => format!(
                "They went apart: {}; {}.",
                steps(apart, "only one of them has"),
                steps(longer, "took much longer in one")
            ),
        };
        Self { frame, sentence, sides: orders.map(side), steps: pairs.iter().map(row).collect() }
    }
}

fn steps(count: usize, what: &str) -> String {
    if count == 1 { format!("1 step {what}") } else { format!("{count} steps {what}") }
}

fn side(order: &Order) -> Side {
    let id = order.id.to_string();
    let stage = stage(order.said());
    let reason = order.reason.as_ref().map(|it| format!(": {}", it.replace('_', " ")));
    let began = jiff::Timestamp::from_millisecond(order.began()).unwrap_or_default();
    Side {
        short: short(&id).to_owned(),
        id,
        fate: format!("{}{}", stage.end(), reason.unwrap_or_default()),
        placed: clock(began),
    }
}

fn row(pair: &Pair) -> StepRow {
    let told = |milliseconds: Option<i64>| {
        milliseconds.map_or_else(String::new, |it| spell(SignedDuration::from_millis(it)))
    };
    let differs = pair.differs().unwrap_or_default();
    StepRow {
        name: pair.fact.name(),
        service: pair.fact.source().name(),
        times: [0, 1].map(|side| (told(pair.at[side]), told(pair.took[side]))),
        differs,
        state: if differs.starts_with("longer") { "late" } else { "open" },
    }
}

/// The same, for programs. Times are in milliseconds.
pub(crate) fn as_json(orders: [&Order; 2]) -> Value {
    let steps = pairs(orders).into_iter().map(|pair| {
        json!({
            "event": pair.fact.name(),
            "service": pair.fact.source().name(),
            "after_ms": pair.at,
            "took_ms": pair.took,
            "differs": pair.differs(),
        })
    });
    json!({
        "orders": orders.map(|order| order.id),
        "steps": steps.collect::<Vec<_>>(),
    })
}
