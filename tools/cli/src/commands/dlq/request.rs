use std::io::{self, BufRead as _, IsTerminal as _};

use super::author::Author;
use super::operations::{Began, Kind};
use super::selection::Selection;
use super::text::letters;

/// Which letters something is to be done about, by whom, and how to go about it.
#[derive(Debug, clap::Args)]
pub(super) struct Request {
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) selection: Selection,
    #[command(flatten)]
    pub(super) author: Author,
}

impl Request {
    /// Asks for a yes before something is done about several, if somebody sits there to be asked.
    pub(super) fn confirmed(&self, verb: &str, count: usize) -> io::Result<bool> {
        if count <= 1 || self.yes || !io::stdin().is_terminal() {
            return Ok(true);
        }
        eprint!("{verb} {}? [y/N] ", letters(count));
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }

    pub(super) fn begins(&self, kind: Kind, count: usize, reason: Option<&str>) -> Began {
        self.author.begins(kind, self.selection.words(), count, reason)
    }
}
