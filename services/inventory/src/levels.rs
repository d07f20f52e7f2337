//! The stock's levels, as requests read and change them.

use futures::FutureExt as _;
use kernel::Sku;
use messaging::{Failure, Pool};

use crate::domain::Level;

/// The most pieces of one SKU on hand: no sum of levels comes near what a number can hold.
pub(crate) const ON_HAND_MAX: i64 = 1_000_000_000_000;

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

/// What a row of the stock says.
pub(crate) fn level(available: i64, reserved: i64, shipped: i64) -> Result<Level, Failure> {
    let pieces = |pieces: i64| {
        u64::try_from(pieces)
            .map_err(|_| Failure::Poison(format!("a stock level says {pieces} pieces")))
    };
    Ok(Level {
        available: pieces(available)?,
        reserved: pieces(reserved)?,
        shipped: pieces(shipped)?,
    })
}
