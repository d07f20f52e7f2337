//! Orders that hang: whose move it is, and what keeps it from being made.
//!
//! All five services' states of each order that has not changed for a while are looked at, in
//! pages, the completed and cancelled ones too: a compensation may hang. An order may move on while
//! it is looked at; so what seems stuck is read once more before it is told.

mod advice;
mod ask;
mod databases;
mod letters;
mod moves;
mod order;
mod states;
mod work;

use std::collections::BTreeMap;
use std::time::Duration;

use kernel::OrderId;
use uuid::Uuid;

pub use databases::Databases;
pub use letters::{Letters, read as read_letters};
pub use moves::{Awaited, Move, States, moves};
pub use order::{Stuck, StuckOrder};
pub use work::{DeadLetter, Parked, PendingCall, Work};

use self::states::Order;
use crate::SERVICES;
use crate::unreadable::Unreadable;

/// How many orders are read at once: some megabytes.
const PAGE: i64 = 10_000;

/// Which orders are wanted.
#[derive(Debug, Clone, Copy)]
pub enum Filter {
    /// Those whose status has not changed for this long.
    OlderThan(Duration),
    /// This one, whatever its age.
    Order(OrderId),
}

/// Finds the orders that hang, and tells of the first `limit`. `None` if a single order was asked
/// for, and there is none of that id.
///
/// What to do is not in it yet: see [`Stuck::advise`].
pub async fn find(
    databases: &mut Databases,
    filter: Filter,
    limit: usize,
) -> Result<Option<Stuck>, Unreadable> {
    let (wanted, more) = match filter {
        Filter::Order(order) => (vec![order.0], 0),
        Filter::OlderThan(age) => stalled(databases, age.as_secs_f64(), limit).await?,
    };
    let orders = states::these(databases, &wanted).await?;
    if orders.is_empty() && matches!(filter, Filter::Order(_)) {
        return Ok(None);
    }
    let orders = look_closer(databases, orders).await?;
    Ok(Some(Stuck { orders, more }))
}

/// The first orders of that age about which something is to happen, and how many more there are.
async fn stalled(
    databases: &mut Databases,
    older_than_s: f64,
    limit: usize,
) -> Result<(Vec<Uuid>, usize), Unreadable> {
    let (mut found, mut more, mut after) = (Vec::new(), 0, Uuid::nil());
    loop {
        let page = states::page(databases, after, older_than_s, PAGE).await?;
        let Some(last) = page.last() else { return Ok((found, more)) };
        after = last.id.0;
        for order in page.iter().filter(|order| !moves(&order.states).is_empty()) {
            if found.len() < limit {
                found.push(order.id.0);
            } else {
                more += 1;
            }
        }
    }
}

/// All there is to know of these orders, but of those about which nothing is to happen.
async fn look_closer(
    databases: &mut Databases,
    mut orders: Vec<Order>,
) -> Result<Vec<StuckOrder>, Unreadable> {
    orders.retain(|order| !moves(&order.states).is_empty());
    let ids: Vec<Uuid> = orders.iter().map(|order| order.id.0).collect();
    let mut works = BTreeMap::new();
    for (service, database) in databases.all() {
        works.insert(service, work::of(service, database, &ids).await?);
    }
    let mut take = |service: &str, order| works.get_mut(service)?.remove(&order);
    Ok(orders.into_iter().map(|order| describe(order, &mut take)).collect())
}

fn describe(
    order: Order,
    take: &mut impl FnMut(&'static str, OrderId) -> Option<Work>,
) -> StuckOrder {
    let Order { id, cancel_reason, placed_at, since, states } = order;
    let mut services: Vec<Work> = Vec::new();
    for Move { service, awaits } in moves(&states) {
        if let Some(work) = services.iter_mut().find(|work| work.service == service) {
            work.awaits.push(awaits);
        } else if let Some(work) = take(service, id) {
            services.push(Work { awaits: vec![awaits], ..work });
        }
    }
    let others = SERVICES.into_iter().filter_map(|service| take(service, id));
    services.extend(others.filter(Work::is_open));
    let status = states.order;
    StuckOrder { order_id: id, status, cancel_reason, placed_at, since, services }
}

impl Stuck {
    /// Adds the dead letters that hold the orders up, and to each move what to do about it.
    pub fn advise(&mut self, letters: &Letters) {
        for order in &mut self.orders {
            letters.join(order);
            advice::add(order);
        }
    }
}
