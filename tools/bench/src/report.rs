//! Results as files: JSON, charts, and tables within a document that people write.

mod against;
mod markdown;
mod tables;

use std::fs;
use std::path::Path;

use anyhow::Context as _;

use crate::charts::{Axes, Bar, Line, bars, lines, number};
use crate::measure::Measured;
use crate::meter::{LOAD, processes};
use crate::results::Results;

/// Between these, and only there, a run writes into the document.
const BEGIN: &str = "<!-- results: begin (written by `make bench`) -->";
const END: &str = "<!-- results: end -->";

/// Writes `performance/results.json`, `performance/*.svg` and the tables of `performance.md` in
/// this directory.
pub(crate) fn write(directory: &Path, results: &Results) -> anyhow::Result<()> {
    let details = directory.join("performance");
    fs::create_dir_all(&details).with_context(|| format!("cannot make {}", details.display()))?;
    let json = serde_json::to_string_pretty(results)? + "\n";
    fs::write(details.join("results.json"), json)?;
    draw(&details, results)?;
    let document = directory.join("performance.md");
    let text = fs::read_to_string(&document)
        .with_context(|| format!("cannot read {}", document.display()))?;
    let text = between(&text, &tables::all(results))
        .with_context(|| format!("{} has no lines {BEGIN:?} and {END:?}", document.display()))?;
    fs::write(&document, text)?;
    Ok(())
}

/// What a run before has written; nothing if there was none.
pub(crate) fn read(directory: &Path) -> anyhow::Result<Results> {
    let path = directory.join("performance/results.json");
    if !path.exists() {
        return Ok(Results::default());
    }
    let json = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&json)
        .with_context(|| format!("{} is of another version; measure without --add", path.display()))
}

/// The tables alone, for a person who waits.
pub(crate) fn text(results: &Results) -> String {
    tables::all(results)
}

fn between(document: &str, tables: &str) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", tables.trim()))
}

fn draw(directory: &Path, results: &Results) -> anyhow::Result<()> {
    let mut at_rates: Vec<&Measured> = results.latency.iter().map(|it| &it.measured).collect();
    at_rates.extend(results.rate.as_ref().map(|rate| &rate.held));
    let line = |name: &str, of: fn(&Measured) -> f64| -> Line {
        let point = |it: &&Measured| (it.load.offered_per_second, of(it));
        (name.to_owned(), at_rates.iter().map(point).collect())
    };
    let latency = [
        line("POST → completed, p99", |it| it.load.end.p99),
        line("POST → completed, p50", |it| it.load.end.p50),
        line("POST → 201, p99", |it| it.load.post.p99),
        line("POST → 201, p50", |it| it.load.post.p50),
    ];
    let axes = Axes { x: "orders a second", y: "milliseconds", logarithmic: true };
    lines(&directory.join("latency.svg"), axes, &latency)?;

    // At the low rate it is many times as much, and would hide all others.
    let above_low = at_rates.iter().filter(|it| it.load.offered_per_second > 100.0);
    let at = |it: &&Measured| bar(&format!("{}/s", number(it.load.offered_per_second)), it);
    let cost: Vec<Bar> = above_low.map(at).collect();
    bars(&directory.join("cost.svg"), "µs of CPU time per order", &cost)?;

    let grown = |it: &crate::sections::growth::Grown| {
        bar(&format!("{} there", number(f64::from(it.orders))), &it.measured)
    };
    let growth: Vec<Bar> = results.growth.iter().map(grown).collect();
    bars(&directory.join("growth.svg"), "µs of CPU time per order", &growth)?;

    if let Some(catch_up) = &results.catch_up {
        #[allow(clippy::cast_precision_loss)] // Far below 2^52 orders.
        let points = catch_up.course.iter().map(|(at, left)| (*at, *left as f64)).collect();
        let axes = Axes { x: "seconds", y: "orders under way", logarithmic: false };
        lines(&directory.join("catch-up.svg"), axes, &[("orders under way".to_owned(), points)])?;
    }
    Ok(())
}

/// What each process costs, the load generator last.
fn bar(name: &str, measured: &Measured) -> Bar {
    let part = |process: &&str| {
        let us = measured.cpu_us.get(*process).copied().unwrap_or_default();
        ((*process).to_owned(), us)
    };
    (name.to_owned(), processes().iter().chain([&LOAD]).map(part).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_people_wrote_around_the_tables() {
        let document = format!("# Title\n\n{BEGIN}\nold\n{END}\n\nAfter.\n");
        let written = between(&document, "new\n").unwrap();
        assert_eq!(written, format!("# Title\n\n{BEGIN}\n\nnew\n\n{END}\n\nAfter.\n"));
        assert_eq!(between(&written, "new").unwrap(), written, "again changes nothing");
        assert_eq!(between("no place", "new"), None);
    }

    #[test]
    fn draws_only_what_was_measured() {
        let directory = std::env::temp_dir().join(format!("bench-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("performance.md"), format!("{BEGIN}\n{END}\n")).unwrap();
        write(&directory, &Results::default()).unwrap();
        assert!(!directory.join("performance/latency.svg").exists());
        fs::remove_dir_all(&directory).unwrap();
    }
}
