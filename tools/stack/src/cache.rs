use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::directory::{create_reachable, remove_if_there, temporary_in, try_lock};
use crate::error::{Context, Error};
use crate::process;

/// How long to wait for another process that fetches the same thing, over a slow line.
const LOCK_LIMIT: Duration = Duration::from_mins(20);

/// What was fetched, by name and version; entries are complete or absent.
pub(crate) struct Cache {
    directory: PathBuf,
}

/// An entry in the making. It is ours alone until kept or dropped.
pub(crate) struct Partial {
    directory: TempDir,
    entry: PathBuf,
    _lock: File,
}

impl Cache {
    /// `chosen`, or `FARANDOLE_CACHE`, or the usual place for this user.
    pub(crate) fn open(chosen: Option<&Path>) -> Result<Self, Error> {
        let directory = chosen.map_or_else(usual_place, Path::to_owned);
        let directory = std::path::absolute(&directory).context("find", &directory)?;
        create_reachable(&directory)?;
        Ok(Self { directory })
    }

    pub(crate) fn entry(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A place to build the entry in, or `None` when the entry is there already.
    pub(crate) async fn missing(&self, name: &str) -> Result<Option<Partial>, Error> {
        let entry = self.entry(name);
        if entry.exists() {
            return Ok(None);
        }
        let lock = self.lock(name).await?;
        if entry.exists() {
            return Ok(None);
        }
        let prefix = format!("{name}.partial-");
        for stale in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            if stale.file_name().to_string_lossy().starts_with(&prefix) {
                // Its owner was killed, but a command of his may still write there.
                let _ = fs::remove_dir_all(stale.path());
            }
        }
        let directory = temporary_in(&self.directory, &prefix)?;
        Ok(Some(Partial { directory, entry, _lock: lock }))
    }

    /// Waits until no other process, nor another task of this one, holds the lock of that name.
    pub(crate) async fn lock(&self, name: &str) -> Result<File, Error> {
        let path = self.entry(&format!("{name}.lock"));
        let deadline = Instant::now() + LOCK_LIMIT;
        loop {
            if let Some(lock) = try_lock(&path)? {
                return Ok(lock);
            }
            if Instant::now() > deadline {
                return Err(Error::InUse(path));
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Partial {
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Makes `content`, a directory within the partial one, the entry, and removes the rest.
    pub(crate) fn keep(self, content: &Path) -> Result<(), Error> {
        fs::rename(content, &self.entry).context("rename", content)
    }
}

/// Copies a prepared data directory with its owner, unless the copy is there already.
pub(crate) async fn copy_template(template: &Path, target: &Path) -> Result<(), Error> {
    if target.exists() {
        return Ok(());
    }
    let partial = target.with_extension("partial");
    remove_if_there(&partial)?;
    let mut copy = process::command("cp");
    copy.args(["-a", "--reflink=auto"]).arg(template).arg(&partial);
    process::run(copy, "copying the data template").await?;
    fs::rename(&partial, target).context("rename", &partial)
}

fn usual_place() -> PathBuf {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(chosen) = variable("FARANDOLE_CACHE") {
        return chosen;
    }
    if process::is_root() {
        // Root's home is closed to the user that runs Postgres.
        return PathBuf::from("/var/cache/farandole");
    }
    variable("XDG_CACHE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(env::temp_dir)
        .join("farandole")
}
