//! Times as people write and read them.

use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

/// A time as people write it.
pub fn parse(text: &str) -> Result<Duration, String> {
    text.parse::<Span>()
        .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
        .and_then(Duration::try_from)
        .map_err(|_| "expected a time such as 60s, 10m, 2h or 7d".to_owned())
}

/// How long ago something was, in whole seconds.
pub fn ago(since: Timestamp) -> String {
    spell(Timestamp::now().duration_since(since))
}

/// In which time something will be.
pub fn within(due: Timestamp) -> String {
    let left = due.duration_since(Timestamp::now());
    if left.is_positive() { format!("in {}", spell(left)) } else { "now".to_owned() }
}

/// A duration in whole seconds, as people write it.
pub fn spell(duration: SignedDuration) -> String {
    format!("{:#}", SignedDuration::from_secs(duration.as_secs().max(0)))
}

/// A duration as exact as its size asks for: `41 ms`, `1.4 s`, `12 s`, `4 min 12 s`, `3 h 5 min`, `2 d 4 h`.
pub fn precise(duration: SignedDuration) -> String {
    let duration = duration.max(SignedDuration::ZERO);
    let seconds = duration.as_secs();
    let two = |large: i64, unit: &str, small: i64, of: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {of}"),
    };
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_as_exact_as_their_size_asks_for() {
        for (millis, expected) in [
            (-5, "0 ms"),
            (41, "41 ms"),
            (138, "138 ms"),
            (1_400, "1.4 s"),
            (9_949, "9.9 s"),
            (42_400, "42 s"),
            (120_000, "2 min"),
            (252_000, "4 min 12 s"),
            (3_600_000, "1 h"),
            (11_100_000, "3 h 5 min"),
            (187_200_000, "2 d 4 h"),
        ] {
            assert_eq!(precise(SignedDuration::from_millis(millis)), expected);
        }
    }
}
