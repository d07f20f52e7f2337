use std::collections::BTreeSet;

use deadpool_postgres::Pool;
use kernel::{OrderId, Sku};
use messaging::{Db, Failure, StateTable, States, Stream};
use tokio_postgres::Row;

use crate::domain::{Input, Level, State, Stock};
use crate::events::Line;

/// One row per order.
pub(crate) const RESERVATIONS: StateTable = StateTable::new("reservations");

// The macro makes undocumented public items.
#[allow(missing_docs)]
mod embedded {
    refinery::embed_migrations!("migrations");
}

pub(crate) fn migrations() -> refinery::Runner {
    embedded::migrations::runner()
}

/// The inventory service has no settings of its own.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {}

/// The reservations of a batch's orders, and the levels of all SKUs they touch.
#[derive(Debug)]
pub struct World {
    pub(crate) states: States<State>,
    pub(crate) stock: Stock,
    loaded: Stock,
}

impl messaging::World for World {
    fn stream(&mut self, order: OrderId) -> &mut Stream {
        self.states.stream(order)
    }

    fn saw(&mut self, order: OrderId, source: &str, sequence: u32) -> Vec<u32> {
        self.states.saw(order, source, sequence)
    }
}

/// Loads the reservations, then the levels they touch. Those are locked until the commit, in the
/// order of the SKUs, so that two instances wait for each other instead of deadlocking.
pub(crate) async fn load(db: &Db<'_>, batch: &[(OrderId, &Input)]) -> Result<World, Failure> {
    let states = RESERVATIONS.load(db, batch.iter().map(|(order, _)| *order)).await?;
    let mut skus = BTreeSet::new();
    for (order, input) in batch {
        let lines = match (input, states.get(*order)) {
            (Input::OrderPlaced(placed), _) => placed.lines.as_slice(),
            (_, Some(State::Reserved { lines })) => lines.as_slice(),
            _ => &[],
        };
        skus.extend(lines.iter().map(|Line { sku, .. }| sku.as_str()));
    }
    let stock = levels(db, &skus.into_iter().collect::<Vec<_>>()).await?;
    Ok(World { states, loaded: stock.clone(), stock })
}

async fn levels(db: &Db<'_>, skus: &[&str]) -> Result<Stock, Failure> {
    if skus.is_empty() {
        return Ok(Stock::default());
    }
    let select = db
        .prepare_cached(
            "SELECT sku, available, reserved, shipped FROM stock WHERE sku = ANY($1)
             ORDER BY sku FOR UPDATE",
        )
        .await?;
    let rows = db.query(&select, &[&skus]).await?;
    rows.iter()
        .map(|row| {
            let sku: Result<Sku, _> = row.get::<_, &str>(0).parse();
            let sku = sku.map_err(|error| Failure::Message(error.to_string()))?;
            Ok((sku, level(row, 1)?))
        })
        .collect()
}

/// Writes what has changed.
pub(crate) async fn save(db: &Db<'_>, world: World) -> Result<(), Failure> {
    let World { states, stock, loaded } = world;
    tokio::try_join!(biased; RESERVATIONS.save(db, states), save_levels(db, &stock, &loaded))?;
    Ok(())
}

async fn save_levels(db: &Db<'_>, stock: &Stock, loaded: &Stock) -> Result<(), Failure> {
    let changed: Vec<(&Sku, Level)> =
        stock.levels().filter(|(sku, level)| loaded.level(sku) != Some(*level)).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let update = db
        .prepare_cached(
            "UPDATE stock SET available = row.available, reserved = row.reserved,
               shipped = row.shipped
             FROM (SELECT unnest($1::text[]) AS sku, unnest($2::bigint[]) AS available,
               unnest($3::bigint[]) AS reserved, unnest($4::bigint[]) AS shipped) AS row
             WHERE stock.sku = row.sku",
        )
        .await?;
    let skus: Vec<&str> = changed.iter().map(|(sku, _)| sku.as_str()).collect();
    let column = |of: fn(&Level) -> u64| -> Vec<i64> {
        changed.iter().map(|(_, level)| of(level).cast_signed()).collect()
    };
    db.execute(
        &update,
        &[
            &skus,
            &column(|level| level.available),
            &column(|level| level.reserved),
            &column(|level| level.shipped),
        ],
    )
    .await?;
    Ok(())
}

/// The level of one SKU, if it was ever put on hand.
pub(crate) async fn find_level(pool: &Pool, sku: &Sku) -> Result<Option<Level>, Failure> {
    let client = pool.get().await?;
    let select = client
        .prepare_cached("SELECT available, reserved, shipped FROM stock WHERE sku = $1")
        .await?;
    let row = client.query_opt(&select, &[&sku.as_str()]).await?;
    row.map(|row| level(&row, 0)).transpose()
}

/// Says how many pieces are on hand: available and reserved together. `None`, and nothing is
/// changed, if more than that are reserved.
pub(crate) async fn put_on_hand(
    pool: &Pool,
    sku: &Sku,
    pieces: i64,
) -> Result<Option<Level>, Failure> {
    let client = pool.get().await?;
    let upsert = client
        .prepare_cached(
            "INSERT INTO stock (sku, available, reserved, shipped, received)
             VALUES ($1, $2, 0, 0, $2)
             ON CONFLICT (sku) DO UPDATE SET available = $2 - stock.reserved,
               received = $2 + stock.shipped
             WHERE stock.reserved <= $2
             RETURNING available, reserved, shipped",
        )
        .await?;
    let row = client.query_opt(&upsert, &[&sku.as_str(), &pieces]).await?;
    row.map(|row| level(&row, 0)).transpose()
}

/// A level from three columns, the first at `at`.
fn level(row: &Row, at: usize) -> Result<Level, Failure> {
    let pieces = |at| {
        let pieces: i64 = row.get(at);
        u64::try_from(pieces)
            .map_err(|_| Failure::Message(format!("a stock level says {pieces} pieces")))
    };
    Ok(Level { available: pieces(at)?, reserved: pieces(at + 1)?, shipped: pieces(at + 2)? })
}
