//! All there is to know of one order, from the databases.

use choreography::{States, fate, moves};
use jiff::Timestamp;
use serde::Serialize;

use super::databases::Databases;
use super::states::{self, Elsewhere, Wanted};
use super::walk::known_by;
use super::work::{self, Work};
use crate::OrderId;
use crate::unreadable::Unreadable;

/// An order.
#[derive(Debug, Clone, Serialize)]
pub struct About {
    /// Its id.
    pub order_id: OrderId,
    /// What the order service knows; `None` if it does not know the order.
    pub placed: Option<Placed>,
    /// What the others know of it, those that do.
    pub known_by: Vec<(&'static str, String)>,
    /// What each service has to do with it, if anything.
    pub services: Vec<Work>,
    /// What could not be looked at, and why.
    pub unknown: Vec<String>,
}

/// What the order service knows of an order.
#[derive(Debug, Clone, Serialize)]
pub struct Placed {
    /// Its status.
    pub status: String,
    /// Why it is cancelled, if it is.
    pub cancel_reason: Option<String>,
    /// Whether that is how it ends.
    pub is_over: bool,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// When its status changed last.
    pub since: Timestamp,
}

/// All that the databases tell of an order.
pub async fn about(databases: &mut Databases, order_id: OrderId) -> Result<About, Unreadable> {
    let ids = [order_id.0];
    let mut order = states::these(databases.first(), &ids, 0.0).await?.pop();
    let mut unknown = Vec::new();
    let mut known = states::elsewhere(databases, &Wanted::These(&ids), &mut unknown).await;
    let mut states = known.remove(&order_id.0).unwrap_or_else(States::unseen);
    let mut services = Vec::new();
    for (service, database) in databases.all() {
        let mut works = work::of(service.name(), database, &ids, &mut unknown).await;
        services.extend(works.remove(&order_id));
    }
    if let Some(order) = &mut order {
        let mut known = Elsewhere::from([(order_id.0, states)]);
        states::join(std::slice::from_mut(order), &mut known, &databases.joined().await);
        states = order.states.clone();
        for one in moves(&states) {
            if let Some(work) = services.iter_mut().find(|work| work.service == one.service) {
                work.awaits.push(one.awaits);
            }
        }
    }
    services.retain(|work| !work.awaits.is_empty() || work.is_open());
    let placed = order.map(|order| {
        let (end, cancel_reason) = fate(order.states.fate());
        Placed {
            status: end,
            cancel_reason,
            is_over: order.states.is_decided(),
            placed_at: order.placed_at,
            since: order.since,
        }
    });
    Ok(About { order_id, placed, known_by: known_by(&states), services, unknown })
}
