//! What operators have decided about events that a service has not processed: nothing that looks at
//! the fleet complains of it any more.

use std::collections::BTreeSet;

use crate::OrderId;
use crate::gaps::{Gap, Number, Verdict};

/// The decisions that hold. Empty by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decisions {
    /// Events that never will come, to whomever.
    acknowledged: BTreeSet<Number>,
    /// Events that a service never will process, for its dead letters were discarded.
    discarded: BTreeSet<(String, Number)>,
    /// The discarded letters, such as `payment/0/17`: some name no event.
    letters: BTreeSet<String>,
}

impl Decisions {
    /// Nobody has decided anything.
    pub const NONE: Self = Self {
        acknowledged: BTreeSet::new(),
        discarded: BTreeSet::new(),
        letters: BTreeSet::new(),
    };

    /// An event that never will come.
    pub fn acknowledge(&mut self, number: Number) {
        self.acknowledged.insert(number);
    }

    /// A letter of a service that is to stay dead, and its event, if it names one.
    pub fn discard(&mut self, service: &str, letter: String, event: Option<Number>) {
        self.letters.insert(letter);
        self.discarded.extend(event.map(|number| (service.to_owned(), number)));
    }

    /// Whether an event never will be processed by a service, which somebody knows.
    pub fn settle(&self, service: &str, number: &Number) -> bool {
        self.acknowledged.contains(number)
            || self.discarded.contains(&(service.to_owned(), number.clone()))
    }

    /// Whether somebody has said that an event never will come.
    pub fn acknowledges(&self, number: &Number) -> bool {
        self.acknowledged.contains(number)
    }

    /// Whether a service need not wait for an order's events from this source: one of them never will
    /// be processed, which somebody knows.
    pub fn settle_source(&self, service: &str, order: OrderId, source: &str) -> bool {
        let is_it = |number: &Number| number.saga == order && number.source == source;
        self.acknowledged.iter().any(is_it)
            || self.discarded.iter().any(|(of, number)| of == service && is_it(number))
    }

    /// Whether a letter was discarded.
    pub fn has_discarded(&self, letter: &str) -> bool {
        self.letters.contains(letter)
    }

    /// Whether a missing number is seen to. What may yet come is not.
    pub fn settle_gap(&self, gap: &Gap) -> bool {
        gap.verdict != Verdict::Waiting && self.settle(gap.service, &gap.number())
    }

    /// The numbers that a service need not miss.
    pub(crate) fn numbers(&self, service: &str) -> Vec<&Number> {
        let discarded = self.discarded.iter().filter(|(of, _)| of == service);
        self.acknowledged.iter().chain(discarded.map(|(_, number)| number)).collect()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_discarded_letter_settles_its_own_services_gap_only() {
        let order_id = OrderId(Uuid::now_v7());
        let number = Number { saga: order_id, source: "/order".to_owned(), sequence: 1 };
        let mut decisions = Decisions::default();
        decisions.discard("payment", "payment/0/17".to_owned(), Some(number.clone()));
        assert!(decisions.settle("payment", &number) && !decisions.settle("shipping", &number));
        assert!(decisions.has_discarded("payment/0/17"));
        decisions.acknowledge(number.clone());
        assert!(decisions.settle("shipping", &number));
    }
}
