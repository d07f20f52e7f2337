//! The orders that hang, by whose move it is.

use askama::Template;
use cli::stuck::{Stuck, StuckOrder};

use super::{Frame, awaited, short};
use crate::words::{ago, clock, some, thousands};

pub(crate) struct GroupRow {
    service: &'static str,
    awaits: String,
    orders: String,
    since: String,
    last: String,
}

pub(crate) struct OrderRow {
    id: String,
    short: String,
    status: String,
    moves: Vec<(&'static str, String)>,
    since: String,
    placed: String,
}

#[derive(Template)]
#[template(path = "orders.html")]
pub(crate) struct OrdersPage {
    pub(crate) frame: Frame,
    sentence: String,
    groups: Vec<GroupRow>,
    orders: Vec<OrderRow>,
    more: usize,
    orphans: Vec<(String, String)>,
}

impl OrdersPage {
    pub(crate) fn new(frame: Frame, stuck: Option<&Stuck>) -> Self {
        let nothing = Stuck::default();
        let known = stuck.is_some();
        let stuck = stuck.unwrap_or(&nothing);
        let all = stuck.all();
        let sentence = match (known, all) {
            (false, _) => "Looking for orders that hang …".to_owned(),
            (true, 0) => "No order hangs: each has changed within the last minute, or waits for \
                          nothing."
                .to_owned(),
            (true, 1) => "1 order has not changed for a minute.".to_owned(),
            (true, _) => format!("{} have not changed for a minute.", some(all, "order")),
        };
        let groups = stuck.groups.iter().map(|group| GroupRow {
            service: group.service,
            awaits: awaited(&group.awaits),
            orders: thousands(group.orders),
            since: ago(group.since),
            last: ago(group.last),
        });
        let orphans = stuck.orphans.iter().map(|orphan| {
            let known: Vec<String> = orphan
                .known_by
                .iter()
                .map(|(service, status)| format!("{service}: {status}"))
                .collect();
            (orphan.order_id.to_string(), known.join(", "))
        });
        Self {
            frame,
            sentence,
            groups: groups.collect(),
            orders: stuck.orders.iter().map(order).collect(),
            more: stuck.more,
            orphans: orphans.collect(),
        }
    }
}

fn order(order: &StuckOrder) -> OrderRow {
    let id = order.order_id.to_string();
    let reason =
        order.cancel_reason.as_ref().map(|reason| format!(": {}", reason.replace('_', " ")));
    let moves = order.services.iter().filter(|work| !work.awaits.is_empty()).map(|work| {
        let waits: Vec<String> = work.awaits.iter().map(awaited).collect();
        (work.service, waits.join(", and "))
    });
    OrderRow {
        short: short(&id).to_owned(),
        id,
        status: format!("{}{}", order.status, reason.unwrap_or_default()),
        moves: moves.collect(),
        since: ago(order.since),
        placed: clock(order.placed_at),
    }
}
