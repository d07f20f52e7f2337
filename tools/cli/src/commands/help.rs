//! What the program says of itself: completions for shells, and man pages.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;

use crate::command_line::Arguments;
use crate::print::{print, print_own};

#[derive(clap::Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

#[derive(clap::Args)]
pub(crate) struct Man {
    /// Where to write them; it is made if it is not there
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// Prints what a shell needs to complete the words of a command line.
pub(crate) fn completions(arguments: &Completions) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "farandole", &mut script);
    print_own(String::from_utf8_lossy(&script).trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a man page for the program and each of its commands.
pub(crate) fn man(arguments: &Man) -> anyhow::Result<ExitCode> {
    let directory = &arguments.directory;
    std::fs::create_dir_all(directory)?;
    let mut command = Arguments::command();
    command.build();
    let written = write(&command, directory)?;
    print(&format!(
        "{written} pages are in {}. Next: man -l {0}/farandole.1",
        directory.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn write(command: &Command, directory: &Path) -> io::Result<usize> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone().name(name.clone())).render(&mut page)?;
    std::fs::write(directory.join(format!("{name}.1")), page)?;
    let mut written = 1;
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        written += write(below, directory)?;
    }
    Ok(written)
}

/// Makes the usage line of an error that of the command alone: what the environment says counts as
/// said on the command line otherwise, and is shown as if it had to be.
pub(crate) fn tidy(error: &mut clap::Error) {
    if error.get(ContextKind::Usage).is_none() {
        return;
    }
    let mut command = Arguments::command();
    command.build();
    let mut at = command;
    for word in std::env::args().skip(1) {
        if let Some(below) = at.find_subcommand(&word) {
            at = below.clone();
        }
    }
    let usage = at.render_usage();
    error.insert(ContextKind::Usage, ContextValue::StyledStr(usage));
}
