//! docs/metrics.md: all that the programs tell by numbers.

use std::fmt::Write as _;

use contracts::{DeclaredMetric, MetricKind};
use declarations::Fleet;

/// Where it is.
pub(crate) const FILE: &str = "docs/metrics.md";

const HEAD: &str = "\
# Metrics

All that the programs tell by numbers, as Prometheus reads them at `/metrics` (on `ADMIN_ADDR`, if that is
set). This page is rendered from their code (`make docs`), and a test holds a running fleet to it. What to do
when one is not as it should be is in [operations.md](operations.md); which alerts there are, in
[deploy/observability/rules](../deploy/observability/rules).

A series whose labels are known when a service starts is there from then on, with 0: of one that appeared
with its first event nobody could tell that it had grown. Where a label's values are given in words, such as a
path or a currency, they are not known before.

The outbox, the retry queue, calls to the outside, missing events and open orders are in the database that all
instances of a service share, and each instance tells of all of them: take the maximum, not the sum. Lag is
told by the instance that reads the partition, and is 0 where it does so no more.

Each program also tells `process_cpu_seconds_total`, `process_resident_memory_bytes`, `process_open_fds`,
`process_max_fds`, `process_start_time_seconds`, `process_threads` and `process_virtual_memory_bytes`, as
Prometheus' own clients do.

Exemplars, which would lead from a histogram's bucket to a trace, are not told: the client that is used has
none.
";

/// The page.
pub(crate) fn page(fleet: &Fleet) -> String {
    let mut page = HEAD.to_owned();
    let all: Vec<DeclaredMetric> =
        runtime::telemetry::instruments().iter().map(DeclaredMetric::from).collect();
    section(&mut page, "Of every service", &all);
    for service in fleet.services().iter().filter(|service| !service.metrics.is_empty()) {
        section(&mut page, &format!("Of the service {}", service.service), &service.metrics);
    }
    for (title, metrics) in [
        ("Of the fleet, from outside (`farandole exporter`)", cli::instruments::instruments()),
        ("Of the console (`farandole-console`)", projection::instruments::instruments()),
    ] {
        let listed: Vec<DeclaredMetric> = metrics.iter().map(DeclaredMetric::from).collect();
        section(&mut page, title, &listed);
    }
    page
}

fn section(page: &mut String, title: &str, metrics: &[DeclaredMetric]) {
    let _ = writeln!(page, "\n## {title}\n");
    page.push_str("| metric | kind | unit | labels | what it says |\n|---|---|---|---|---|\n");
    for DeclaredMetric { name, kind, unit, help, labels } in metrics {
        let kind = match kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        let labels = labels.iter().map(|label| format!("`{}`: {}", label.name, label.values));
        let labels: Vec<String> = labels.collect();
        let _ = writeln!(
            page,
            "| `{name}` | {kind} | {unit} | {} | {help} |",
            if labels.is_empty() { "–".to_owned() } else { labels.join("<br>") }
        );
    }
}
