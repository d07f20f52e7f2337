//! What changes of the counts when orders do.

use std::collections::HashMap;

use choreography::{Fact, Facts};
use jiff::Timestamp;

use crate::buckets::{Durations, bucket};
use crate::order::{Order, rounded};
use crate::stage::stage;

const HOUR: i64 = 3_600;
const MINUTE: i64 = 60;

/// What orders are counted by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) hour: Timestamp,
    pub(crate) said: Facts,
    pub(crate) reason: String,
    pub(crate) currency: String,
}

/// How many more orders are counted, which may be fewer.
#[derive(Debug, Default)]
pub(crate) struct More {
    pub(crate) orders: i64,
    pub(crate) total: i64,
    pub(crate) took: Durations,
}

/// What changes.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) counts: HashMap<Key, More>,
    pub(crate) reactions: HashMap<(Timestamp, Fact), Durations>,
    pub(crate) flow: HashMap<(Timestamp, Fact), i64>,
}

impl Changes {
    /// An order is another than before.
    pub(crate) fn replace(&mut self, before: Option<&Order>, after: &Order) {
        if let Some(before) = before {
            self.count(before, -1);
        }
        self.count(after, 1);
    }

    fn count(&mut self, order: &Order, times: i64) {
        let said = order.said();
        let (total, currency) = match &order.total {
            Some(money) => (money.amount, money.currency.to_string()),
            None => (0, String::new()),
        };
        let hour = rounded(order.began(), HOUR);
        let reason = order.reason.clone().unwrap_or_default();
        let more = self.counts.entry(Key { hour, said, reason, currency }).or_default();
        more.orders += times;
        more.total = more.total.saturating_add(total.saturating_mul(times));
        if let Some(took) = order.took() {
            more.took.add(bucket(took), times);
        }
        if stage(said).is_at_rest {
            for (fact, took) in order.reactions() {
                self.reactions.entry((hour, fact)).or_default().add(bucket(took), times);
            }
        }
        for step in &order.steps {
            *self.flow.entry((rounded(step.at, MINUTE), step.fact)).or_default() += times;
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::order::tests::event;

    /// Counts are those of the order as it is, however it came to be so.
    #[test]
    fn what_is_counted_is_what_is() {
        let id = Uuid::from_u128(7);
        let names = [("OrderPlaced", 1), ("StockReservationFailed", 1), ("OrderCancelled", 2)];
        let (mut stepwise, mut at_once) = (Changes::default(), Changes::default());
        let mut order = Order::new(id);
        let mut before = None;
        for (at, (name, sequence)) in (0..).zip(names) {
            order.take(event(id, name, sequence, at * 90_000));
            stepwise.replace(before.as_ref(), &order);
            before = Some(order.clone());
        }
        at_once.replace(None, &order);
        stepwise.counts.retain(|_, more| more.orders != 0);
        assert_eq!(stepwise.counts.len(), 1);
        for (key, more) in at_once.counts {
            let same = &stepwise.counts[&key];
            assert_eq!(
                (more.orders, more.total, &more.took),
                (same.orders, same.total, &same.took)
            );
            assert_eq!((key.reason.as_str(), key.currency.as_str()), ("out_of_stock", "EUR"));
        }
        assert_eq!(stepwise.reactions, at_once.reactions);
        assert_eq!(stepwise.flow, at_once.flow);
        assert_eq!(at_once.flow.values().sum::<i64>(), 3);
    }
}
