use std::collections::{BTreeMap, HashMap};

use kernel::OrderId;
use serde::{Deserialize, Serialize};

use crate::World;

/// An order's place in this service's stream of events, and in those that it reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stream {
    /// How many events of the order this service has emitted; the last one's `ce_sequence`.
    pub emitted: i32,
    /// The bundle with the last one; 0 if none. By it the relay keeps an order's events in order.
    pub last_bundle: i64,
    /// Which events of the order it has read.
    pub seen: Seen,
}

/// The numbers (`ce_sequence`) of an order's events that a service has read, by their source: bit
/// 0 for number 1. Later numbers than [`Seen::LAST`] are not followed; an order has a handful.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seen(BTreeMap<String, u64>);

impl Seen {
    /// The highest number that is followed.
    pub const LAST: u32 = 63;

    /// Takes note of a number. Returns the lower ones that have not come.
    pub fn add(&mut self, source: &str, sequence: u32) -> Vec<u32> {
        if !(1..=Self::LAST).contains(&sequence) {
            return Vec::new();
        }
        let bit = 1u64 << (sequence - 1);
        let numbers = match self.0.get_mut(source) {
            Some(numbers) => numbers,
            None => self.0.entry(source.to_owned()).or_default(),
        };
        *numbers |= bit;
        let missing = !*numbers & (bit - 1);
        (1..sequence).filter(|number| missing & (1 << (number - 1)) != 0).collect()
    }
}

/// An order's row, as loaded or as it is to be written.
#[derive(Debug, Clone)]
pub struct Row<S> {
    /// How often the row was written; 0 if it is not there yet.
    pub version: i32,
    /// The order's place in the stream of events.
    pub stream: Stream,
    /// The state.
    pub state: S,
}

/// A row that has changed, with the order it belongs to.
#[derive(Debug)]
pub struct Changed<S> {
    /// The order.
    pub order: OrderId,
    /// The row to write, still with the version it was loaded with.
    pub row: Row<S>,
}

/// The states of a batch's orders: loaded once, changed in memory, written once.
#[derive(Debug)]
pub struct States<S> {
    rows: HashMap<OrderId, (Row<S>, bool)>,
}

impl<S: Default + PartialEq + Send> States<S> {
    /// From the rows that the database has; orders without one start from the default state.
    pub fn new(rows: impl IntoIterator<Item = (OrderId, Row<S>)>) -> Self {
        Self { rows: rows.into_iter().map(|(order, row)| (order, (row, false))).collect() }
    }

    /// The order's state, or `None` if this service has never heard of it.
    pub fn get(&self, order: OrderId) -> Option<&S> {
        self.rows.get(&order).map(|(row, _)| &row.state)
    }

    /// The order's state; the default state if this service has never heard of it.
    pub fn state(&mut self, order: OrderId) -> &S {
        &self.entry(order).0.state
    }

    /// Sets the order's state. An equal state is no change.
    pub fn set(&mut self, order: OrderId, state: S) {
        let (row, changed) = self.entry(order);
        if row.state != state {
            row.state = state;
            *changed = true;
        }
    }

    /// What is to be written: rows to insert, and rows to update. Sorted, so that two instances
    /// that write the same rows wait for each other instead of deadlocking.
    pub fn into_changed(self) -> (Vec<Changed<S>>, Vec<Changed<S>>) {
        let changed = self.rows.into_iter().filter(|(_, (_, changed))| *changed);
        let mut changed: Vec<Changed<S>> =
            changed.map(|(order, (row, _))| Changed { order, row }).collect();
        changed.sort_unstable_by_key(|changed| changed.order);
        changed.into_iter().partition(|changed| changed.row.version == 0)
    }

    fn entry(&mut self, order: OrderId) -> &mut (Row<S>, bool) {
        self.rows.entry(order).or_insert_with(|| {
            (Row { version: 0, stream: Stream::default(), state: S::default() }, false)
        })
    }
}

impl<S: Default + PartialEq + Send> World for States<S> {
    fn stream(&mut self, order: OrderId) -> &mut Stream {
        let (row, changed) = self.entry(order);
        *changed = true;
        &mut row.stream
    }

    fn saw(&mut self, order: OrderId, source: &str, sequence: u32) -> Vec<u32> {
        let Some((row, changed)) = self.rows.get_mut(&order) else { return Vec::new() };
        *changed = true;
        row.stream.seen.add(source, sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_which_numbers_are_missing_until_they_come() {
        let mut seen = Seen::default();
        assert_eq!(seen.add("/order", 1), [0; 0]);
        assert_eq!(seen.add("/order", 4), [2, 3]);
        assert_eq!(seen.add("/payment", 2), [1]);
        assert_eq!(seen.add("/order", 2), [0; 0]);
        assert_eq!(seen.add("/order", 5), [3]);
        assert_eq!(seen.add("/order", 64), [0; 0], "not followed");
        assert_eq!(serde_json::to_value(&seen).unwrap()["/payment"], 2);
    }
}
