//! The tables of two builds.

use stack::fleet::SERVICES;

use super::markdown::{milliseconds, section};
use crate::charts::number;
use crate::measure::Measured;
use crate::meter::processes;
use crate::sections::against::{Against, Compared, Turn};

/// Something that was measured of both.
struct Quantity {
    name: &'static str,
    of: fn(&Measured) -> f64,
    written: fn(f64) -> String,
}

const QUANTITIES: [Quantity; 8] = [
    Quantity { name: "completed/s", of: |it| it.load.ended_per_second, written: number },
    Quantity { name: "CPU µs per order", of: |it| it.cpu_us_fleet, written: number },
    Quantity { name: "p50 ms", of: |it| it.load.end.p50, written: milliseconds },
    Quantity { name: "p99", of: |it| it.load.end.p99, written: milliseconds },
    Quantity { name: "POST p99", of: |it| it.load.post.p99, written: milliseconds },
    Quantity { name: "largest service MiB", of: largest, written: number },
    Quantity { name: "transactions", of: |it| it.commits_per_order, written: thousandths },
    Quantity { name: "WAL bytes", of: |it| it.wal_bytes_per_order, written: number },
];

fn largest(measured: &Measured) -> f64 {
    let of = |service: &&str| measured.memory_mib.get(*service).copied().unwrap_or_default();
    SERVICES.iter().map(of).fold(0.0, f64::max)
}

fn thousandths(value: f64) -> String {
    format!("{value:.3}")
}

/// How the two compare, and what each came to.
pub(super) fn tables(against: Option<&Against>) -> String {
    let Some(it) = against else { return String::new() };
    [ratios(it), medians(it), costs(it)].join("\n")
}

fn ratios(it: &Against) -> String {
    let cell = |compared: &Compared, quantity: &Quantity| {
        let ratio = |turn: &Turn| (quantity.of)(&turn.this) / (quantity.of)(&turn.other);
        let (middle, least, most) = spread(compared.turns.iter().map(ratio).collect());
        format!("**{middle:.2}** ({least:.2} to {most:.2})")
    };
    let row = |compared: &Compared| {
        let cells = QUANTITIES.iter().map(|quantity| cell(compared, quantity));
        [compared.scene.to_string()].into_iter().chain(cells).collect::<Vec<_>>()
    };
    let rows: Vec<_> = it.compared.iter().map(row).collect();
    let turns = it.compared.iter().map(|compared| compared.turns.len()).max().unwrap_or_default();
    let about = format!(
        "This build and {}, in turns on one stack, {turns} of {} seconds each: the ratio of this \
         build's turn to the other's, in the median of the turns, and from the least to the most. p50 \
         and p99 are those of the whole dance; memory is that of all instances of a service. The \
         audits over {} orders found nothing.",
        other(it),
        number(it.turn_seconds),
        number(f64::from(u32::try_from(it.audited).unwrap_or(u32::MAX))),
    );
    let names = QUANTITIES.iter().map(|quantity| quantity.name);
    let head: Vec<&str> = ["orders/s"].into_iter().chain(names).collect();
    section("Two builds", &about, &head, &rows)
}

fn medians(it: &Against) -> String {
    let names: Vec<&str> = QUANTITIES.iter().map(|quantity| quantity.name).collect();
    let cells = |all: &[&Measured]| {
        let cell = |quantity: &Quantity| {
            (quantity.written)(median(all.iter().map(|it| (quantity.of)(it)).collect()))
        };
        QUANTITIES.iter().map(cell).collect()
    };
    both("What both came to", "In the median of the turns.", &names, it, cells)
}

fn costs(it: &Against) -> String {
    let names = processes();
    let cells = |all: &[&Measured]| {
        let cell = |process: &&str| {
            let us = all.iter().map(|it| it.cpu_us.get(*process).copied().unwrap_or_default());
            number(median(us.collect()))
        };
        names.iter().map(cell).collect()
    };
    let about = "CPU time per order in microseconds, in the median of the turns.";
    both("What both cost", about, &names, it, cells)
}

/// A table with two rows for each load.
fn both(
    title: &str,
    about: &str,
    names: &[&str],
    it: &Against,
    cells: impl Fn(&[&Measured]) -> Vec<String>,
) -> String {
    let rows = it.compared.iter().flat_map(|Compared { scene, turns }| {
        let this: Vec<&Measured> = turns.iter().map(|turn| &turn.this).collect();
        let other: Vec<&Measured> = turns.iter().map(|turn| &turn.other).collect();
        [("this", this), ("other", other)]
            .map(|(build, all)| [vec![scene.to_string(), build.to_owned()], cells(&all)].concat())
    });
    let head = [&["orders/s", "build"], names].concat();
    section(title, about, &head, &rows.collect::<Vec<_>>())
}

fn other(it: &Against) -> String {
    it.commit
        .as_ref()
        .map_or_else(|| "another one".to_owned(), |commit| format!("that of {commit}"))
}

fn median(values: Vec<f64>) -> f64 {
    spread(values).0
}

/// The median, the least and the most.
fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let (Some(least), Some(most)) = (values.first(), values.last()) else { return (0.0, 0.0, 0.0) };
    let (below, above) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
    (f64::midpoint(below, above), *least, *most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::Pace;
    use crate::sections::against::Scene;

    #[test]
    fn a_ratio_is_that_of_two_turns_that_follow_each_other() {
        let measured = |cpu_us_fleet| Measured { cpu_us_fleet, ..Measured::default() };
        let turn = |(this, other)| Turn { this: measured(this), other: measured(other) };
        let turns = [(90.0, 100.0), (220.0, 200.0), (30.0, 30.0)].map(turn).into();
        let scene = Scene::new(Pace::PerSecond(50.0), 1_000, 1);
        let compared = vec![Compared { scene, turns }];
        let it = Against { commit: None, turn_seconds: 15.0, compared, audited: 0 };
        assert!(ratios(&it).contains("| 50 | "), "{}", ratios(&it));
        assert!(ratios(&it).contains(" | **1.00** (0.90 to 1.10) | "), "{}", ratios(&it));
        assert!(medians(&it).contains("| 50 | other | 0 | 100 | "), "{}", medians(&it));
    }

    #[test]
    fn a_spread_has_its_median_between_its_ends() {
        assert_eq!(spread(vec![3.0, 1.0, 2.0]), (2.0, 1.0, 3.0));
        assert_eq!(spread(vec![4.0, 1.0]), (2.5, 1.0, 4.0));
        assert_eq!(spread(Vec::new()), (0.0, 0.0, 0.0));
    }
}
