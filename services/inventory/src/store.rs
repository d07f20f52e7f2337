use std::collections::BTreeMap;

use kernel::Sku;
use messaging::{Columns, Failure, Found, Read, Shared, StateTable, Write};

use crate::domain::{Action, Impossible, Input, Movement, Stock};
use crate::events::Line;
use crate::levels::level;

/// One row per order.
pub(crate) const RESERVATIONS: StateTable = StateTable::new("reservations");

/// The stock that a batch touches: the levels that were read, which reserving needs, and what the
/// batch changes. Nothing is locked between the two: changes are written, not levels, and only if
/// the pieces are there.
#[derive(Debug, Default)]
pub struct Shelf {
    stock: Stock,
    changes: BTreeMap<Sku, Change>,
}

/// By how much a level changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Change {
    available: i64,
    reserved: i64,
    shipped: i64,
}

impl Shelf {
    /// The levels, as far as they are known, with what the batch has changed so far.
    pub(crate) fn stock(&self) -> &Stock {
        &self.stock
    }

    /// Moves pieces.
    pub(crate) fn apply(&mut self, movement: &Movement) -> Result<(), Impossible> {
        let Movement { action, sku, quantity } = movement;
        // What is released or shipped was reserved before: that the level allows it is checked
        // where it is written.
        if self.stock.level(sku).is_some() {
            self.stock.apply(movement)?;
        }
        let pieces = i64::from(quantity.get());
        let change = self.changes.entry(sku.clone()).or_default();
        let (from, to) = match action {
            Action::Reserve => (&mut change.available, &mut change.reserved),
            Action::Release => (&mut change.reserved, &mut change.available),
            Action::Ship => (&mut change.reserved, &mut change.shipped),
        };
        *from -= pieces;
        *to += pieces;
        Ok(())
    }
}

impl Shared<Input> for Shelf {
    fn read<'i>(
        inputs: impl Iterator<Item = &'i Input>,
        read: &mut Read,
    ) -> Result<Option<usize>, Failure> {
        let lines = inputs.filter_map(|input| match input {
            Input::OrderPlaced(placed) => Some(&placed.lines),
            Input::ShipmentCreated(_) | Input::OrderCancelled(_) => None,
        });
        let mut skus: Vec<&str> = lines.flatten().map(|Line { sku, .. }| sku.as_str()).collect();
        if skus.is_empty() {
            return Ok(None);
        }
        skus.sort_unstable();
        skus.dedup();
        let skus = read.bind(skus)?;
        let columns = Columns {
            text: "sku",
            numbers: ["available", "reserved", "shipped"],
            ..Columns::default()
        };
        Ok(Some(read.part(columns, &format!("FROM stock WHERE sku = ANY({skus})"))))
    }

    fn take(&mut self, row: &Found) -> Result<(), Failure> {
        let sku: Sku = row
            .text()?
            .parse()
            .map_err(|error: kernel::InvalidSku| Failure::Poison(error.to_string()))?;
        let level = level(row.number(0)?, row.number(1)?, row.number(2)?)?;
        self.stock.put(sku, level);
        Ok(())
    }

    /// By the SKUs' index and not by a join: so rows are locked in the order of their names by
    /// everybody, and Postgres 18 does not leave out rows that change while it waits for them.
    fn write(&self, write: &mut Write) -> Result<(), Failure> {
        let changed: Vec<(&Sku, Change)> = self
            .changes
            .iter()
            .filter(|(_, change)| **change != Change::default())
            .map(|(sku, change)| (sku, *change))
            .collect();
        if changed.is_empty() {
            return Ok(());
        }
        let column = |of: fn(&Change) -> i64| -> Vec<i64> {
            changed.iter().map(|(_, change)| of(change)).collect()
        };
        let skus = changed.iter().map(|(sku, _)| sku.as_str()).collect::<Vec<_>>();
        let skus = write.bind(skus)?;
        let [available, reserved, shipped] = [
            write.bind(column(|change| change.available))?,
            write.bind(column(|change| change.reserved))?,
            write.bind(column(|change| change.shipped))?,
        ];
        let of = |column: &str| format!("({column})[array_position({skus}, sku)]");
        let [available, reserved, shipped] = [of(&available), of(&reserved), of(&shipped)];
        write.part_of(
            changed.len(),
            &format!(
                "UPDATE stock SET available = available + {available},
                   reserved = reserved + {reserved}, shipped = shipped + {shipped}
                 WHERE sku = ANY({skus}) AND available + {available} >= 0
                   AND reserved + {reserved} >= 0"
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Level;

    fn movement(action: Action, pieces: u32) -> Movement {
        Movement {
            action,
            sku: "tea".parse().unwrap(),
            quantity: kernel::Quantity::new(pieces).unwrap(),
        }
    }

    #[test]
    fn changes_add_up_whether_or_not_the_level_is_known() {
        let mut shelf = Shelf::default();
        shelf.apply(&movement(Action::Release, 2)).unwrap();
        shelf.apply(&movement(Action::Ship, 3)).unwrap();
        let change = Change { available: 2, reserved: -5, shipped: 3 };
        assert_eq!(shelf.changes.values().collect::<Vec<_>>(), [&change]);

        let mut shelf = Shelf::default();
        shelf.stock.put("tea".parse().unwrap(), Level { available: 4, ..Level::default() });
        shelf.apply(&movement(Action::Reserve, 3)).unwrap();
        assert!(shelf.apply(&movement(Action::Reserve, 2)).is_err(), "one is left");
        assert_eq!(shelf.changes.values().next().unwrap().available, -3);
    }
}
