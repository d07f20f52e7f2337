//! The tables, in Markdown.

use std::fmt::Write as _;

use load::Latency;

use super::against;
use super::markdown::{milliseconds, section};
use crate::charts::number;
use crate::measure::Measured;
use crate::meter::{LOAD, processes};
use crate::results::Results;
use crate::sections::console::Asked;

/// All that was measured.
pub(crate) fn all(results: &Results) -> String {
    let parts = [
        machine(results),
        rate(results),
        at_rates(results),
        counts(results),
        alone(results),
        growth(results),
        catch_up(results),
        stall(results),
        hot(results),
        idle(results),
        instances(results),
        console(results),
        against::tables(results.against.as_ref()),
        failed(results),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

fn machine(results: &Results) -> String {
    let it = &results.machine;
    let mut versions = format!("Kafka {}, Postgres {}, {}", it.kafka, it.postgres, it.rustc);
    let _ = write!(versions, ", commit {}", it.commit);
    let mut text = format!(
        "Measured {} with `{}` on {} ({} cores, {} GiB, Linux {}): {versions}.\n",
        it.at, it.command, it.cpu, it.cores, it.memory_gib, it.kernel
    );
    let before = results.done.iter().filter(|(_, when)| !when.starts_with(&it.at));
    let before: Vec<String> = before.map(|(section, when)| format!("{section} {when}")).collect();
    if !before.is_empty() {
        let _ = writeln!(text, "On the same machine before: {}.", before.join(", "));
    }
    text
}

fn rate(results: &Results) -> String {
    let Some(rate) = &results.rate else { return String::new() };
    let rows: Vec<_> = rate
        .steps
        .iter()
        .map(|step| {
            let kept_up = if step.kept_up { "yes" } else { "no" };
            vec![
                number(step.offered_per_second),
                number(step.seconds),
                kept_up.to_owned(),
                number(step.end_p50_ms),
                number(step.end_p99_ms),
            ]
        })
        .collect();
    let about = format!(
        "**{} orders a second**, for {} seconds. In a closed loop of 1,500 orders: {}/s. The audit \
         over {} orders found nothing.",
        number(rate.held.load.offered_per_second),
        number(rate.held.load.seconds),
        number(rate.closed_per_second),
        number(whole(rate.audited)),
    );
    let head = ["orders/s", "for s", "kept up", "completed after ms, p50", "p99"];
    section("The highest rate", &about, &head, &rows)
}

/// Latency, cost and memory at each rate, three tables.
fn at_rates(results: &Results) -> String {
    let mut all: Vec<(String, &Measured)> = Vec::new();
    for it in &results.latency {
        let percent = it.percent.map(|percent| format!(" ({percent} %)")).unwrap_or_default();
        all.push((number(it.measured.load.offered_per_second) + &percent, &it.measured));
    }
    if let Some(rate) = &results.rate {
        all.push((number(rate.held.load.offered_per_second) + " (held)", &rate.held));
    }
    let quantiles = |name: &str, what: &str, of: fn(&Measured) -> Latency| {
        let row = |(rate, it): &(String, &Measured)| {
            let Latency { p50, p90, p99, p999, max } = of(it);
            let all = [p50, p90, p99, p999, max].map(milliseconds);
            [rate.clone(), what.to_owned()].into_iter().chain(all).collect::<Vec<_>>()
        };
        let rows: Vec<Vec<String>> = all.iter().map(row).collect();
        (name.to_owned(), rows)
    };
    let (_, mut rows) = quantiles("", "201", |it| it.load.post);
    rows.extend(quantiles("", "completed", |it| it.load.end).1);
    let head = ["orders/s", "POST →", "p50 ms", "p90", "p99", "p99.9", "max"];
    let about = "From when an order was meant to arrive.\n\n![Latency](performance/latency.svg)";
    let latency = section("Latency", about, &head, &rows);
    [latency, cost(&all), memory(&all)].join("\n").trim_start().to_owned()
}

fn cost(all: &[(String, &Measured)]) -> String {
    let rows: Vec<_> =
        all.iter().map(|(rate, it)| [vec![rate.clone()], costs(it)].concat()).collect();
    let head: Vec<&str> = ["orders/s"].into_iter().chain(processes()).chain(COSTS).collect();
    let about = "CPU time (user and system) per order, in microseconds, and bytes that were \
                 written.\n\n![CPU time per order](performance/cost.svg)";
    section("Cost per order", about, &head, &rows)
}

/// What there is beside the processes.
const COSTS: [&str; 5] = ["**all**", LOAD, "with it", "WAL bytes", "Kafka bytes"];

fn costs(it: &Measured) -> Vec<String> {
    let of = |process: &&str| number(it.cpu_us.get(*process).copied().unwrap_or_default());
    let mut cells: Vec<String> = processes().iter().map(of).collect();
    cells.push(format!("**{}**", number(it.cpu_us_fleet)));
    cells.push(of(&LOAD));
    cells.push(number(it.cpu_us_all));
    cells.push(number(it.wal_bytes_per_order));
    cells.push(number(it.kafka_bytes_per_order));
    cells
}

fn memory(all: &[(String, &Measured)]) -> String {
    let Some((rate, it)) = all.last() else { return String::new() };
    let names = processes();
    let of = |process: &&str| number(it.memory_mib.get(*process).copied().unwrap_or_default());
    let about =
        format!("Resident, in MiB, at {rate} orders a second; Postgres without its buffers.");
    section("Memory", &about, &names, &[names.iter().map(of).collect()])
}

fn counts(results: &Results) -> String {
    let Some(it) = &results.counts else { return String::new() };
    let row = vec![
        number(whole(it.orders)),
        number(it.records_per_order),
        format!("{:.2}", it.statements_per_order),
        format!("{:.3}", it.transactions_per_order),
    ];
    let about = "In a closed loop of 500 orders. Statements and transactions are those of all \
                 databases.";
    let head = ["orders", "records per order", "statements per order", "transactions per order"];
    section("Counted", about, &head, &[row])
}

fn alone(results: &Results) -> String {
    let Some(it) = &results.alone else { return String::new() };
    let row = |name: &str, it: &Measured| {
        vec![
            name.to_owned(),
            number(it.load.ended_per_second),
            number(it.cpu_us_fleet),
            format!("{:.2}", it.commits_per_order),
            number(it.wal_bytes_per_order),
        ]
    };
    let rows = [row("1,000", &it.batched), row("1", &it.one_at_a_time)];
    let about = format!(
        "`BATCH_MAX` 1,000 and 1, in a closed loop of 1,500 orders: {:.1} times as many orders a \
         second, {:.1} times as much CPU time for each. Placing orders is group commit in both.",
        it.times_the_rate, it.times_the_cpu
    );
    let head = ["BATCH_MAX", "orders/s", "CPU µs per order", "commits per order", "WAL bytes"];
    section("Batches and one at a time", &about, &head, &rows)
}

fn growth(results: &Results) -> String {
    let row = |it: &crate::sections::growth::Grown| {
        vec![
            number(f64::from(it.orders)),
            number(it.measured.cpu_us_fleet),
            format!("{:.2}", it.times_the_cpu),
            number(it.measured.wal_bytes_per_order),
            milliseconds(it.measured.load.end.p50),
            milliseconds(it.measured.load.end.p99),
        ]
    };
    let rows: Vec<_> = results.growth.iter().map(row).collect();
    let rate = results.growth.first().map_or(0.0, |it| it.measured.load.offered_per_second);
    let about = format!(
        "At {} orders a second, with so many completed ones in the databases; the topics were not \
         filled.\n\n![CPU time per order](performance/growth.svg)",
        number(rate)
    );
    let head = ["orders there", "CPU µs per order", "times", "WAL bytes", "p50 ms", "p99"];
    section("Growth", &about, &head, &rows)
}

fn catch_up(results: &Results) -> String {
    let Some(it) = &results.catch_up else { return String::new() };
    let row = vec![number(whole(it.orders)), format!("{:.1}", it.seconds), number(it.per_second)];
    let about = "Orders placed while all services but order were stopped; from the start of their \
                 processes to the end of the last order.\n\n![Catching up](performance/catch-up.svg)";
    section("Catching up", about, &["orders", "s", "orders/s"], &[row])
}

fn stall(results: &Results) -> String {
    let row = |it: &crate::sections::stall::Stall| {
        vec![
            it.killed.clone().unwrap_or_else(|| "nobody".to_owned()),
            number(it.longest_pause_ms),
            number(it.slowest_ms),
            number(whole(it.broken)),
        ]
    };
    let rows: Vec<_> = results.stall.iter().map(row).collect();
    let rate = results.stall.first().map_or(0.0, |it| it.offered_per_second);
    let about = format!(
        "One service killed with SIGKILL at {} orders a second, and started again at once.",
        number(rate)
    );
    let head = ["killed", "nothing ended for ms", "slowest order ms", "requests without an answer"];
    section("Death of a service", &about, &head, &rows)
}

fn hot(results: &Results) -> String {
    let row = |it: &crate::sections::hot::Spread| {
        vec![
            number(whole(it.skus)),
            number(it.closed_per_second),
            number(it.measured.load.offered_per_second),
            number(it.measured.cpu_us_fleet),
            milliseconds(it.measured.load.end.p50),
            milliseconds(it.measured.load.end.p99),
        ]
    };
    let rows: Vec<_> = results.hot.iter().map(row).collect();
    let head = ["SKUs", "closed loop orders/s", "at orders/s", "CPU µs per order", "p50 ms", "p99"];
    section("One hot SKU", "All orders for the same SKU, against a thousand.", &head, &rows)
}

fn idle(results: &Results) -> String {
    let Some(it) = &results.idle else { return String::new() };
    let mut cells: Vec<String> = processes()
        .iter()
        .map(|process| format!("{:.2}", it.percent.get(*process).copied().unwrap_or_default()))
        .collect();
    cells.push(format!("{:.2}", it.services_percent));
    let head: Vec<&str> = processes().into_iter().chain(["the services"]).collect();
    let about = format!("Percent of one core, over {:.0} seconds without an order.", it.seconds);
    section("Idle", &about, &head, &[cells])
}

/// How long the pages that are made of what was counted may take, of 99 of 100.
const PAGE_P99_MS: f64 = 100.0;

/// What the console costs, against what it may cost, and how long its pages take.
fn console(results: &Results) -> String {
    let Some(it) = &results.console else { return String::new() };
    let turns = |turns: &[f64]| turns.iter().map(|us| number(*us)).collect::<Vec<_>>().join(", ");
    let per_million = it.rebuild_s * 1_000_000.0 / whole(it.rebuilt_orders).max(1.0);
    // What it is called, how much it is, how much it may be, and the unit.
    let row = |what: String, is: f64, may_be: Option<f64>, unit: &str| {
        let told = if unit == "%" { format!("{is:.1} %") } else { number(is) };
        let kept = may_be.map_or("", |most| if is <= most { "yes" } else { "**no**" });
        let may_be = may_be.map(|most| format!("{}{unit}", number(most))).unwrap_or_default();
        vec![what, told, may_be, kept.to_owned()]
    };
    let viewers = |at: &str| format!("{} who look, percent of a core {at}", it.viewers);
    let anew = format!("made anew of {} orders, s", number(whole(it.rebuilt_orders)));
    let costs = [
        row("CPU per order, µs".to_owned(), it.own_us, None, ""),
        row("the same without a database".to_owned(), it.looking_us, None, ""),
        row("so for projecting".to_owned(), it.own_us - it.looking_us, Some(25.0), ""),
        row("memory, MiB".to_owned(), it.memory_mib, Some(200.0), ""),
        row("percent of a core without orders".to_owned(), it.idle_percent, None, "%"),
        row(viewers("without orders"), it.viewers_idle_percent - it.idle_percent, Some(10.0), "%"),
        row(viewers("at the rate"), it.viewers_busy_percent - it.busy_percent, Some(10.0), "%"),
        row(anew, it.rebuild_s, None, ""),
        row("the same for a million, s, worked out".to_owned(), per_million, Some(120.0), ""),
    ];
    let about = format!(
        "Beside a fleet with {} orders a second. All but the console used {} µs of CPU per order without it, and {} \
         with it, in turns: what Kafka and Postgres do for it is among that. Its own CPU time is that of its \
         process. What many who look use is told beyond what is used when nobody does.",
        number(it.rate),
        turns(&it.fleet_without_us),
        turns(&it.fleet_with_us),
    );
    let mut text = section("The console", &about, &["", "measured", "may be", "kept"], &costs);
    let page = |it: &Asked| {
        let times = [it.p50_ms, it.p99_ms, it.max_ms].map(milliseconds);
        let kept = match it.looks_into_topics {
            true => "",
            false if it.p99_ms <= PAGE_P99_MS => "yes",
            false => "**no**",
        };
        let cells = [format!("`{}`", it.page), it.times.to_string()].into_iter().chain(times);
        cells.chain([kept.to_owned()]).collect()
    };
    let pages: Vec<Vec<String>> = it.pages.iter().map(page).collect();
    let about = format!(
        "With {} orders in its database, one page after the other; the 99th percentile may be 100 ms. All \
         but the newest orders are copies of a thousand of them, on the days before. An order's own page asks \
         databases and topics when it is opened, so that limit is not its.",
        number(whole(it.held_orders.unsigned_abs()))
    );
    let head = ["page", "times", "p50 ms", "p99", "max", "kept"];
    text.push('\n');
    text.push_str(&section("The console's pages", &about, &head, &pages));
    text
}

fn instances(results: &Results) -> String {
    let row = |it: &crate::sections::instances::Shared| {
        vec![
            it.instances.to_string(),
            number(it.closed_per_second),
            number(it.held.load.offered_per_second),
            number(it.held.load.seconds),
            number(it.held.cpu_us_fleet),
            milliseconds(it.held.load.end.p99),
            number(whole(it.audited)),
        ]
    };
    let rows: Vec<_> = results.instances.iter().map(row).collect();
    let head = [
        "instances of each",
        "closed loop orders/s",
        "held orders/s",
        "for s",
        "CPU µs per order",
        "p99 ms",
        "orders, none lost",
    ];
    let about =
        "On the same machine, so more instances carry no more; they share and lose nothing.";
    section("Several instances", about, &head, &rows)
}

fn failed(results: &Results) -> String {
    let line = |(section, why): (&String, &String)| format!("- **{section} failed**: {why}\n");
    results.failed.iter().map(line).collect()
}

#[allow(clippy::cast_precision_loss)] // Counts are far below 2^52.
fn whole(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or_default() as f64
}
