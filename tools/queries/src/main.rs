//! Keeps each crate's `.sqlx` as its `sqlx::query!`s need it.
//!
//! The macros check a query while the crate is compiled. What they must know of the database they
//! read from `.sqlx`, one entry per query, so that a build needs no database; this program has them
//! write it. It starts Postgres, runs the migrations of all crates in one database, and has all
//! crates with such queries compiled against it.

mod crates;
mod database;
mod entries;
mod expand;

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use stack::{Options, PostgresVersion, Serve, Stack};

use crate::crates::Workspace;
use crate::entries::Entries;

/// Checks queries against the databases' tables: what `sqlx::query!` needs, in each crate's .sqlx.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Copy, Subcommand)]
enum Action {
    /// Write what the queries in the code need, and remove the rest
    Write,
    /// Only tell, by exit code 1 and line by line, where .sqlx is not what the code needs
    Check,
}

fn main() -> ExitCode {
    if let Some(directory) = expand::called_by_cargo() {
        // Only returns when the compiler can't be started.
        eprintln!("farandole-queries: {:#}", expand::become_compiler(&directory));
        return ExitCode::FAILURE;
    }
    run(Arguments::parse().action).unwrap_or_else(|error| {
        eprintln!("farandole-queries: {error:#}");
        ExitCode::FAILURE
    })
}

#[tokio::main]
async fn run(action: Action) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::read()?;
    if workspace.checked.is_empty() {
        println!("no crate has checked queries");
        return Ok(ExitCode::SUCCESS);
    }
    for package in &workspace.checked {
        package.reads_our_variable()?;
    }
    // One version for all who write entries, whatever their tests run on.
    let options = Options {
        kafka: Serve::No,
        registry: Serve::No,
        postgres_version: Some(PostgresVersion::default()),
        ..Options::default()
    };
    let stack = Stack::start(options).await?;
    let outcome = on(&stack, &workspace, action).await;
    stack.stop().await;
    outcome
}

async fn on(stack: &Stack, workspace: &Workspace, action: Action) -> anyhow::Result<ExitCode> {
    let url = database::create(stack, &workspace.migrated).await?;
    let needed = tempfile::tempdir().context("no temporary directory can be made")?;
    expand::all(workspace, &url, needed.path()).await?;
    let mut differences = 0;
    for package in &workspace.checked {
        let needed = Entries::read(&needed.path().join(&package.name))?;
        let kept = Entries::read(&package.entries())?;
        let changes = kept.changes_to(&needed);
        println!("{}: {} checked queries, {changes}", package.place, needed.len());
        if !changes.is_empty() {
            differences += 1;
            if let Action::Write = action {
                needed.replace(&kept, &package.entries())?;
                // Cargo does not know that these files are read, and compiles anew what is newer.
                package.touch()?;
            }
        }
    }
    if differences > 0 && matches!(action, Action::Check) {
        bail!(
            "the code's queries need other entries in .sqlx: run `make queries`, and commit them"
        );
    }
    Ok(ExitCode::SUCCESS)
}
