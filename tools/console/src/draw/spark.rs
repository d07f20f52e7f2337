//! A rate over an hour, as small bars.

use std::fmt::Write as _;

const BAR: f64 = 4.0;
const HEIGHT: f64 = 34.0;

/// Bars for counts per minute, the newest right; `what` says of what. The last minute is not over, and drawn
/// lighter.
pub(crate) fn spark(what: &str, rates: &[i64]) -> String {
    let most = rates.iter().copied().max().unwrap_or_default();
    let last = rates.len().checked_sub(2).and_then(|at| rates.get(at)).copied().unwrap_or_default();
    #[allow(clippy::cast_precision_loss, reason = "there are few")]
    let width = rates.len() as f64 * BAR;
    let mut svg = format!(
        "<svg class=\"spark\" viewBox=\"0 0 {width} {HEIGHT}\" role=\"img\" aria-label=\"{what} in each \
         minute of the last hour: {last} in the last whole one, {most} at most\">"
    );
    for (place, rate) in rates.iter().enumerate() {
        #[allow(clippy::cast_precision_loss, reason = "a picture")]
        let (x, tall) = (place as f64 * BAR, *rate as f64 / most.max(1) as f64 * (HEIGHT - 2.0));
        let tall = if *rate > 0 { tall.max(1.0) } else { 0.0 };
        let class = if place + 1 == rates.len() { " class=\"now\"" } else { "" };
        let _ = write!(
            svg,
            "<rect{class} x=\"{x}\" y=\"{:.1}\" width=\"3\" height=\"{tall:.1}\"/>",
            HEIGHT - tall
        );
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tallest_bar_is_the_most() {
        let svg = spark("orders", &[0, 10, 5, 1]);
        assert!(svg.contains("5 in the last whole one, 10 at most"), "{svg}");
        assert!(svg.contains("height=\"32.0\"") && svg.contains("height=\"16.0\""), "{svg}");
        assert_eq!(svg.matches("<rect").count(), 4);
        assert!(spark("orders", &[]).contains("0 at most"));
    }
}
