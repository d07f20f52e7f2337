//! What a program tells by numbers, as data: each metric is defined once, with its meaning and its labels.
//! From that follow what Prometheus is told of it, which series are there before anything has happened,
//! and the list for people (docs/metrics.md).

use metrics::{Key, Level, Metadata};
use serde::{Deserialize, Serialize};

/// A label of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// Which values it may have.
    pub values: Values,
}

/// Which values a label may have. All but [`Values::Open`] are known when the service starts, and so the
/// series are there from then on: of a counter that appears with its first event nobody can tell that
/// it has grown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// These.
    These(&'static [&'static str]),
    /// The types that the service reads.
    TypesRead,
    /// The types that the service writes.
    TypesWritten,
    /// The topics that the service reads.
    TopicsRead,
    /// The steps of its calls to the outside.
    Steps,
    /// Others, such as a currency or a path: what they are, for people.
    Open(&'static str),
}

impl Label {
    /// A label with these values.
    pub const fn new(name: &'static str, values: Values) -> Self {
        Self { name, values }
    }

    /// `type`: the types that the service reads.
    pub const TYPE_READ: Self = Self::new("type", Values::TypesRead);
    /// `type`: the types that the service writes.
    pub const TYPE_WRITTEN: Self = Self::new("type", Values::TypesWritten);
    /// `topic`: the topics that the service reads.
    pub const TOPIC_READ: Self = Self::new("topic", Values::TopicsRead);
    /// `step`: the steps of the service's calls.
    pub const STEP: Self = Self::new("step", Values::Steps);
}

/// What kind of number a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// It only grows, from 0 at each start.
    Counter,
    /// It is as it is now.
    Gauge,
    /// How often values were how large.
    Histogram,
}

/// The bounds of a histogram's buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buckets {
    /// What is done in one go, in seconds: from half a millisecond, a statement on a warm database, to two
    /// minutes, which is longer than any wait in the fleet.
    Seconds,
    /// What spans services or waits for the outside, in seconds: from ten milliseconds to a day.
    LongSeconds,
    /// How many: from a batch of one to well beyond the largest batch.
    Size,
}

impl Buckets {
    /// The upper bounds, without the infinite one.
    pub const fn bounds(self) -> &'static [f64] {
        match self {
            Self::Seconds => &[
                0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
                10.0, 30.0, 60.0, 120.0,
            ],
            Self::LongSeconds => &[
                0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0,
                3_600.0, 86_400.0,
            ],
            Self::Size => {
                &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0]
            }
        }
    }
}

/// A metric's definition, whatever its kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// Its name, by the rules of `OpenMetrics`: with the unit, and `_total` if it is a counter.
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: MetricKind,
    /// What is counted or measured in, such as `seconds` or `events`.
    pub unit: &'static str,
    /// What it says, in a sentence.
    pub help: &'static str,
    /// Its labels.
    pub labels: &'static [Label],
    /// A histogram's buckets.
    pub buckets: Option<Buckets>,
}

/// What is known of a service when it starts: the values that its labels may have.
#[derive(Debug, Clone, Default)]
pub struct KnownValues {
    /// The types that it reads.
    pub types_read: Vec<String>,
    /// The types that it writes.
    pub types_written: Vec<String>,
    /// The topics that it reads.
    pub topics_read: Vec<String>,
    /// The steps of its calls.
    pub steps: Vec<String>,
}

impl KnownValues {
    fn of(&self, values: Values) -> Option<Vec<String>> {
        match values {
            Values::These(these) => Some(these.iter().map(|&value| value.to_owned()).collect()),
            Values::TypesRead => Some(self.types_read.clone()),
            Values::TypesWritten => Some(self.types_written.clone()),
            Values::TopicsRead => Some(self.topics_read.clone()),
            Values::Steps => Some(self.steps.clone()),
            Values::Open(_) => None,
        }
    }
}

impl Metric {
    /// Sees to it that each series that can be foreseen is there. Those of a metric with an open label
    /// cannot.
    pub fn begin(&self, known: &KnownValues) {
        let mut series: Vec<Vec<String>> = vec![Vec::new()];
        for label in self.labels {
            let Some(values) = known.of(label.values) else { return };
            series = series
                .iter()
                .flat_map(|before| {
                    values
                        .iter()
                        .map(|value| before.iter().chain([value]).cloned().collect::<Vec<String>>())
                })
                .collect();
        }
        for values in series {
            let key = key(self.name, self.labels, values.iter().map(String::as_str));
            metrics::with_recorder(|recorder| match self.kind {
                MetricKind::Counter => recorder.register_counter(&key, &METADATA).increment(0),
                MetricKind::Gauge => recorder.register_gauge(&key, &METADATA).increment(0.0),
                MetricKind::Histogram => drop(recorder.register_histogram(&key, &METADATA)),
            });
        }
    }
}

static METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

fn key<'v>(name: &'static str, labels: &[Label], values: impl Iterator<Item = &'v str>) -> Key {
    let labels = labels.iter().zip(values);
    let labels = labels.map(|(label, value)| metrics::Label::new(label.name, value.to_owned()));
    Key::from_parts(name, labels.collect::<Vec<_>>())
}

/// Defines a kind of metric with `N` labels.
macro_rules! instrument {
    ($(#[$meta:meta])* $name:ident, $kind:expr, $handle:ident, $register:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name<const N: usize = 0> {
            metric: Metric,
        }

        impl<const N: usize> $name<N> {
            /// Its definition.
            pub const fn metric(&self) -> Metric {
                self.metric
            }

            /// The series with these values of the labels, in their order. To be kept where it is
            /// used for each event.
            pub fn of(&self, values: [&str; N]) -> metrics::$handle {
                let key = key(self.metric.name, self.metric.labels, values.into_iter());
                metrics::with_recorder(|recorder| recorder.$register(&key, &METADATA))
            }
        }
    };
}

instrument! {
    /// A number that only grows.
    CounterMetric, MetricKind::Counter, Counter, register_counter
}
instrument! {
    /// A number as it is now.
    GaugeMetric, MetricKind::Gauge, Gauge, register_gauge
}
instrument! {
    /// How often values were how large.
    HistogramMetric, MetricKind::Histogram, Histogram, register_histogram
}

impl<const N: usize> CounterMetric<N> {
    /// Counts `unit`, such as `events`. The name ends with `_total`.
    pub const fn new(
        name: &'static str,
        unit: &'static str,
        help: &'static str,
        labels: &'static [Label; N],
    ) -> Self {
        let kind = MetricKind::Counter;
        Self { metric: Metric { name, kind, unit, help, labels, buckets: None } }
    }
}

impl<const N: usize> GaugeMetric<N> {
    /// Measures in `unit`, such as `seconds`; `0 or 1` if it says whether.
    pub const fn new(
        name: &'static str,
        unit: &'static str,
        help: &'static str,
        labels: &'static [Label; N],
    ) -> Self {
        let kind = MetricKind::Gauge;
        Self { metric: Metric { name, kind, unit, help, labels, buckets: None } }
    }

    /// Sets the series with these values to a count.
    #[allow(clippy::cast_precision_loss)] // Counts are far below 2^52.
    pub fn count(&self, values: [&str; N], count: u64) {
        self.of(values).set(count as f64);
    }
}

impl<const N: usize> HistogramMetric<N> {
    /// Values in the unit of their buckets.
    pub const fn new(
        name: &'static str,
        buckets: Buckets,
        help: &'static str,
        labels: &'static [Label; N],
    ) -> Self {
        let kind = MetricKind::Histogram;
        let unit = match buckets {
            Buckets::Size => "items",
            Buckets::Seconds | Buckets::LongSeconds => "seconds",
        };
        Self { metric: Metric { name, kind, unit, help, labels, buckets: Some(buckets) } }
    }
}

/// A metric's definition as data, for those who don't have the program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredMetric {
    /// Its name.
    pub name: String,
    /// What kind of number it is.
    pub kind: MetricKind,
    /// What it is counted or measured in.
    pub unit: String,
    /// What it says.
    pub help: String,
    /// Its labels, each with the values that it may have: as texts, or a word for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<DeclaredLabel>,
}

/// A label of a metric as data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredLabel {
    /// Its name.
    pub name: String,
    /// Its values, or what they are.
    pub values: String,
    /// Whether the values are not known before something happens.
    #[serde(default, rename = "open", skip_serializing_if = "std::ops::Not::not")]
    pub is_open: bool,
}

impl From<&Metric> for DeclaredMetric {
    fn from(metric: &Metric) -> Self {
        let values = |values| match values {
            Values::These(these) => these.join(", "),
            Values::TypesRead => "the types that the service reads".to_owned(),
            Values::TypesWritten => "the types that the service writes".to_owned(),
            Values::TopicsRead => "the topics that the service reads".to_owned(),
            Values::Steps => "the steps of its calls".to_owned(),
            Values::Open(what) => what.to_owned(),
        };
        let labels = metric.labels.iter().map(|label| DeclaredLabel {
            name: label.name.to_owned(),
            values: values(label.values),
            is_open: matches!(label.values, Values::Open(_)),
        });
        Self {
            name: metric.name.to_owned(),
            kind: metric.kind,
            unit: metric.unit.to_owned(),
            help: metric.help.to_owned(),
            labels: labels.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SEEN: CounterMetric<2> = CounterMetric::new(
        "seen_total",
        "events",
        "Events that were seen.",
        &[Label::TYPE_READ, Label::new("how", Values::These(&["well", "ill"]))],
    );

    #[test]
    fn a_definition_is_told_as_data() {
        let told = DeclaredMetric::from(&SEEN.metric());
        assert_eq!(
            serde_json::to_value(told).unwrap(),
            serde_json::json!({
                "name": "seen_total", "kind": "counter", "unit": "events",
                "help": "Events that were seen.",
                "labels": [
                    {"name": "type", "values": "the types that the service reads"},
                    {"name": "how", "values": "well, ill"},
                ],
            })
        );
    }
}
