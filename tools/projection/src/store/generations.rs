//! Generations: while one is made anew from the topics, the one before serves.

use std::time::Duration;

use sqlx::PgConnection;

use super::{Error, schema};

/// What this code reads and writes. Another number has the read model made anew.
const FORMAT: i32 = 1;
/// So long a generation is there, and kept up, after another took its place: who was about to read it, or has
/// not yet heard of the other, finds it.
const SHOWN_ON: Duration = Duration::from_secs(30);
/// One console at a time makes and removes generations.
const ONE_AT_A_TIME: &str = "SELECT pg_advisory_xact_lock(hashtext('farandole generations'))";

/// A generation of the read model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation {
    /// Its number, from 1.
    pub number: i32,
    /// Whether it has come to where the topics ended.
    pub is_ready: bool,
}

async fn prepare(database: &mut PgConnection) -> Result<(), Error> {
    sqlx::raw_sql(
        "CREATE TABLE IF NOT EXISTS public.generations (
           number int PRIMARY KEY, format int NOT NULL, is_ready boolean NOT NULL DEFAULT false,
           made_at timestamptz NOT NULL DEFAULT now());
         ALTER TABLE public.generations ADD COLUMN IF NOT EXISTS replaced_at timestamptz",
    )
    .execute(database)
    .await?;
    Ok(())
}

/// All that this code can read, the newest last.
pub(super) async fn all(database: &mut PgConnection) -> Result<Vec<Generation>, Error> {
    let there: bool = sqlx::query_scalar("SELECT to_regclass('public.generations') IS NOT NULL")
        .fetch_one(&mut *database)
        .await?;
    if !there {
        return Ok(Vec::new());
    }
    let rows: Vec<(i32, bool)> = sqlx::query_as(
        "SELECT number, is_ready FROM public.generations WHERE format = $1 ORDER BY number",
    )
    .bind(FORMAT)
    .fetch_all(database)
    .await?;
    Ok(rows.into_iter().map(|(number, is_ready)| Generation { number, is_ready }).collect())
}

/// The one that pages show.
pub(super) async fn shown(database: &mut PgConnection) -> Result<Option<Generation>, Error> {
    let all = all(database).await?;
    Ok(all.iter().rev().find(|it| it.is_ready).or(all.last()).copied())
}

/// Those that are to be kept up: the one that is shown, and the one that is to take its place. Makes the
/// first one.
pub(crate) async fn kept_up(database: &mut PgConnection) -> Result<Vec<Generation>, Error> {
    prepare(database).await?;
    if all(database).await?.is_empty() {
        make_after(database, None).await?;
    }
    let all = all(database).await?;
    let shown = shown(database).await?;
    Ok(all.into_iter().filter(|it| shown.is_some_and(|shown| it.number >= shown.number)).collect())
}

/// Makes another, after this one, unless somebody else has.
pub(crate) async fn make_after(
    database: &mut PgConnection,
    last: Option<i32>,
) -> Result<(), Error> {
    use sqlx::Connection as _;
    let mut transaction = database.begin().await?;
    sqlx::raw_sql(ONE_AT_A_TIME).execute(&mut *transaction).await?;
    let newest: Option<i32> =
        sqlx::query_scalar("SELECT max(number) FROM public.generations WHERE format = $1")
            .bind(FORMAT)
            .fetch_one(&mut *transaction)
            .await?;
    if newest != last {
        return Ok(());
    }
    let number: i32 =
        sqlx::query_scalar("SELECT coalesce(max(number), 0) + 1 FROM public.generations")
            .fetch_one(&mut *transaction)
            .await?;
    let schema = schema(number);
    let script = format!(
        "CREATE SCHEMA {schema}; SET LOCAL search_path = {schema}; {}",
        include_str!("../schema.sql")
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(script)).execute(&mut *transaction).await?;
    sqlx::query("INSERT INTO public.generations (number, format) VALUES ($1, $2)")
        .bind(number)
        .bind(FORMAT)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(())
}

/// This one has come to where the topics ended: it is shown from now on instead of those before.
pub(super) async fn is_ready(database: &mut PgConnection, number: i32) -> Result<(), Error> {
    sqlx::query(
        "UPDATE public.generations SET is_ready = is_ready OR number = $1,
           replaced_at = CASE WHEN number < $1 THEN coalesce(replaced_at, now()) END
         WHERE number <= $1",
    )
    .bind(number)
    .execute(database)
    .await?;
    Ok(())
}

/// Removes those that nobody shows any more: others took their place long enough ago.
pub(super) async fn remove_replaced(database: &mut PgConnection) -> Result<(), Error> {
    use sqlx::Connection as _;
    let mut transaction = database.begin().await?;
    sqlx::raw_sql(ONE_AT_A_TIME).execute(&mut *transaction).await?;
    let replaced: Vec<i32> = sqlx::query_scalar(
        "DELETE FROM public.generations WHERE replaced_at < now() - make_interval(secs => $1)
         RETURNING number",
    )
    .bind(SHOWN_ON.as_secs_f64())
    .fetch_all(&mut *transaction)
    .await?;
    for number in replaced {
        let script = format!("DROP SCHEMA IF EXISTS {} CASCADE", schema(number));
        sqlx::raw_sql(sqlx::AssertSqlSafe(script)).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(())
}
