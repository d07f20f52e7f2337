//! What programs tell by numbers: the series of metrics that are defined as data, in `contracts`.
//!
//! A metric is a `static`, and [`of`](CounterMetric::of) gives one of its series:
//!
//! ```
//! use contracts::Label;
//! use farandole_meter::CounterMetric;
//!
//! static SEEN: CounterMetric<1> =
//!     CounterMetric::new("seen_total", "events", "Events that were seen.", &[Label::TYPE_READ]);
//!
//! SEEN.of(["OrderPlaced"]).increment(1);
//! ```

use contracts::{Buckets, Label, Metric, MetricKind, Values};
pub use metrics::{Counter, Gauge, Histogram};
use metrics::{Key, Level, Metadata};

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

/// Sees to it that each series of a metric that can be foreseen is there. Those of one with an open label
/// cannot.
pub fn begin(metric: &Metric, known: &KnownValues) {
    let mut series: Vec<Vec<String>> = vec![Vec::new()];
    for label in metric.labels {
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
        let key = key(metric.name, metric.labels, values.iter().map(String::as_str));
        metrics::with_recorder(|recorder| match metric.kind {
            MetricKind::Counter => recorder.register_counter(&key, &METADATA).increment(0),
            MetricKind::Gauge => recorder.register_gauge(&key, &METADATA).increment(0.0),
            MetricKind::Histogram => drop(recorder.register_histogram(&key, &METADATA)),
        });
    }
}

static METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

fn key<'v>(name: &'static str, labels: &[Label], values: impl Iterator<Item = &'v str>) -> Key {
    let labels = labels.iter().zip(values);
    let labels = labels.map(|(label, value)| metrics::Label::new(label.name, value.to_owned()));
    Key::from_parts(name, labels.collect::<Vec<_>>())
}

/// Defines a kind of metric with `N` labels, and what a new one is made of: it has a unit or buckets.
macro_rules! instrument {
    (
        $(#[$meta:meta])* $instrument:ident: $kind:ident by $register:ident;
        $(#[$made:meta])* $given:ident: $type:ty => $unit:expr, $buckets:expr
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy)]
        pub struct $instrument<const N: usize = 0> {
            metric: Metric,
        }

        impl<const N: usize> $instrument<N> {
            $(#[$made])*
            pub const fn new(
                name: &'static str,
                $given: $type,
                help: &'static str,
                labels: &'static [Label; N],
            ) -> Self {
                let (kind, unit, buckets) = (MetricKind::$kind, $unit, $buckets);
                Self { metric: Metric { name, kind, unit, help, labels, buckets } }
            }

            /// Its definition.
            pub const fn metric(&self) -> Metric {
                self.metric
            }

            /// The series with these values of the labels, in their order. To be kept where it is
            /// used for each event.
            pub fn of(&self, values: [&str; N]) -> metrics::$kind {
                let key = key(self.metric.name, self.metric.labels, values.into_iter());
                metrics::with_recorder(|recorder| recorder.$register(&key, &METADATA))
            }
        }
    };
}

instrument! {
    /// A number that only grows.
    CounterMetric: Counter by register_counter;
    /// Counts `unit`, such as `events`. The name ends with `_total`.
    unit: &'static str => unit, None
}
instrument! {
    /// A number as it is now.
    GaugeMetric: Gauge by register_gauge;
    /// Measures in `unit`, such as `seconds`; `0 or 1` if it says whether.
    unit: &'static str => unit, None
}
instrument! {
    /// How often values were how large.
    HistogramMetric: Histogram by register_histogram;
    /// Values in the unit of their buckets.
    buckets: Buckets => buckets.unit(), Some(buckets)
}

impl<const N: usize> GaugeMetric<N> {
    /// Sets the series with these values to a count.
    #[allow(clippy::cast_precision_loss)] // Counts are far below 2^52.
    pub fn count(&self, values: [&str; N], count: u64) {
        self.of(values).set(count as f64);
    }
}
