//! Programs of the machine that fetching and running the parts takes.

use tokio::process::Command;

use crate::cache::Cache;
use crate::error::Error;
use crate::process::{is_root, run};

/// Sees to it that programs are there: installs their packages where that is ours to do.
pub(crate) async fn require(cache: &Cache, programs: &[(&str, &str)]) -> Result<(), Error> {
    if missing(programs).await.is_empty() {
        return Ok(());
    }
    let _one_at_a_time = cache.lock("apt-get").await?;
    let missing = missing(programs).await;
    let packages: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !is_root() || !runs("apt-get --version").await {
        let programs: Vec<&str> = missing.iter().map(|(program, _)| *program).collect();
        return Err(Error::MissingPrograms {
            programs: programs.join(", "),
            packages: packages.join(" "),
        });
    }
    let mut update = Command::new("apt-get");
    update.arg("update");
    run(update, "apt-get update").await?;
    let mut install = Command::new("apt-get");
    install.args(["install", "-y", "--no-install-recommends"]).args(&packages);
    install.env("DEBIAN_FRONTEND", "noninteractive");
    run(install, &format!("apt-get install {}", packages.join(" "))).await?;
    Ok(())
}

async fn missing<'a>(programs: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut missing = Vec::new();
    for (program, package) in programs {
        if !runs(&format!("{program} --version")).await {
            missing.push((*program, *package));
        }
    }
    missing
}

async fn runs(command: &str) -> bool {
    let mut words = command.split(' ');
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    run(command, "looking for a program").await.is_ok()
}
