//! What is read at once, and written at once.

use std::collections::{HashMap, VecDeque};

use uuid::Uuid;

use crate::counts::Changes;
use crate::event::Event;
use crate::order::Order;

/// How many orders are remembered. Nearly all events are of orders of the last seconds, so their rows need
/// not be read.
const REMEMBERED_MAX: usize = 100_000;

/// Orders as they are in the database.
#[derive(Debug, Default)]
pub(super) struct Known {
    orders: HashMap<Uuid, Order>,
    /// By when they were remembered first.
    since: VecDeque<Uuid>,
}

impl Known {
    /// Of these, those that are not remembered.
    pub(super) fn missing(&self, events: &[Event]) -> Vec<Uuid> {
        let mut missing: Vec<Uuid> =
            events.iter().map(|it| it.order).filter(|id| !self.orders.contains_key(id)).collect();
        missing.sort_unstable();
        missing.dedup();
        missing
    }

    /// Remembers what is in the database.
    pub(super) fn learn(&mut self, orders: Vec<Order>) {
        for order in orders {
            if !self.orders.contains_key(&order.id) {
                self.since.push_back(order.id);
            }
            self.orders.insert(order.id, order);
        }
    }

    /// Forgets the oldest that are too many.
    pub(super) fn shrink(&mut self) {
        while self.orders.len() > REMEMBERED_MAX {
            let Some(oldest) = self.since.pop_front() else { return };
            self.orders.remove(&oldest);
        }
    }

    /// What becomes of the orders that these events are of, and of the counts.
    pub(super) fn fold(&self, events: Vec<Event>) -> (Vec<Order>, Changes) {
        let mut touched: HashMap<Uuid, Order> = HashMap::new();
        for event in events {
            let id = event.order;
            let order = touched
                .entry(id)
                .or_insert_with(|| self.orders.get(&id).cloned().unwrap_or_else(|| Order::new(id)));
            order.take(event);
        }
        let mut changes = Changes::default();
        touched.retain(|id, after| {
            let before = self.orders.get(id);
            let is_other = before != Some(&*after);
            if is_other {
                changes.replace(before, after);
            }
            is_other
        });
        // Rows are written in one order, whoever writes them.
        let mut orders: Vec<Order> = touched.into_values().collect();
        orders.sort_unstable_by_key(|order| order.id);
        (orders, changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::tests::event;

    #[test]
    fn what_was_taken_before_changes_nothing() {
        let id = Uuid::from_u128(7);
        let events = || vec![event(id, "OrderPlaced", 1, 0), event(id, "StockReserved", 1, 40)];
        let mut known = Known::default();
        assert_eq!(known.missing(&events()), [id]);
        let (orders, changes) = known.fold(events());
        assert_eq!((orders.len(), changes.counts.len(), changes.flow.len()), (1, 1, 2));
        known.learn(orders);
        assert!(known.missing(&events()).is_empty());
        let (orders, changes) = known.fold(events());
        assert!(orders.is_empty() && changes.counts.is_empty() && changes.flow.is_empty());
    }
}
