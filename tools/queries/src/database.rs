//! One database with the tables of all crates at once: no two have a name in common.

use anyhow::Context as _;
use sqlx::migrate::Migrator;
use sqlx::{Connection as _, PgConnection};
use stack::Stack;

use crate::crates::Crate;

const NAME: &str = "queries";

/// Creates it and runs the crates' migrations in it, one crate after the other; returns its URL.
pub(crate) async fn create(stack: &Stack, migrated: &[Crate]) -> anyhow::Result<String> {
    stack.create_database(NAME).await?;
    let url = stack.postgres_url(NAME);
    let mut connection = PgConnection::connect(&url).await.context("Postgres lets nobody in")?;
    for package in migrated {
        let failed = || format!("the migrations of {} cannot be run", package.place);
        let mut migrator = Migrator::new(package.migrations()).await.with_context(failed)?;
        // Each counts its migrations from one.
        let table = format!("{}_migrations", package.name.replace('-', "_"));
        migrator.dangerous_set_table_name(table);
        migrator.run_direct(None, &mut connection, false).await.with_context(failed)?;
    }
    Ok(url)
}
