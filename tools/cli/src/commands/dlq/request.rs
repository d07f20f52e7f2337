use std::io::{self, BufRead as _, IsTerminal as _};

use super::author::Author;
use super::text::letters;
use crate::command_line::Misused;
use crate::print::prompt;
use crate::recovery::{Began, Kind, Selection};

/// Which letters something is to be done about, by whom, and how to go about it.
#[derive(Debug, clap::Args)]
pub(super) struct Request {
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    consent: Consent,
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) selection: Selection,
    #[command(flatten)]
    pub(super) author: Author,
}

/// Whether a person is to be asked.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Consent {
    /// Do not ask. Needed where nobody can be asked, as in a script
    #[arg(long, short)]
    yes: bool,
}

impl Consent {
    /// Asks for a yes. An error where nobody sits there to be asked.
    pub(crate) fn given(self, question: &str) -> anyhow::Result<bool> {
        if self.yes {
            return Ok(true);
        }
        if !io::stdin().is_terminal() {
            let why = format!("{question} Nobody is there to be asked: add --yes");
            return Err(Misused(why).into());
        }
        prompt(&format!("{question} [y/N] "))?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }
}

impl Request {
    /// Asks for a yes before something is done about several letters.
    pub(super) fn confirmed(&self, verb: &str, count: usize) -> anyhow::Result<bool> {
        Ok(count <= 1 || self.consent.given(&format!("{verb} {}?", letters(count)))?)
    }

    pub(super) fn begins(&self, kind: Kind, count: usize, reason: Option<&str>) -> Began {
        self.author.begins(kind, self.selection.words(), count, reason)
    }
}
