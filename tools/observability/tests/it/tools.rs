//! Prometheus' programs.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs promtool in this directory: the one that `PROMTOOL` names, or else that on the path.
pub(crate) fn promtool(directory: &Path, arguments: &[&str]) -> Output {
    run("promtool", "PROMTOOL", directory, arguments)
}

/// Runs amtool; the one that `AMTOOL` names, or that beside promtool, or that on the path.
pub(crate) fn amtool(directory: &Path, arguments: &[&str]) -> Output {
    run("amtool", "AMTOOL", directory, arguments)
}

fn run(program: &str, variable: &str, directory: &Path, arguments: &[&str]) -> Output {
    let beside = || {
        let promtool = PathBuf::from(env::var_os("PROMTOOL")?);
        Some(promtool.with_file_name(program)).filter(|it| it.exists())
    };
    let named = env::var_os(variable).map(PathBuf::from).or_else(beside);
    let path = named.unwrap_or_else(|| program.into());
    let ran = Command::new(&path).args(arguments).current_dir(directory).output();
    ran.unwrap_or_else(|error| {
        panic!(
            "{} cannot be run ({error}), and the rules are tried with it: run tools/prerequisites prometheus, \
             install the packages prometheus and prometheus-alertmanager, or set {variable}",
            path.display()
        )
    })
}

/// All that a program has said.
pub(crate) fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}
