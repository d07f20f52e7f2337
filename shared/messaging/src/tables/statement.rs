//! Statements put together from parts: one that reads, and one that writes.
//!
//! A batch is one of each, without BEGIN and COMMIT: a statement is a transaction by itself, and
//! each message to the server that can be saved is a wake-up saved on both sides. Their texts
//! differ by the parts that a batch has, so a connection knows some ten of each.

use std::borrow::Cow;
use std::fmt::Write as _;

use kernel::SagaKey;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgHasArrayType, PgRow, PgTypeInfo};
use sqlx::types::Json;
use sqlx::{Arguments as _, AssertSqlSafe, Encode, Postgres, Row as _, Type};
use uuid::Uuid;

use crate::database::Session;
use crate::failure::Failure;

/// A value's place in a statement, such as `$3`.
pub type Placeholder = String;

/// The values of a statement that is being put together.
#[derive(Debug, Default)]
struct Values(PgArguments);

impl Values {
    fn bind<'q, T>(&mut self, value: T) -> Result<Placeholder, Failure>
    where
        T: Encode<'q, Postgres> + Type<Postgres>,
    {
        self.0.add(value).map_err(|error| {
            Failure::Poison(format!("a value cannot be written into a statement: {error}"))
        })?;
        Ok(format!("${}", self.0.len()))
    }
}

/// A statement that changes rows, all of them or none: every part is a data-modifying query in
/// WITH (`PostgreSQL` documentation, 7.8.4). The parts see the database as it was before, not each
/// other's changes, and no two of them may change the same row.
#[derive(Debug, Default)]
pub struct Write {
    values: Values,
    parts: String,
    checks: Vec<String>,
    count: usize,
}

impl Write {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Takes a value, and says how the parts name it. Fails for a value that the type's encoding
    /// does not allow.
    pub fn bind<'q, T>(&mut self, value: T) -> Result<Placeholder, Failure>
    where
        T: Encode<'q, Postgres> + Type<Postgres>,
    {
        self.values.bind(value)
    }

    /// Adds an INSERT, UPDATE or DELETE. Returns the name by which later parts and conditions
    /// know what it returns.
    pub fn part(&mut self, sql: &str) -> String {
        let lead = if self.is_empty() { "WITH" } else { "," };
        let name = format!("part{}", self.count);
        // Writing to a string cannot fail.
        let _ = write!(self.parts, "{lead} {name} AS ({sql})");
        self.count += 1;
        name
    }

    /// Adds one that must change so many rows; if it changes others, nothing of all happens, and
    /// the statement ends as a [`Failure::Conflict`].
    pub fn part_of(&mut self, rows: usize, sql: &str) -> Result<(), Failure> {
        let changed = self.part(&format!("{sql} RETURNING 1"));
        let expected = self.bind(i64::try_from(rows).unwrap_or(i64::MAX))?;
        self.checks.push(format!("(SELECT count(*) FROM {changed}) = {expected}"));
        Ok(())
    }

    /// Nothing happens unless this condition, a boolean expression, holds.
    pub fn only_if(&mut self, condition: String) {
        self.checks.push(condition);
    }

    /// Makes it happen, or nothing at all. After [`Failure::Infrastructure`] it may have happened.
    pub async fn run(self, session: &mut Session) -> Result<(), Failure> {
        if self.is_empty() {
            return Ok(());
        }
        let done = if self.checks.is_empty() {
            "true".to_owned()
        } else {
            // A function that raises serialization_failure: what was not as expected undoes all.
            format!("CASE WHEN {} THEN true ELSE conflict() END", self.checks.join(" AND "))
        };
        let (sql, values) = (format!("{} SELECT {done}", self.parts), self.values.0);
        session
            .run(|connection| {
                Box::pin(async move {
                    let query = sqlx::query_with(AssertSqlSafe(sql), values);
                    query.fetch_all(connection).await.map(|_| ())
                })
            })
            .await
    }
}

/// A statement that reads rows of several kinds. All have the same columns; a part says what they
/// are in its kind, and leaves out the last ones that it does not need.
#[derive(Debug, Default)]
pub struct Read {
    values: Values,
    parts: Vec<String>,
}

/// A row that a [`Read`] has found.
#[derive(Debug)]
pub struct Found {
    /// Which part has found it: the number that [`Read::part`] gave.
    pub part: usize,
    row: PgRow,
}

impl Read {
    /// Whether there is nothing to be read.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Takes a value, and says how the parts name it.
    pub fn bind<'q, T>(&mut self, value: T) -> Result<Placeholder, Failure>
    where
        T: Encode<'q, Postgres> + Type<Postgres>,
    {
        self.values.bind(value)
    }

    /// Adds a part and returns its number. `columns` are an id (uuid), a text, three numbers
    /// (bigint) and two JSON values, in this order; `rest` is what follows them, from FROM on.
    pub fn part(&mut self, columns: Columns<'_>, rest: &str) -> usize {
        let part = self.parts.len();
        let or_null = |column: &'_ str, kind: &str| match column {
            "" => format!("NULL::{kind}"),
            column => column.to_owned(),
        };
        let Columns { id, text, numbers: [first, second, third], json: [one, other] } = columns;
        self.parts.push(format!(
            "SELECT {part}, {}, {}, {}, {}, {}, {}, {} {rest}",
            or_null(id, "uuid"),
            or_null(text, "text"),
            or_null(first, "bigint"),
            or_null(second, "bigint"),
            or_null(third, "bigint"),
            or_null(one, "json"),
            or_null(other, "json"),
        ));
        part
    }

    /// Reads all parts at one moment.
    pub async fn run(self, session: &mut Session) -> Result<Vec<Found>, Failure> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let (sql, values) = (self.parts.join(" UNION ALL "), self.values.0);
        let rows = session
            .run(|connection| {
                Box::pin(async move {
                    sqlx::query_with(AssertSqlSafe(sql), values).fetch_all(connection).await
                })
            })
            .await?;
        rows.into_iter().map(|row| Ok(Found { part: number(row.try_get(0)?), row })).collect()
    }
}

/// What the columns of a [`Read`]'s part are: SQL expressions; empty ones are null.
#[derive(Debug, Clone, Copy, Default)]
pub struct Columns<'a> {
    /// A uuid, as a rule a saga's.
    pub id: &'a str,
    /// A text.
    pub text: &'a str,
    /// Numbers, as bigint.
    pub numbers: [&'a str; 3],
    /// JSON, as json.
    pub json: [&'a str; 2],
}

impl Found {
    /// The saga that the row is about.
    pub fn saga(&self) -> Result<SagaKey, Failure> {
        Ok(SagaKey(self.id()?))
    }

    /// The id.
    pub fn id(&self) -> Result<Uuid, Failure> {
        Ok(self.row.try_get(1)?)
    }

    /// The text.
    pub fn text(&self) -> Result<&str, Failure> {
        Ok(self.row.try_get(2)?)
    }

    /// The number at this place, from 0.
    pub fn number(&self, at: usize) -> Result<i64, Failure> {
        Ok(self.row.try_get(3 + at)?)
    }

    /// The same, where it may be null.
    pub fn optional_number(&self, at: usize) -> Result<Option<i64>, Failure> {
        Ok(self.row.try_get(3 + at)?)
    }

    /// The JSON at this place, from 0, as a value.
    pub fn json<T: DeserializeOwned>(&self, at: usize) -> Result<T, Failure> {
        let Json(value) = self.row.try_get(6 + at)?;
        Ok(value)
    }
}

fn number(value: i32) -> usize {
    usize::try_from(value).unwrap_or_default()
}

/// A value as Postgres' `json`. (The driver's own type is `jsonb`, and has the server convert.)
#[derive(Debug, Clone)]
pub struct JsonText(String);

impl JsonText {
    /// Writes a value down.
    pub fn of<T: Serialize>(value: &T) -> Result<Self, Failure> {
        let text = serde_json::to_string(value);
        text.map(Self).map_err(|error| Failure::Poison(format!("no JSON for a value: {error}")))
    }
}

/// Object ids of built-in types never change (`PostgreSQL` source, `pg_type.dat`).
const JSON: PgTypeInfo = PgTypeInfo::with_oid(Oid(114));
const JSON_ARRAY: PgTypeInfo = PgTypeInfo::with_oid(Oid(199));

impl Type<Postgres> for JsonText {
    fn type_info() -> PgTypeInfo {
        JSON
    }
}

impl PgHasArrayType for JsonText {
    fn array_type_info() -> PgTypeInfo {
        JSON_ARRAY
    }
}

impl Encode<'_, Postgres> for JsonText {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }
}

/// Text as the tables keep it: without the NUL that it may quote, for no text in Postgres can hold
/// one, and of bounded length, in characters.
pub(crate) fn storable(text: &str, length: usize) -> Cow<'_, str> {
    if text.len() <= length && !text.contains('\0') {
        return Cow::Borrowed(text);
    }
    let printable = |c| if c == '\0' { char::REPLACEMENT_CHARACTER } else { c };
    Cow::Owned(text.chars().take(length).map(printable).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_one_statement_that_undoes_itself_when_a_count_is_wrong() {
        let mut write = Write::default();
        assert!(write.is_empty());
        let ids = write.bind(vec![1_i64, 2]).unwrap();
        write.part("INSERT INTO a VALUES (1)");
        write.part_of(2, &format!("DELETE FROM b WHERE id = ANY({ids})")).unwrap();
        write.only_if("NOT EXISTS (SELECT FROM c)".to_owned());
        assert_eq!(
            write.parts,
            "WITH part0 AS (INSERT INTO a VALUES (1)), \
             part1 AS (DELETE FROM b WHERE id = ANY($1) RETURNING 1)"
        );
        assert_eq!(
            write.checks,
            ["(SELECT count(*) FROM part1) = $2", "NOT EXISTS (SELECT FROM c)"]
        );
    }

    #[test]
    fn what_no_text_can_hold_is_replaced() {
        assert_eq!(storable("a\0b", 9), "a\u{fffd}b");
        assert_eq!(storable("abcd", 3), "abc");
        assert!(matches!(storable("abc", 3), Cow::Borrowed(_)));
    }
}
