//! Having sqlx's macros write their entries: cargo checks the crates, and calls this program in the
//! compiler's place for each crate of the workspace.
//!
//! So each crate gets a directory of its own for its entries in one run of cargo. And cargo keeps
//! what it makes this way apart from what it makes otherwise, so that other builds stay as they are.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command as Compiler;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use tokio::process::Command;
use tokio::time::timeout;

use crate::crates::{VARIABLE, Workspace};

/// Where the entries go, a directory per crate; says, too, that cargo is our caller.
const INTO: &str = "FARANDOLE_QUERIES_INTO";

/// A check of everything from nothing takes some minutes.
const LIMIT: Duration = Duration::from_mins(30);

/// Has the macros of all checked crates look at the database, and write their entries below `into`.
pub(crate) async fn all(workspace: &Workspace, url: &str, into: &Path) -> anyhow::Result<()> {
    let mut touched = Vec::new();
    for package in &workspace.checked {
        let directory = into.join(&package.name);
        fs::create_dir(&directory)
            .with_context(|| format!("{} cannot be created", directory.display()))?;
        // Cargo does not know that the macros depend on a database.
        touched.push(package.touch_for_now()?);
    }
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // All of the workspace, for then its dependencies have the features that other checks give them.
    cargo.args(["check", "--quiet", "--workspace"]).current_dir(&workspace.root);
    cargo.env("RUSTC_WORKSPACE_WRAPPER", env::current_exe().context("where is this program?")?);
    // One that keeps what was compiled would keep the macros from running.
    cargo.env("RUSTC_WRAPPER", "");
    cargo.env(INTO, into).env(VARIABLE, url).env("SQLX_OFFLINE", "false").kill_on_drop(true);
    let mut cargo = cargo.spawn().context("cargo cannot be started")?;
    let status = timeout(LIMIT, cargo.wait()).await;
    let status = status.with_context(|| format!("cargo check took over {LIMIT:?}"))??;
    if !status.success() {
        bail!(
            "the crates do not compile against the tables that their migrations make: correct what \
             is told above (where sqlx asks for DATABASE_URL, the crate needs a sqlx.toml, as \
             ARCHITECTURE.md has it)"
        );
    }
    Ok(())
}

/// The directory for entries, if cargo runs this program as a compiler.
pub(crate) fn called_by_cargo() -> Option<PathBuf> {
    env::var_os(INTO).map(PathBuf::from)
}

/// Becomes the compiler that the arguments name; returns only when that fails.
pub(crate) fn become_compiler(into: &Path) -> anyhow::Error {
    let mut arguments = env::args_os().skip(1);
    let program: OsString = arguments.next().unwrap_or_else(|| "rustc".into());
    let mut compiler = Compiler::new(&program);
    compiler.args(arguments);
    // None when cargo only asks for the compiler's version.
    if let Some(package) = env::var_os("CARGO_PKG_NAME") {
        compiler.env("SQLX_OFFLINE_DIR", into.join(package));
    }
    anyhow!("{} cannot be started: {}", program.display(), compiler.exec())
}
