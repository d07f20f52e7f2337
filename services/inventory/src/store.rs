use std::collections::BTreeMap;

use futures::FutureExt as _;
use kernel::Sku;
use messaging::{Columns, Failure, Found, Pool, Read, Shared, StateTable, Write};

use crate::domain::{Action, Impossible, Input, Level, Movement, Stock};
use crate::events::Line;

/// The most pieces of one SKU on hand: no sum of levels comes near what a number can hold.
pub(crate) const ON_HAND_MAX: i64 = 1_000_000_000_000;

/// One row per order.
pub(crate) const RESERVATIONS: StateTable = StateTable::new("reservations");

pub(crate) fn migrations() -> sqlx::migrate::Migrator {
    sqlx::migrate!()
}

/// The inventory service has no settings of its own.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {}

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
            .map_err(|error: kernel::InvalidSku| Failure::Message(error.to_string()))?;
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

/// The level of one SKU, if it was ever put on hand.
pub(crate) async fn find_level(pool: &Pool, sku: &Sku) -> Result<Option<Level>, Failure> {
    let row = pool
        .run(|connection| {
            sqlx::query!(
                "SELECT available, reserved, shipped FROM stock WHERE sku = $1",
                sku.as_str()
            )
            .fetch_optional(connection)
            .boxed()
        })
        .await?;
    row.map(|row| level(row.available, row.reserved, row.shipped)).transpose()
}

/// Says how many pieces are on hand: available and reserved together. `None`, and nothing is
/// changed, if more than that are reserved.
pub(crate) async fn put_on_hand(
    pool: &Pool,
    sku: &Sku,
    pieces: i64,
) -> Result<Option<Level>, Failure> {
    let row = pool
        .run(|connection| {
            sqlx::query!(
                "INSERT INTO stock (sku, available, reserved, shipped, received)
                 VALUES ($1, $2, 0, 0, $2)
                 ON CONFLICT (sku) DO UPDATE SET available = $2 - stock.reserved,
                   received = $2 + stock.shipped
                 WHERE stock.reserved <= $2
                 RETURNING available, reserved, shipped",
                sku.as_str(),
                pieces
            )
            .fetch_optional(connection)
            .boxed()
        })
        .await?;
    row.map(|row| level(row.available, row.reserved, row.shipped)).transpose()
}

/// The same, in the place of the level `over` and of nothing else, or of none. `None`, and nothing is
/// changed, if that is not there. No more than `pieces` may be reserved in `over`.
pub(crate) async fn put_on_hand_over(
    pool: &Pool,
    sku: &Sku,
    pieces: i64,
    over: Option<Level>,
) -> Result<Option<Level>, Failure> {
    // It comes from columns of this type.
    let signed = |pieces: u64| i64::try_from(pieces).unwrap_or(i64::MAX);
    let over = over.map(|over| [over.available, over.reserved, over.shipped].map(signed));
    let changed = pool
        .run(|connection| match over {
            None => sqlx::query!(
                "INSERT INTO stock (sku, available, reserved, shipped, received)
                 VALUES ($1, $2, 0, 0, $2) ON CONFLICT DO NOTHING",
                sku.as_str(),
                pieces
            )
            .execute(connection)
            .boxed(),
            Some([available, reserved, shipped]) => sqlx::query!(
                "UPDATE stock SET available = $2 - reserved, received = $2 + shipped
                 WHERE sku = $1 AND available = $3 AND reserved = $4 AND shipped = $5",
                sku.as_str(),
                pieces,
                available,
                reserved,
                shipped
            )
            .execute(connection)
            .boxed(),
        })
        .await?;
    if changed.rows_affected() == 0 {
        return Ok(None);
    }
    let [_, reserved, shipped] = over.unwrap_or_default();
    level(pieces - reserved, reserved, shipped).map(Some)
}

/// How an adjustment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Adjusted {
    /// It is made, and this is the level since.
    Done(Level),
    /// It was made before, and this was the level then.
    Before(Level),
    /// The key was used for another one.
    KeyReused,
    /// There is no such stock.
    NeverPut,
    /// Too few pieces are available, or there would be too many, at this level.
    Impossible(Level),
}

/// Adds `delta` pieces to those available, once for each key.
pub(crate) async fn adjust(
    pool: &Pool,
    key: &str,
    sku: &Sku,
    delta: i64,
) -> Result<Adjusted, Failure> {
    let made = match make_adjustment(pool, key, sku, delta).await {
        // The same request is faster elsewhere.
        Err(Failure::Conflict) => None,
        made => made?,
    };
    if let Some(level) = made {
        return Ok(Adjusted::Done(level));
    }
    let before = pool
        .run(|connection| {
            sqlx::query!(
                "SELECT sku, delta, available, reserved, shipped FROM stock_adjustments
                 WHERE idempotency_key = $1",
                key
            )
            .fetch_optional(connection)
            .boxed()
        })
        .await?;
    if let Some(row) = before {
        return if row.sku == sku.as_str() && row.delta == delta {
            level(row.available, row.reserved, row.shipped).map(Adjusted::Before)
        } else {
            Ok(Adjusted::KeyReused)
        };
    }
    Ok(find_level(pool, sku).await?.map_or(Adjusted::NeverPut, Adjusted::Impossible))
}

/// `None` if the level does not allow it, or the key was used.
async fn make_adjustment(
    pool: &Pool,
    key: &str,
    sku: &Sku,
    delta: i64,
) -> Result<Option<Level>, Failure> {
    let row = pool
        .run(|connection| {
            sqlx::query!(
                "WITH changed AS (
                   UPDATE stock SET available = available + $3, received = received + $3
                   WHERE sku = $2 AND available + $3 >= 0 AND available + reserved + $3 <= $4
                     AND NOT EXISTS (SELECT FROM stock_adjustments WHERE idempotency_key = $1)
                   RETURNING available, reserved, shipped)
                 INSERT INTO stock_adjustments
                   (idempotency_key, sku, delta, available, reserved, shipped)
                 SELECT $1, $2, $3, available, reserved, shipped FROM changed
                 RETURNING available, reserved, shipped",
                key,
                sku.as_str(),
                delta,
                ON_HAND_MAX
            )
            .fetch_optional(connection)
            .boxed()
        })
        .await?;
    row.map(|row| level(row.available, row.reserved, row.shipped)).transpose()
}

fn level(available: i64, reserved: i64, shipped: i64) -> Result<Level, Failure> {
    let pieces = |pieces: i64| {
        u64::try_from(pieces)
            .map_err(|_| Failure::Message(format!("a stock level says {pieces} pieces")))
    };
    Ok(Level {
        available: pieces(available)?,
        reserved: pieces(reserved)?,
        shipped: pieces(shipped)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
