use std::path::{Path, PathBuf};

use crate::cache::{Cache, Partial};
use crate::error::{Context, Error};
use crate::java::property;
use crate::{process, programs};

const PLUGIN: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1";

/// Runs a goal of Maven's dependency plugin that fills the returned directory. Maven's own
/// repository lies within the partial entry as well and goes with it: no second copy stays.
pub(crate) async fn dependency(
    cache: &Cache,
    partial: &Partial,
    goal: &str,
    arguments: &[String],
) -> Result<PathBuf, Error> {
    programs::require(cache, &[("mvn", "maven")]).await?;
    let output = partial.directory().join("output");
    let mut maven = process::command("mvn");
    maven.args(["--quiet", "--batch-mode", "--strict-checksums"]);
    maven.arg(property("maven.repo.local", partial.directory().join("repository")));
    maven.arg(format!("{PLUGIN}:{goal}")).arg(property("outputDirectory", &output));
    maven.args(arguments).current_dir(partial.directory());
    process::run(maven, &format!("mvn dependency:{goal}")).await?;
    Ok(output)
}

/// Unpacks the only archive with that ending in `directory` into a new directory beside it.
pub(crate) async fn unpack_only(
    cache: &Cache,
    directory: &Path,
    ending: &str,
) -> Result<PathBuf, Error> {
    programs::require(cache, &[("tar", "tar"), ("xz", "xz-utils")]).await?;
    let entries = std::fs::read_dir(directory).context("read", directory)?.flatten();
    let archive = entries
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|it| it == ending))
        .ok_or_else(|| std::io::Error::other(format!("no .{ending} file in it")))
        .context("unpack", directory)?;
    let unpacked = directory.with_file_name("unpacked");
    std::fs::create_dir(&unpacked).context("create", &unpacked)?;
    let mut tar = process::command("tar");
    tar.args(["--no-same-owner", "-xf"]).arg(&archive).arg("-C").arg(&unpacked);
    process::run(tar, &format!("unpacking {}", archive.display())).await?;
    Ok(unpacked)
}
