use std::fmt::Write as _;

use futures::FutureExt as _;
use kernel::SagaKey;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, Row as _};
use uuid::Uuid;

use super::bundle::BundleId;
use super::statement::{Columns, Found, JsonText, Read, Write};
use super::states::{Changed, Row, Seen, State, StreamPosition};
use crate::database::Pool;
use crate::failure::Failure;

/// A table with one row per saga: its state as JSON, its version, its place in the stream of
/// events.
///
/// It has the columns `saga uuid PRIMARY KEY, version int, emitted int, last_bundle bigint
/// (null: none), seen json, state json`, and may have more, which have defaults or follow from these.
#[derive(Debug, Clone, Copy)]
pub struct StateTable {
    name: &'static str,
    also: &'static str,
}

impl StateTable {
    /// The table with this name.
    pub const fn new(name: &'static str) -> Self {
        Self { name, also: "" }
    }

    /// A change of a row that is there also sets this: an assignment as in UPDATE, in which the
    /// table's name stands for the row as it was and `changed` for the columns as they will be.
    #[must_use]
    pub const fn also_setting(mut self, assignment: &'static str) -> Self {
        self.also = assignment;
        self
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Has the states of these sagas read. Returns the part.
    pub(crate) fn read(&self, sagas: Vec<Uuid>, read: &mut Read) -> Result<usize, Failure> {
        let sagas = read.bind(sagas)?;
        let columns = Columns {
            id: "saga",
            numbers: ["version::bigint", "emitted::bigint", "last_bundle"],
            json: ["seen", "state"],
            ..Columns::default()
        };
        Ok(read.part(columns, &format!("FROM {} WHERE saga = ANY({sagas})", self.name)))
    }

    /// The row that was found.
    pub(crate) fn row<S: State>(found: &Found) -> Result<Row<S>, Failure> {
        let small = |at| -> Result<i32, Failure> {
            Ok(i32::try_from(found.number(at)?).unwrap_or(i32::MAX))
        };
        let seen: Seen = readable(found.json(0))?;
        let last_bundle = found.optional_number(2)?.map(BundleId);
        let stream = StreamPosition { emitted: small(1)?, last_bundle, seen };
        Ok(Row { version: small(0)?, stream, state: readable(found.json(1))? })
    }

    /// Has the states that changed written: new ones inserted, others updated unless they have
    /// changed in between, which is a conflict.
    ///
    /// The arrays are unnested by SELECT and not by FROM, which would keep a copy of each, and take
    /// a third more time for a few rows.
    pub(crate) fn write<S: State>(
        &self,
        new: &[Changed<'_, S>],
        known: &[Changed<'_, S>],
        write: &mut Write,
    ) -> Result<(), Failure> {
        if !new.is_empty() {
            let [saga, version, emitted, last_bundle, seen, state] = columns(new, write)?;
            write.part(&format!(
                "INSERT INTO {} (saga, version, emitted, last_bundle, seen, state)
                 SELECT unnest({saga}), unnest({version}) + 1, unnest({emitted}),
                   unnest({last_bundle}), unnest({seen}), unnest({state})",
                self.name
            ));
        }
        if !known.is_empty() {
            let [saga, version, emitted, last_bundle, seen, state] = columns(known, write)?;
            let mut update = format!(
                "UPDATE {table} SET version = changed.version + 1, emitted = changed.emitted,
                   last_bundle = changed.last_bundle, seen = changed.seen, state = changed.state",
                table = self.name
            );
            if !self.also.is_empty() {
                // Writing to a string cannot fail.
                let _ = write!(update, ", {}", self.also);
            }
            // Postgres 18 may leave out rows that change while it waits for them; they are
            // conflicts anyway, and the count tells.
            let _ = write!(
                update,
                " FROM (SELECT unnest({saga}) AS saga, unnest({version}) AS version,
                   unnest({emitted}) AS emitted, unnest({last_bundle}) AS last_bundle,
                   unnest({seen}) AS seen, unnest({state}) AS state) AS changed
                 WHERE {table}.saga = changed.saga AND {table}.version = changed.version",
                table = self.name
            );
            write.part_of(known.len(), &update)?;
        }
        Ok(())
    }

    /// The state of one saga, if this service has heard of it.
    pub async fn find<S: State>(&self, pool: &Pool, saga: SagaKey) -> Result<Option<S>, Failure> {
        let select = format!("SELECT state FROM {} WHERE saga = $1", self.name);
        let row = pool
            .run(|connection| {
                let query = sqlx::query(AssertSqlSafe(select)).bind(saga.0);
                async move { query.fetch_optional(connection).await }.boxed()
            })
            .await?;
        row.map(|row| {
            let Json(state) = readable(row.try_get(0).map_err(Failure::from))?;
            Ok(state)
        })
        .transpose()
    }
}

/// The rows' columns, as arrays.
fn columns<S: State>(
    changed: &[Changed<'_, S>],
    write: &mut Write,
) -> Result<[String; 6], Failure> {
    let rows = || changed.iter().map(|Changed { row, .. }| row);
    let sagas: Vec<Uuid> = changed.iter().map(|one| one.saga.0).collect();
    let versions: Vec<i32> = rows().map(|row| row.version).collect();
    let emitted: Vec<i32> = rows().map(|row| row.stream.emitted).collect();
    let bundles: Vec<Option<i64>> =
        rows().map(|row| row.stream.last_bundle.map(|bundle| bundle.0)).collect();
    let seen: Vec<JsonText> =
        rows().map(|row| JsonText::of(&row.stream.seen)).collect::<Result<_, _>>()?;
    let states: Vec<JsonText> =
        rows().map(|row| JsonText::of(&row.state)).collect::<Result<_, _>>()?;
    Ok([
        write.bind(sagas)?,
        write.bind(versions)?,
        write.bind(emitted)?,
        write.bind(bundles)?,
        write.bind(seen)?,
        write.bind(states)?,
    ])
}

/// A state that does not read is by a newer version, or broken: a fault of that row, not of the
/// database.
fn readable<S>(state: Result<S, Failure>) -> Result<S, Failure> {
    state.map_err(|error| match error {
        Failure::Poison(error) => Failure::Poison(format!(
            "a saga's state does not read; if a newer release wrote it, deploy that one and \
             try again: {error}"
        )),
        other => other,
    })
}
