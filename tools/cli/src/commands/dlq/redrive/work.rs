use std::num::NonZeroU32;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use kafka::{AdminError, PlainRecord, Publisher, Throttle};
use tokio::time::{Instant, sleep};

use super::report::Report;
use crate::recovery::{Handled, Letter, LetterId, Observer, Outcome, Recorder, Redriven};

/// How often the services are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// The most records published at once: so many may have to be published again after a crash.
const AT_ONCE_MAX: usize = 500;

/// A redrive under way.
pub(super) struct Work<'a> {
    publisher: &'a Publisher,
    recorder: &'a Recorder<'a>,
    observer: Observer<'a>,
    how: Redriven<'a>,
    throttle: Throttle,
    bar: ProgressBar,
    refused: Vec<(LetterId, String)>,
}

impl<'a> Work<'a> {
    pub(super) fn new(
        publisher: &'a Publisher,
        recorder: &'a Recorder<'a>,
        observer: Observer<'a>,
        how: Redriven<'a>,
        rate: u32,
        letters: usize,
    ) -> Self {
        Self {
            publisher,
            recorder,
            observer,
            how,
            throttle: Throttle::new(NonZeroU32::new(rate)),
            bar: bar(letters),
            refused: Vec::new(),
        }
    }

    /// Puts all letters back, canaries first, and tells what became of them.
    pub(super) async fn run(
        &mut self,
        letters: &[&Letter],
        canaries: Option<u32>,
        patience: Duration,
    ) -> anyhow::Result<Report> {
        let (first, rest) = letters.split_at(letters.len().min(canaries.unwrap_or(0) as usize));
        if !first.is_empty() {
            self.put_back(first).await?;
            self.bar.set_message("watching the canaries");
            let outcomes = self.watch(first, patience, Outcome::is_failure).await?;
            let failed = outcomes.iter().any(|(_, outcome)| outcome.is_failure());
            if failed || outcomes.iter().any(|(_, outcome)| *outcome != Outcome::Applied) {
                self.bar.finish_and_clear();
                let why = if failed { "a canary failed again" } else { "a canary is not yet read" };
                let refused = std::mem::take(&mut self.refused);
                return Ok(Report::new(outcomes, refused).stopped(why, rest.len()));
            }
        }
        self.bar.set_message("putting back");
        self.put_back(rest).await?;
        self.bar.set_message("waiting for outcomes");
        let outcomes = self.watch(letters, patience, |_| false).await?;
        self.bar.finish_and_clear();
        Ok(Report::new(outcomes, std::mem::take(&mut self.refused)))
    }

    async fn put_back(&mut self, letters: &[&Letter]) -> Result<(), AdminError> {
        for part in letters.chunks(self.throttle.batch(AT_ONCE_MAX)) {
            self.throttle.wait(part.len()).await;
            let done = self.put_back_at_once(part).await?;
            // Only now: what is published without being noted is harmless, the other way round it
            // would be lost.
            self.recorder.done(&done).await?;
            self.bar.inc(part.len() as u64);
        }
        Ok(())
    }

    /// Puts letters back, all at once or, if Kafka refuses one of them, one by one. Returns those
    /// that Kafka has.
    async fn put_back_at_once(&mut self, letters: &[&Letter]) -> Result<Vec<Handled>, AdminError> {
        let records: Vec<(&Letter, PlainRecord)> = letters
            .iter()
            .filter_map(|letter| Some((*letter, letter.redriven(&self.how).ok()?)))
            .collect();
        let all: Vec<PlainRecord> = records.iter().map(|(_, record)| record.clone()).collect();
        match self.publisher.publish_all(&all).await {
            Ok(()) => return Ok(records.iter().map(|(letter, _)| letter.handled()).collect()),
            Err(AdminError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
        let mut done = Vec::new();
        for (letter, record) in records {
            match self.publisher.publish_all(&[record]).await {
                Ok(()) => done.push(letter.handled()),
                Err(AdminError::Refused(why)) => self.refused.push((letter.id.clone(), why)),
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Waits until it is known of all letters what became of them, or `enough` holds for one.
    async fn watch<'l>(
        &mut self,
        letters: &[&'l Letter],
        patience: Duration,
        enough: impl Fn(&Outcome) -> bool,
    ) -> anyhow::Result<Vec<(&'l Letter, Outcome)>> {
        let deadline = Instant::now() + patience;
        let mut settled: Vec<(&Letter, Outcome)> = Vec::new();
        let refused = |letter: &Letter| self.refused.iter().any(|(id, _)| *id == letter.id);
        let mut pending: Vec<&Letter> =
            letters.iter().copied().filter(|letter| !refused(letter)).collect();
        loop {
            let mut outcomes = self.observer.look(&pending).await?;
            let now = pending.iter().map(|letter| {
                let outcome = outcomes.remove(&letter.redrive_id());
                (*letter, outcome.unwrap_or(Outcome::Unread))
            });
            // What is failing may still be applied, or die.
            let (open, known): (Vec<_>, Vec<_>) = now
                .partition(|(_, outcome)| matches!(outcome, Outcome::Unread | Outcome::Failing(_)));
            let over = open.iter().all(|(_, outcome)| *outcome != Outcome::Unread)
                || open.iter().chain(&known).any(|(_, outcome)| enough(outcome))
                || Instant::now() >= deadline;
            settled.extend(known);
            if over {
                settled.extend(open);
                return Ok(settled);
            }
            pending = open.into_iter().map(|(letter, _)| letter).collect();
            sleep(LOOK_EVERY).await;
        }
    }
}

/// Shows a person on a terminal how far it is; hidden elsewhere.
fn bar(letters: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg:22} {bar:30} {pos}/{len} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(letters as u64).with_style(style).with_message("putting back")
}
