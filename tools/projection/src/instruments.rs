//! What who shows the read model tells of it by numbers.

use contracts::Metric;
use meter::GaugeMetric;

/// Grows while the topics or the database cannot be read, since what is shown gets older.
pub static LAG: GaugeMetric<0> = GaugeMetric::new(
    "farandole_console_lag_seconds",
    "seconds",
    "How old what the console counts and lists of orders is.",
    &[],
);
/// Of the generation that is shown.
pub static UNREAD: GaugeMetric<0> = GaugeMetric::new(
    "farandole_console_unread_records",
    "records",
    "Records in the topics that the console has not read yet, at last sight.",
    &[],
);
/// Of the generation that is shown.
pub static FORGOTTEN: GaugeMetric<0> = GaugeMetric::new(
    "farandole_console_forgotten_records",
    "records",
    "Records that were gone from the topics before the console had read them.",
    &[],
);

/// The definitions.
pub fn instruments() -> Vec<Metric> {
    vec![LAG.metric(), UNREAD.metric(), FORGOTTEN.metric()]
}
