//! What a program tells by numbers, as data: each metric is defined once, with its meaning and its labels.
//! From that follow what Prometheus is told of it, which series are there before anything has happened,
//! and the list for people (docs/metrics.md).

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
    /// What the values are measured in.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Seconds | Self::LongSeconds => "seconds",
            Self::Size => "items",
        }
    }

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

    const LABELS: [Label; 2] =
        [Label::TYPE_READ, Label::new("how", Values::These(&["well", "ill"]))];

    #[test]
    fn a_definition_is_told_as_data() {
        let seen = Metric {
            name: "seen_total",
            kind: MetricKind::Counter,
            unit: "events",
            help: "Events that were seen.",
            labels: &LABELS,
            buckets: None,
        };
        assert_eq!(
            serde_json::to_value(DeclaredMetric::from(&seen)).unwrap(),
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
