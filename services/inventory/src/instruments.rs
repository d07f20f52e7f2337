//! What the inventory service tells by numbers, beside what any service does.

use contracts::Metric;
use meter::GaugeMetric;

pub(crate) static RESERVED: GaugeMetric = GaugeMetric::new(
    "farandole_stock_reserved_pieces",
    "pieces",
    "Pieces that are reserved for orders, and neither shipped nor released. All instances tell the same.",
    &[],
);
pub(crate) static RESERVED_AGE: GaugeMetric = GaugeMetric::new(
    "farandole_stock_reserved_age_seconds",
    "seconds",
    "How long ago the order was placed that has had any of these for the longest.",
    &[],
);

/// The definitions.
pub(crate) fn instruments() -> Vec<Metric> {
    vec![RESERVED.metric(), RESERVED_AGE.metric()]
}
