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
