use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::events::OrderId;

/// Wakes requests that wait for an order to change (`Prefer: wait`).
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    orders: Mutex<HashMap<OrderId, Arc<Notify>>>,
}

/// A request's interest in one order, until dropped.
pub(crate) struct Waiting<'w> {
    waiters: &'w Waiters,
    order: OrderId,
    notify: Arc<Notify>,
}

impl Waiters {
    /// From now on the request hears of the order's changes.
    pub(crate) fn wait_for(&self, order: OrderId) -> Waiting<'_> {
        let notify = self.lock().entry(order).or_default().clone();
        Waiting { waiters: self, order, notify }
    }

    /// An order has changed.
    pub(crate) fn wake(&self, order: OrderId) {
        if let Some(notify) = self.lock().get(&order) {
            notify.notify_waiters();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<OrderId, Arc<Notify>>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting<'_> {
    /// Completes at the order's next change after this call.
    pub(crate) fn change(&self) -> tokio::sync::futures::Notified<'_> {
        self.notify.notified()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waiting = self.waiters.lock();
        // The map's and this one: nobody else waits.
        if Arc::strong_count(&self.notify) <= 2 {
            waiting.remove(&self.order);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_wakes_who_waits_for_that_order_and_leaves_nothing_behind() {
        let waiters = Waiters::default();
        let [one, other] = [OrderId(uuid::Uuid::now_v7()), OrderId(uuid::Uuid::now_v7())];
        let first = waiters.wait_for(one);
        let second = waiters.wait_for(one);
        let (change, also) = (first.change(), second.change());
        waiters.wake(other);
        waiters.wake(one);
        tokio::join!(change, also);
        drop(first);
        assert_eq!(waiters.lock().len(), 1);
        drop(second);
        assert!(waiters.lock().is_empty());
    }
}
