//! The workspace's crates: which have tables, and which have checked queries.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use cargo_metadata::{Metadata, MetadataCommand, Package};

/// The variable that tells sqlx's macros of a database. It has a name of its own, so that a
/// developer's `DATABASE_URL` changes no build.
pub(crate) const VARIABLE: &str = "FARANDOLE_QUERIES_DATABASE_URL";

/// What matters of the workspace that the current directory is in.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Those with migrations, in the order in which these are run.
    pub(crate) migrated: Vec<Crate>,
    /// Those with checked queries: a `sqlx.toml` says so, or entries that are there.
    pub(crate) checked: Vec<Crate>,
}

/// A crate of the workspace.
pub(crate) struct Crate {
    pub(crate) name: String,
    /// Its directory from the workspace's root, for people.
    pub(crate) place: String,
    directory: PathBuf,
    /// The files at which compiling its library and programs begins.
    roots: Vec<PathBuf>,
    /// How many others with migrations it builds upon.
    builds_upon: usize,
}

impl Workspace {
    pub(crate) fn read() -> anyhow::Result<Self> {
        let metadata = MetadataCommand::new().no_deps().exec();
        let metadata = metadata.context("run this in the workspace")?;
        let crates =
            || metadata.workspace_packages().into_iter().map(|it| Crate::of(it, &metadata));
        let mut migrated: Vec<Crate> = crates().filter(Crate::has_migrations).collect();
        migrated.sort_by_key(|it| it.builds_upon);
        let checked = crates().filter(Crate::has_checked_queries).collect();
        Ok(Self { root: metadata.workspace_root.clone().into_std_path_buf(), migrated, checked })
    }
}

impl Crate {
    fn of(package: &Package, metadata: &Metadata) -> Self {
        let manifest = package.manifest_path.as_std_path();
        let directory = manifest.parent().unwrap_or(manifest).to_owned();
        let place = directory.strip_prefix(&metadata.workspace_root).unwrap_or(&directory);
        let compiled = package.targets.iter().filter(|it| it.is_lib() || it.is_bin());
        let upon = package.dependencies.iter().filter_map(|it| it.path.as_ref());
        Self {
            name: package.name.to_string(),
            place: place.display().to_string(),
            roots: compiled.map(|target| target.src_path.clone().into_std_path_buf()).collect(),
            builds_upon: upon.filter(|path| migrations(path.as_std_path()).exists()).count(),
            directory,
        }
    }

    pub(crate) fn migrations(&self) -> PathBuf {
        migrations(&self.directory)
    }

    fn has_migrations(&self) -> bool {
        self.migrations().exists()
    }

    fn has_checked_queries(&self) -> bool {
        self.settings().exists() || self.entries().exists()
    }

    /// What sqlx's macros read before all else.
    fn settings(&self) -> PathBuf {
        self.directory.join("sqlx.toml")
    }

    /// Where the crate's entries are kept.
    pub(crate) fn entries(&self) -> PathBuf {
        self.directory.join(".sqlx")
    }

    /// An error when the crate would read another variable than the one that we set.
    pub(crate) fn reads_our_variable(&self) -> anyhow::Result<()> {
        let file = self.settings();
        let line = format!("database-url-var = \"{VARIABLE}\"");
        let text = fs::read_to_string(&file).unwrap_or_default();
        if !text.lines().any(|it| it == line) {
            bail!("{} needs the lines\n[common]\n{line}", file.display());
        }
        Ok(())
    }

    /// Makes cargo compile the crate anew.
    pub(crate) fn touch(&self) -> anyhow::Result<()> {
        self.roots.iter().try_for_each(|root| set_modified(root, SystemTime::now()))
    }

    /// The same until the value is dropped: then the files are as old as they were.
    pub(crate) fn touch_for_now(&self) -> anyhow::Result<Touched> {
        let modified = |root: &PathBuf| {
            let time = fs::metadata(root).and_then(|file| file.modified());
            Ok((root.clone(), time.with_context(|| unusable(root))?))
        };
        let touched = Touched(self.roots.iter().map(modified).collect::<anyhow::Result<_>>()?);
        self.touch()?;
        Ok(touched)
    }
}

/// Files that look new, and when they were really changed.
pub(crate) struct Touched(Vec<(PathBuf, SystemTime)>);

impl Drop for Touched {
    fn drop(&mut self) {
        for (file, time) in &self.0 {
            // Otherwise cargo compiles too much the next time, and that is all.
            let _ = set_modified(file, *time);
        }
    }
}

fn set_modified(file: &Path, time: SystemTime) -> anyhow::Result<()> {
    let opened = File::options().append(true).open(file);
    opened.and_then(|opened| opened.set_modified(time)).with_context(|| unusable(file))
}

fn unusable(file: &Path) -> String {
    format!("the times of {} cannot be read or set", file.display())
}

fn migrations(directory: &Path) -> PathBuf {
    directory.join("migrations")
}
