//! Directories: the ones Postgres can reach, the run directory, and locks on both.

use std::env;
use std::fs::{self, File, Permissions, TryLockError};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::{Context, Error};
use crate::process;

const PREFIX: &str = "farandole-";
const LOCK: &str = "lock";

/// Where one stack keeps its data and logs. The lock in it says whether its owner still lives:
/// the system drops it with the process, however that ended.
pub(crate) struct RunDirectory {
    path: PathBuf,
    temporary: bool,
    _lock: File,
}

impl RunDirectory {
    /// Takes `data`, which stays, or a temporary directory, which goes with this value.
    pub(crate) fn create(data: Option<&Path>) -> Result<Self, Error> {
        if let Some(data) = data {
            let path = std::path::absolute(data).context("find", data)?;
            create_reachable(&path)?;
            let lock = try_lock(&path.join(LOCK))?.ok_or_else(|| Error::InUse(path.clone()))?;
            empty_scratch(&path)?;
            return Ok(Self { path, temporary: false, _lock: lock });
        }
        let parent = env::temp_dir();
        check_reachable(&parent)?;
        remove_abandoned(&parent);
        let path = temporary_in(&parent, PREFIX)?.keep();
        // Locked under another name first: nobody may see a lock file whose lock is not yet held.
        let unborn = path.join("lock.new");
        let lock = try_lock(&unborn)?.ok_or_else(|| Error::InUse(path.clone()))?;
        fs::rename(&unborn, path.join(LOCK)).context("rename", &unborn)?;
        empty_scratch(&path)?;
        Ok(Self { path, temporary: true, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether what is in it goes with this value.
    pub(crate) fn is_temporary(&self) -> bool {
        self.temporary
    }
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        if self.temporary {
            // What cannot be removed now, the next start removes.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// The place, within a run directory, for the parts' temporary files.
pub(crate) fn scratch(run_directory: &Path) -> PathBuf {
    run_directory.join("tmp")
}

fn empty_scratch(run_directory: &Path) -> Result<(), Error> {
    let scratch = scratch(run_directory);
    remove_if_there(&scratch)?;
    fs::create_dir(&scratch).context("create", &scratch)
}

pub(crate) fn remove_if_there(directory: &Path) -> Result<(), Error> {
    if directory.exists() {
        fs::remove_dir_all(directory).context("remove", directory)?;
    }
    Ok(())
}

/// Removes the run directories of ours whose owners died without doing it themselves.
fn remove_abandoned(parent: &Path) {
    let user = process::effective_user();
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry.metadata().is_ok_and(|it| it.is_dir() && it.uid() == user);
        let Ok(lock) = File::open(entry.path().join(LOCK)) else { continue };
        if ours && lock.try_lock().is_ok() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The lock on a file, created if missing, or `None` when another process or value has it.
pub(crate) fn try_lock(path: &Path) -> Result<Option<File>, Error> {
    let file = File::options().create(true).append(true).open(path).context("open", path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).context("lock", path),
    }
}

/// Creates a directory that the user who runs Postgres can enter, whatever our umask is.
pub(crate) fn create_reachable(path: &Path) -> Result<(), Error> {
    if !path.exists() {
        fs::create_dir_all(path).context("create", path)?;
        fs::set_permissions(path, Permissions::from_mode(0o755)).context("open", path)?;
    }
    check_reachable(path)
}

/// The same for a new directory that goes with the value.
pub(crate) fn temporary_in(parent: &Path, prefix: &str) -> Result<TempDir, Error> {
    let directory = tempfile::Builder::new().prefix(prefix).tempdir_in(parent);
    let directory = directory.context("create a directory in", parent)?;
    let path = directory.path();
    fs::set_permissions(path, Permissions::from_mode(0o755)).context("open", path)?;
    Ok(directory)
}

fn check_reachable(path: &Path) -> Result<(), Error> {
    if !process::is_root() {
        return Ok(());
    }
    for directory in path.ancestors() {
        let mode = fs::metadata(directory).context("look at", directory)?.permissions().mode();
        if mode & 0o001 == 0 {
            return Err(Error::Unreachable(directory.to_owned()));
        }
    }
    Ok(())
}
