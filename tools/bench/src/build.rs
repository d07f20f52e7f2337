//! A build: the services' programs, and the one that prepares a fleet for them and audits it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use std::{env, process};

use anyhow::{Context as _, ensure};
use stack::fleet::SERVICES;
use tokio::process::Command;
use tokio::time::timeout;

/// The operator's tool, which each build has of its own.
const TOOL: &str = "farandole";

/// Programs that were built together, in one directory.
#[derive(Debug, Clone)]
pub(crate) struct Build {
    pub(crate) directory: PathBuf,
    /// In the tree that they were built from, as far as anybody can tell.
    tree: PathBuf,
}

impl Build {
    /// That of this program, which people start in its tree, wherever it was built.
    pub(crate) fn own() -> anyhow::Result<Self> {
        let program = env::current_exe().context("cannot tell where this program is")?;
        let directory = program.parent().unwrap_or(Path::new(".")).to_owned();
        Ok(Self { directory, tree: ".".into() })
    }

    /// The one in this directory, for the command line.
    pub(crate) fn parse(directory: &str) -> Result<Self, String> {
        // Services are started elsewhere.
        let directory = Path::new(directory).canonicalize().map_err(|error| error.to_string())?;
        match SERVICES.into_iter().chain([TOOL]).find(|name| !directory.join(name).is_file()) {
            Some(name) => Err(format!("it has no {name}; `make release` builds all programs")),
            None => Ok(Self { tree: directory.clone(), directory }),
        }
    }

    /// What Git says of the tree; `None` if it is none.
    pub(crate) fn commit(&self) -> Option<String> {
        let arguments = ["describe", "--always", "--dirty", "--exclude", "*"];
        let mut git = process::Command::new("git");
        let said = git.arg("-C").arg(&self.tree).args(arguments).output().ok()?;
        let said = said.status.success().then_some(said.stdout)?;
        Some(String::from_utf8_lossy(&said).trim().to_owned())
    }

    /// What `farandole` says; an error if it does not say within `limit` that all is well.
    pub(crate) async fn farandole(
        &self,
        arguments: &[&str],
        environment: &[(String, String)],
        limit: Duration,
    ) -> anyhow::Result<String> {
        let mut tool = Command::new(self.directory.join(TOOL));
        tool.args(arguments).envs(environment.iter().map(|(name, value)| (name, value)));
        tool.stdin(Stdio::null()).kill_on_drop(true);
        let command = format!("{TOOL} {}", arguments.join(" "));
        let output = timeout(limit, tool.output())
            .await
            .with_context(|| format!("{command} took over {limit:?}"))?
            .with_context(|| format!("cannot run {command}"))?;
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let (said, errors) = (text(&output.stdout), text(&output.stderr));
        ensure!(output.status.success(), "{command}: {}\n{said}{errors}", output.status);
        Ok(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_without_the_programs_is_no_build() {
        assert!(Build::parse("/nowhere").unwrap_err().contains("No such file"));
        assert!(Build::parse("/").unwrap_err().starts_with("it has no order;"));
    }
}
