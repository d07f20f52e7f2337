use std::fmt::Debug;

use deadpool_postgres::Pool;
use kernel::OrderId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_postgres::types::Json;
use uuid::Uuid;

use crate::{Changed, Db, Failure, Row, Seen, States, Stream};

/// A table with one row per order: its state as JSON, its version, its place in the stream of
/// events. All of a batch's rows are loaded by one statement and written by two.
///
/// The arrays are unnested by SELECT and not by FROM, which would keep a copy of each, and take a third
/// more time for a few rows.
///
/// The table has the columns `order_id uuid PRIMARY KEY, version int, emitted int, last_bundle
/// bigint, seen json, state json`, none of them null.
#[derive(Debug, Clone, Copy)]
pub struct StateTable {
    name: &'static str,
}

impl StateTable {
    /// The table with this name.
    pub const fn new(name: &'static str) -> Self {
        Self { name }
    }

    /// The states of these orders.
    pub async fn load<S>(
        &self,
        db: &Db<'_>,
        orders: impl Iterator<Item = OrderId>,
    ) -> Result<States<S>, Failure>
    where
        S: DeserializeOwned + Default + PartialEq + Send,
    {
        let select = db
            .prepare_cached(&format!(
                "SELECT order_id, version, emitted, last_bundle, seen, state FROM {}
                 WHERE order_id = ANY($1)",
                self.name
            ))
            .await?;
        let orders: Vec<Uuid> = orders.map(|order| order.0).collect();
        let rows = db.query(&select, &[&orders]).await?;
        let rows: Result<Vec<_>, Failure> = rows
            .iter()
            .map(|row| {
                let seen = readable(row.try_get::<_, Json<Seen>>(4))?;
                let stream = Stream { emitted: row.get(2), last_bundle: row.get(3), seen };
                let state = readable(row.try_get::<_, Json<S>>(5))?;
                Ok((OrderId(row.get(0)), Row { version: row.get(1), stream, state }))
            })
            .collect();
        Ok(States::new(rows?))
    }

    /// Writes the states that changed; [`Failure::Conflict`] if one has changed in between.
    pub async fn save<S>(&self, db: &Db<'_>, states: States<S>) -> Result<(), Failure>
    where
        S: Serialize + Debug + Default + PartialEq + Send + Sync,
    {
        let (new, known) = states.into_changed();
        tokio::try_join!(biased; self.insert(db, &new), self.update(db, &known))?;
        Ok(())
    }

    /// The state of one order, if this service has heard of it.
    pub async fn find<S: DeserializeOwned>(
        &self,
        pool: &Pool,
        order: OrderId,
    ) -> Result<Option<S>, Failure> {
        let client = pool.get().await?;
        let select = client
            .prepare_cached(&format!("SELECT state FROM {} WHERE order_id = $1", self.name))
            .await?;
        let row = client.query_opt(&select, &[&order.0]).await?;
        row.map(|row| readable(row.try_get::<_, Json<S>>(0))).transpose()
    }

    async fn insert<S>(&self, db: &Db<'_>, new: &[Changed<S>]) -> Result<(), Failure>
    where
        S: Serialize + Debug + Sync,
    {
        if new.is_empty() {
            return Ok(());
        }
        let insert = db
            .prepare_cached(&format!(
                "INSERT INTO {} (order_id, version, emitted, last_bundle, seen, state)
                 SELECT unnest($1::uuid[]), unnest($2::int[]) + 1, unnest($3::int[]),
                   unnest($4::bigint[]), unnest($5::json[]), unnest($6::json[])",
                self.name
            ))
            .await?;
        self.write(db, &insert, new).await
    }

    async fn update<S>(&self, db: &Db<'_>, known: &[Changed<S>]) -> Result<(), Failure>
    where
        S: Serialize + Debug + Sync,
    {
        if known.is_empty() {
            return Ok(());
        }
        let update = db
            .prepare_cached(&format!(
                "UPDATE {table} SET version = row.version + 1, emitted = row.emitted,
                   last_bundle = row.last_bundle, seen = row.seen, state = row.state
                 FROM (SELECT unnest($1::uuid[]) AS order_id, unnest($2::int[]) AS version,
                   unnest($3::int[]) AS emitted, unnest($4::bigint[]) AS last_bundle,
                   unnest($5::json[]) AS seen, unnest($6::json[]) AS state) AS row
                 WHERE {table}.order_id = row.order_id AND {table}.version = row.version",
                table = self.name
            ))
            .await?;
        self.write(db, &update, known).await
    }

    /// Runs a statement that must write every one of the rows.
    async fn write<S>(
        &self,
        db: &Db<'_>,
        statement: &tokio_postgres::Statement,
        changed: &[Changed<S>],
    ) -> Result<(), Failure>
    where
        S: Serialize + Debug + Sync,
    {
        let orders: Vec<Uuid> = changed.iter().map(|one| one.order.0).collect();
        let versions: Vec<i32> = changed.iter().map(|one| one.row.version).collect();
        let emitted: Vec<i32> = changed.iter().map(|one| one.row.stream.emitted).collect();
        let last_bundle: Vec<i64> = changed.iter().map(|one| one.row.stream.last_bundle).collect();
        let seen: Vec<Json<&Seen>> = changed.iter().map(|one| Json(&one.row.stream.seen)).collect();
        let states: Vec<Json<&S>> = changed.iter().map(|one| Json(&one.row.state)).collect();
        let written = db
            .execute(statement, &[&orders, &versions, &emitted, &last_bundle, &seen, &states])
            .await
            .map_err(Failure::of_insert)?;
        if written == changed.len() as u64 { Ok(()) } else { Err(Failure::Conflict) }
    }
}

/// A state that does not read is by a newer version, or broken: a fault of that row, not of the
/// database.
fn readable<S>(state: Result<Json<S>, tokio_postgres::Error>) -> Result<S, Failure> {
    state.map(|Json(state)| state).map_err(|error| {
        Failure::Message(format!("an order's state does not read: {}", kernel::error_chain(&error)))
    })
}
