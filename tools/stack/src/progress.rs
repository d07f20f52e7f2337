use std::fs;
use std::io::{IsTerminal, stderr};
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::error::Error;

const REDRAW: Duration = Duration::from_millis(250);

/// Tells a person on standard error what is going on: bars on a terminal, plain lines elsewhere.
pub(crate) struct Progress {
    quiet: bool,
    terminal: bool,
    bars: MultiProgress,
}

impl Progress {
    pub(crate) fn new(quiet: bool) -> Self {
        Self { quiet, terminal: stderr().is_terminal(), bars: MultiProgress::new() }
    }

    pub(crate) fn say(&self, line: &str) {
        if !self.quiet {
            self.bars.suspend(|| eprintln!("{line}"));
        }
    }

    /// Drives `work`, which fills `directory` with about `megabytes`, and shows how far it is.
    pub(crate) async fn fetching<T>(
        &self,
        what: &str,
        megabytes: u64,
        directory: &Path,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let began = Instant::now();
        let bar = self.bar(what, megabytes);
        if !self.terminal {
            self.say(&format!("fetching {what}, about {megabytes} MB"));
        }
        let mut redraw = tokio::time::interval(REDRAW);
        let mut work = std::pin::pin!(work);
        let outcome = loop {
            tokio::select! {
                outcome = &mut work => break outcome,
                _ = redraw.tick() => bar.set_position(megabytes_in(directory)),
            }
        };
        bar.finish_and_clear();
        if outcome.is_ok() {
            let (fetched, seconds) = (megabytes_in(directory), began.elapsed().as_secs_f64());
            self.say(&format!("fetched {what}: {fetched} MB in {seconds:.1} s"));
        }
        outcome
    }

    fn bar(&self, what: &str, megabytes: u64) -> ProgressBar {
        if self.quiet || !self.terminal {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{spinner} {msg:24} {bar:30} {pos}/{len} MB")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(megabytes).with_style(style).with_message(what.to_owned());
        bar.enable_steady_tick(REDRAW);
        self.bars.add(bar)
    }
}

fn megabytes_in(directory: &Path) -> u64 {
    bytes_in(directory) / 1_000_000
}

/// Files may come and go meanwhile: what cannot be read counts nothing.
fn bytes_in(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => bytes_in(&entry.path()),
            _ => entry.metadata().map_or(0, |metadata| metadata.len()),
        })
        .sum()
}
