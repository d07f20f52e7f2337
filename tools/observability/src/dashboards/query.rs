//! Queries that several panels have, or that are made of parts.

use super::colour::{Colour, QUANTILES};
use super::panel::{Mark, Panel};

/// 0 where this has no series, provided that whoever looks from outside has looked at that; not known
/// otherwise, for what nobody looks at is not well.
pub(super) fn looked(look: &str, expr: &str) -> String {
    format!(r#"{expr} or on () 0 * max(farandole_look_success{{look="{look}"}} == 1)"#)
}

/// Orders that wait for what does not come by itself.
pub(super) fn stuck() -> String {
    looked("orders", "sum(max by (service, awaits) (farandole_orders_stuck))")
}

/// Dead letters that nobody has seen to.
pub(super) fn letters() -> String {
    looked("letters", "sum(max by (service) (farandole_dead_letters_open))")
}

/// Differences between what services declare and what they say.
pub(super) fn differences() -> String {
    looked("dance", "sum(max by (kind) (farandole_dance_differences))")
}

/// The value of a histogram that this share of its observations are within, of what it counted in the
/// time around a point; by these labels, if there are any. Nothing, where it has counted nothing.
pub(super) fn quantile(share: &str, by: &str, histogram: &str) -> String {
    let by = if by.is_empty() { "le".to_owned() } else { format!("le, {by}") };
    let (name, labels) = histogram.split_once('{').unwrap_or((histogram, "}"));
    let labels = if labels == "}" { String::new() } else { format!("{{{labels}") };
    format!(
        "histogram_quantile({share}, sum by ({by}) \
         (rate({name}_bucket{labels}[$__rate_interval]))) >= 0"
    )
}

/// The share of calls whose outcome nobody knows, by these labels; 0 where there are no calls.
pub(super) fn unanswered(by: &str) -> String {
    let rate =
        |of: &str| format!("sum by ({by}) (rate(farandole_effects_total{of}[$__rate_interval]))");
    let (unknown, all) = (rate(r#"{outcome="unknown"}"#), rate(""));
    format!("{unknown} / ({all} > 0) or {all}")
}

/// A panel with the half, the 95 and the 99 of a hundred of what a histogram counts.
pub(super) trait Quantiles {
    /// With lines for these.
    fn quantiles(self, histogram: &str) -> Self;
}

impl Quantiles for Panel {
    fn quantiles(self, histogram: &str) -> Self {
        self.query("half within", quantile("0.5", "", histogram))
            .query("95 of 100 within", quantile("0.95", "", histogram))
            .query("99 of 100 within", quantile("0.99", "", histogram))
            .colours(QUANTILES)
            .nothing("nothing to measure")
    }
}

/// When another version of a service begins to run.
pub(super) fn deploys() -> Mark {
    Mark {
        name: "Deploys",
        // Not when a service is seen for the first time, or again: then there is nothing to compare with.
        expr: "count by (job, version) (farandole_build_info) unless count by (job, version) \
               (farandole_build_info offset 1m) and on (job) count by (job) \
               (farandole_build_info offset 1m)",
        says: "{{job}} {{version}}",
        colour: Colour::Plain,
    }
}

/// When an operator's decision was carried out.
pub(super) fn decisions() -> Mark {
    Mark {
        name: "Operators' decisions",
        expr: r#"sum by (job) (increase(farandole_operations_total{outcome="applied"}[2m])) > 0"#,
        says: "{{job}}: an operator's decision was carried out",
        colour: Colour::Other(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_labels_of_a_histogram_stay_with_it() {
        assert_eq!(
            quantile("0.5", "job", "delay_seconds"),
            "histogram_quantile(0.5, sum by (le, job) (rate(delay_seconds_bucket[$__rate_interval]))) >= 0"
        );
        assert_eq!(
            quantile("0.5", "", r#"delay_seconds{job="a"}"#),
            "histogram_quantile(0.5, sum by (le) \
             (rate(delay_seconds_bucket{job=\"a\"}[$__rate_interval]))) >= 0"
        );
    }
}
