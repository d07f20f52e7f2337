//! What a person who waits sees on standard error.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};
use load::{Progress, Stage};

/// Lines that stay, and one that tells what is under way.
pub(crate) struct Show {
    bar: ProgressBar,
}

impl Show {
    pub(crate) fn new() -> Self {
        let bar = if std::io::stderr().is_terminal() {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::hidden()
        };
        let style = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}");
        Self { bar: bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner())) }
    }

    /// A line that stays.
    pub(crate) fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    pub(crate) fn message(&self, text: &str) {
        self.bar.set_message(text.to_owned());
        self.bar.tick();
    }

    pub(crate) fn progress(&self, what: &str, progress: Progress) {
        let Progress { stage, offered, ended, under_way, .. } = progress;
        let stage = if stage == Stage::Draining { ", the last ones" } else { "" };
        self.message(&format!(
            "{what}{stage}: {offered} offered, {ended} ended, {under_way} under way"
        ));
    }
}
