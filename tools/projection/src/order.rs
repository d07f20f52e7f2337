//! An order, as the topics tell of it.

use choreography::{Fact, Facts, Service};
use jiff::Timestamp;
use kernel::Money;
use uuid::Uuid;

use crate::event::Event;
use crate::stage::{reaction_to, stage};

/// More events than any order has; a fleet gone wild may publish without end.
const STEPS_MAX: usize = 500;

/// An event of an order: what it said, and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What it said.
    pub fact: Fact,
    /// The how manyth of its service about this order it is, from 1.
    pub sequence: u16,
    /// When it happened, as its service says, in milliseconds since 1970.
    pub at: i64,
    /// Its partition in its service's topic.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
}

impl Step {
    /// By what it is known if it is published again.
    fn number(&self) -> (Service, u16) {
        (self.fact.source(), self.sequence)
    }
}

/// All that was said of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub id: Uuid,
    /// Its events, by time.
    pub steps: Vec<Step>,
    /// What it costs, if its beginning was seen.
    pub total: Option<Money>,
    /// Why it ended as it did, if a reason was given.
    pub reason: Option<String>,
}

impl Order {
    /// One that nothing was said of.
    pub(crate) fn new(id: Uuid) -> Self {
        Self { id, steps: Vec::new(), total: None, reason: None }
    }

    /// Takes an event. One that came before changes nothing, whatever came meanwhile.
    pub(crate) fn take(&mut self, event: Event) {
        let Event { step, total, reason, .. } = event;
        let is_known = self.steps.iter().any(|known| known.number() == step.number());
        if is_known || self.steps.len() >= STEPS_MAX {
            return;
        }
        // The same rows result, in whatever order the topics were read.
        let key = |step: &Step| (step.at, step.fact, step.sequence);
        let place = self.steps.partition_point(|known| key(known) <= key(&step));
        self.steps.insert(place, step);
        self.total = self.total.or(total);
        self.reason = self.reason.take().or(reason);
    }

    /// What was said.
    pub fn said(&self) -> Facts {
        self.steps.iter().map(|step| step.fact).collect()
    }

    /// When it began, as far as was seen, in milliseconds since 1970.
    pub fn began(&self) -> i64 {
        self.steps.first().map_or(0, |step| step.at)
    }

    /// When the last was said of it.
    pub fn moved(&self) -> i64 {
        self.steps.last().map_or(0, |step| step.at)
    }

    /// How long it took until it was decided: to the last that the service which decides said of it.
    pub fn took(&self) -> Option<i64> {
        let is_own = |step: &&Step| step.fact.source().begins();
        let decided = self.steps.iter().rev().find(is_own)?;
        stage(self.said()).is_at_rest.then(|| decided.at - self.began())
    }

    /// How long each step took, from the last of those before that lead to it.
    pub fn reactions(&self) -> impl Iterator<Item = (Fact, i64)> {
        self.steps.iter().enumerate().filter_map(|(place, step)| {
            let causes = reaction_to(step.fact);
            let mut before = self.steps[..place].iter().rev();
            let cause = before.find(|it| causes.has(it.fact))?;
            Some((step.fact, step.at - cause.at))
        })
    }
}

/// A time in milliseconds since 1970, cut to so many seconds; 1970 for what is out of bounds.
pub(crate) fn rounded(milliseconds: i64, to_seconds: i64) -> Timestamp {
    let to = to_seconds * 1_000;
    Timestamp::from_millisecond(milliseconds - milliseconds.rem_euclid(to)).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn five() -> Money {
        Money { amount: 500, currency: "EUR".parse().unwrap() }
    }

    pub(crate) fn event(order: Uuid, name: &str, sequence: u16, at: i64) -> Event {
        let fact = Fact::named(name).unwrap();
        let step = Step { fact, sequence, at, partition: 0, offset: at };
        let total = (name == "OrderPlaced").then(five);
        let reason = (name == "OrderCancelled").then(|| "out_of_stock".to_owned());
        Event { order, step, total, reason }
    }

    fn all(order: Uuid) -> Vec<Event> {
        [
            ("OrderPlaced", 1, 0),
            ("StockReserved", 1, 40),
            ("PaymentCharged", 1, 100),
            ("OrderConfirmed", 2, 107),
            ("ShipmentCreated", 1, 160),
            ("CustomerNotified:confirmed", 1, 170),
            ("OrderCompleted", 3, 180),
            ("CustomerNotified:completed", 2, 190),
        ]
        .map(|(name, sequence, at)| event(order, name, sequence, at))
        .to_vec()
    }

    #[test]
    fn whatever_order_they_come_in_the_same_results() {
        let id = Uuid::from_u128(7);
        let fold = |events: &[Event]| {
            let mut order = Order::new(id);
            events.iter().cloned().for_each(|event| order.take(event));
            order
        };
        let events = all(id);
        let expected = fold(&events);
        assert_eq!(expected.total, Some(five()));
        // Unless a service that says none of these events has something to do yet.
        assert_eq!(expected.took(), stage(expected.said()).is_at_rest.then_some(180));
        let mut turned = events.clone();
        for _ in 0..events.len() {
            turned.rotate_left(1);
            assert_eq!(fold(&turned), expected);
            // Each once more, at another place of the topic.
            let again = turned.iter().cloned().map(|mut event| {
                event.step.offset += 1_000;
                event
            });
            let doubled: Vec<Event> = turned.iter().cloned().chain(again).collect();
            assert_eq!(fold(&doubled), expected);
        }
    }

    #[test]
    fn a_reaction_is_counted_from_the_last_that_it_waited_for() {
        let id = Uuid::from_u128(7);
        let mut order = Order::new(id);
        for event in all(id) {
            order.take(event);
        }
        let reactions: Vec<(&str, i64)> =
            order.reactions().map(|(fact, took)| (fact.name(), took)).collect();
        assert_eq!(
            reactions,
            [
                ("StockReserved", 40),
                ("PaymentCharged", 60),
                ("OrderConfirmed", 7),
                ("ShipmentCreated", 53),
                ("CustomerNotified:confirmed", 63),
                ("OrderCompleted", 20),
                ("CustomerNotified:completed", 10),
            ]
        );
    }
}
