//! `<service> replay`: reads a stretch of the topics again.

use std::io::IsTerminal as _;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::{Span, Timestamp};
use kafka::{Bounds, Window};
use messaging::{Monitor, Replay, Replayed, Stretch};
use tokio_util::sync::CancellationToken;

use crate::Settings;
use crate::run::App;

/// What to read again, and how.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ReplayArguments {
    /// Where to begin: a time (2026-01-31T12:00:00Z), how long ago (2h, 30m), or offsets as
    /// topic/partition/offset, several separated by commas; then only these partitions are read.
    #[arg(long, value_name = "TIME|OFFSETS", value_parser = place)]
    from: Place,
    /// Where to end, before the record of that time or offset; by default with what the topics
    /// hold now.
    #[arg(long, value_name = "TIME|OFFSETS", value_parser = place)]
    to: Option<Place>,
    /// The most records a second; 0 for as many as there are.
    #[arg(long, value_name = "RECORDS", default_value_t = 1_000)]
    rate: u32,
    /// Lets events lead to calls to the outside (charges, refunds, bookings, messages), which the
    /// running service then makes. Without this, an event that would is left alone and counted.
    #[arg(long)]
    with_effects: bool,
}

/// A point in the topics.
#[derive(Debug, Clone)]
enum Place {
    Time(Timestamp),
    Offsets(Vec<(String, i32, i64)>),
}

fn place(text: &str) -> Result<Place, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(Place::Time(time));
    }
    if let Ok(ago) = text.parse::<Span>() {
        let now = Timestamp::now();
        return now.checked_sub(ago.abs()).map(Place::Time).map_err(|error| error.to_string());
    }
    let offset = |text: &str| {
        let (rest, offset) = text.trim().rsplit_once('/')?;
        let (topic, partition) = rest.rsplit_once('/')?;
        Some((topic.to_owned(), partition.parse().ok()?, offset.parse().ok()?))
    };
    text.split(',').map(offset).collect::<Option<_>>().map(Place::Offsets).ok_or_else(|| {
        "expected 2026-01-31T12:00:00Z, 2h or order.events/0/17,order.events/1/20".to_owned()
    })
}

impl ReplayArguments {
    fn stretch(&self) -> anyhow::Result<Stretch> {
        match (&self.from, &self.to) {
            (Place::Time(from), None) => {
                Ok(Stretch::Times(Bounds::Times { from: Some(*from), to: None }))
            }
            (Place::Time(from), Some(Place::Time(to))) => {
                anyhow::ensure!(from < to, "--from {from} is not before --to {to}");
                Ok(Stretch::Times(Bounds::Times { from: Some(*from), to: Some(*to) }))
            }
            (Place::Offsets(from), None) => windows(from, &[]),
            (Place::Offsets(from), Some(Place::Offsets(to))) => windows(from, to),
            _ => anyhow::bail!("--from and --to are both times or both offsets"),
        }
    }
}

fn windows(from: &[(String, i32, i64)], to: &[(String, i32, i64)]) -> anyhow::Result<Stretch> {
    let same =
        |one: &(String, i32, i64), other: &(String, i32, i64)| one.0 == other.0 && one.1 == other.1;
    if let Some(stray) = to.iter().find(|end| !from.iter().any(|begin| same(begin, end))) {
        anyhow::bail!("--to names {}/{}, which --from does not", stray.0, stray.1);
    }
    let window = |begin: &(String, i32, i64)| Window {
        topic: begin.0.clone(),
        partition: begin.1,
        from: begin.2,
        to: to.iter().find(|end| same(begin, end)).map_or(i64::MAX, |end| end.2),
    };
    Ok(Stretch::Offsets(from.iter().map(window).collect()))
}

/// Reads again, showing how far it has come, and tells what came of it. An error if something
/// failed.
pub(crate) async fn replay<A: App>(
    settings: &Settings,
    arguments: &ReplayArguments,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let stretch = arguments.stretch()?;
    let rate = NonZeroU32::new(arguments.rate);
    let replay = Replay { stretch, rate, with_effects: arguments.with_effects };
    let bar = progress_bar();
    let show = |replayed: &Replayed| {
        bar.set_length(replayed.total);
        bar.set_position(replayed.read);
        bar.set_message(counts(replayed));
    };
    let (database, messaging) = (settings.database(), settings.messaging());
    let replayed =
        replay.run(A::default(), &database, messaging, Arc::new(Waits), stop, show).await;
    bar.finish_and_clear();
    let replayed = replayed.context("the replay did not come to its end")?;
    report(&replayed);
    anyhow::ensure!(
        replayed.failed == 0,
        "{} records failed, for the reasons above; nothing happened to them",
        replayed.failed
    );
    Ok(())
}

fn progress_bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = "{bar:30} {pos}/{len} records, {per_sec}, {eta} left  {msg}";
    let style =
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(0).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

fn counts(replayed: &Replayed) -> String {
    let Replayed { applied, duplicates, failed, .. } = replayed;
    format!("{applied} applied, {duplicates} duplicates, {failed} failed")
}

fn report(replayed: &Replayed) {
    let Replayed { read, skipped, duplicates, applied, held, withheld, dead, failed, .. } =
        replayed;
    let failures = &replayed.failures;
    println!("{read:>10}  records read");
    println!("{skipped:>10}  not for this service");
    println!("{duplicates:>10}  duplicates: processed before, nothing happened");
    println!("{applied:>10}  applied now");
    println!("{held:>10}  put into the retry queue, behind others of their sagas");
    println!("{withheld:>10}  left alone: they would make a call to the outside (--with-effects)");
    println!("{dead:>10}  dead letters already (farandole dlq list)");
    println!("{failed:>10}  failed");
    for failure in failures {
        let saga = failure.saga.map_or_else(|| "-".to_owned(), |saga| saga.to_string());
        println!("{}  saga {saga}: {}", failure.place, failure.reason);
    }
    let described = failures.len() as u64;
    if described < failed + withheld {
        println!("and {} more", failed + withheld - described);
    }
}

/// Says what the replay waits for.
struct Waits;

impl Monitor for Waits {
    fn up(&self, _: &'static str) {}

    fn down(&self, part: &'static str, reason: &str) {
        eprintln!("waiting for {part}: {reason}");
    }

    fn beat(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_times_ages_or_offsets() {
        assert!(matches!(place("2026-01-31T12:00:00Z"), Ok(Place::Time(_))));
        let Ok(Place::Time(ago)) = place("2h") else { panic!() };
        let age = Timestamp::now().duration_since(ago);
        assert_eq!(age.as_secs() / 10, 720);
        let Ok(Place::Offsets(offsets)) = place("a.order.events/0/17,b/1/2") else { panic!() };
        assert_eq!(offsets, [("a.order.events".to_owned(), 0, 17), ("b".to_owned(), 1, 2)]);
        for wrong in ["", "yesterday", "order.events/0", "order.events/x/1"] {
            assert!(place(wrong).unwrap_err().contains("expected"), "{wrong}");
        }
    }
}
