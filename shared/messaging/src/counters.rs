use std::collections::BTreeMap;

use meter::CounterMetric;

/// Counts a batch's events by their type. Looking up a counter for each event costs more.
pub(crate) fn count_by_type<'a>(metric: &CounterMetric<1>, types: impl Iterator<Item = &'a str>) {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for event_type in types {
        *counts.entry(event_type).or_default() += 1;
    }
    for (event_type, events) in counts {
        metric.of([event_type]).increment(events);
    }
}
