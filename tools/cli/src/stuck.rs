//! Orders that hang: whose move it is, and what keeps it from being made.
//!
//! All services' states of each order that has not changed for a while are looked at, from the
//! newest back, in pages, the completed and cancelled ones too: a compensation may hang. An order may
//! move on while it is looked at; so what seems stuck is read once more before it is told.

mod about;
mod advice;
mod databases;
mod letters;

mod order;
mod said;
mod states;
mod walk;
mod work;

use std::collections::BTreeMap;
use std::time::Duration;

pub use about::{About, Placed, about};
use choreography::fate;
pub use choreography::{Awaited, Move, States, moves};
pub use databases::Databases;
pub use letters::{Letters, read as read_letters};
pub use order::{Group, Orphan, Stuck, StuckOrder};
pub use said::{EventPlace, Found, Said, Where, letters_of, placed_after, said_by};
use uuid::Uuid;
pub use work::{DeadLetter, Parked, PendingCall, Work};

use self::states::Order;
pub(crate) use self::states::{Wanted, elsewhere};
use crate::decisions::Decisions;
use crate::unreadable::Unreadable;
use crate::{OrderId, services as services_of_fleet};

/// For whoever looks again and again: orders whose status has not changed for so long hang.
pub const HANGS_AFTER: Duration = Duration::from_mins(1);

/// Which orders are wanted.
#[derive(Debug, Clone, Copy)]
pub enum Filter {
    /// Those whose status has not changed for `older_than`, of those that were placed within
    /// `placed_within`, and of those about which anything is open, however old.
    Late {
        /// How long the status has not changed.
        older_than: Duration,
        /// How long ago the order was placed, at most.
        placed_within: Duration,
    },
    /// This one, whatever its age.
    Order(OrderId),
}

/// Finds the orders that hang, and tells of the newest `limit`. `None` if a single order was asked
/// for, and the order service has none of that id.
///
/// What to do is not in it yet: see [`Stuck::advise`].
pub async fn find(
    databases: &mut Databases,
    filter: Filter,
    decisions: &Decisions,
    limit: usize,
) -> Result<Option<Stuck>, Unreadable> {
    let (mut stuck, wanted) = match filter {
        Filter::Order(order) => (Stuck::default(), vec![order.0]),
        Filter::Late { older_than, placed_within } => {
            walk::walk(databases, older_than, placed_within, decisions, limit).await?
        }
    };
    let mut orders = states::these(databases.first(), &wanted, 0.0).await?;
    if orders.is_empty() && matches!(filter, Filter::Order(_)) {
        return Ok(None);
    }
    let mut known = states::elsewhere(databases, &Wanted::These(&wanted), &mut stuck.unknown).await;
    states::join(&mut orders, &mut known, &databases.joined().await);
    stuck.orders = look_closer(databases, orders, &mut stuck.unknown).await;
    Ok(Some(stuck))
}

/// All there is to know of these orders, but of those about which nothing is to happen.
async fn look_closer(
    databases: &mut Databases,
    mut orders: Vec<Order>,
    blind: &mut Vec<String>,
) -> Vec<StuckOrder> {
    orders.retain(|order| !moves(&order.states).is_empty());
    let ids: Vec<Uuid> = orders.iter().map(|order| order.id.0).collect();
    let mut works = BTreeMap::new();
    for (service, database) in databases.all() {
        works.insert(service.name(), work::of(service.name(), database, &ids, blind).await);
    }
    let mut take = |service: &str, order| works.get_mut(service)?.remove(&order);
    orders.into_iter().map(|order| describe(order, &mut take)).collect()
}

fn describe(
    order: Order,
    take: &mut impl FnMut(&'static str, OrderId) -> Option<Work>,
) -> StuckOrder {
    let Order { id, placed_at, since, states } = order;
    let mut services: Vec<Work> = Vec::new();
    for Move { service, awaits } in moves(&states) {
        if let Some(work) = services.iter_mut().find(|work| work.service == service) {
            work.awaits.push(awaits);
        } else if let Some(work) = take(service, id) {
            services.push(Work { awaits: vec![awaits], ..work });
        }
    }
    let others = services_of_fleet().filter_map(|service| take(service, id));
    services.extend(others.filter(Work::is_open));
    let (status, cancel_reason) = fate(states.fate());
    StuckOrder { order_id: id, status, cancel_reason, placed_at, since, services }
}

impl Stuck {
    /// Adds the dead letters that hold the orders up, and to each move what to do about it.
    pub fn advise(&mut self, letters: &Letters, decisions: &Decisions) {
        for order in &mut self.orders {
            letters.join(order, decisions);
            advice::add(order);
        }
    }
}
