use jiff::{SignedDuration, Timestamp};

/// How long ago something was, in whole seconds.
pub(crate) fn ago(since: Timestamp) -> String {
    spell(Timestamp::now().duration_since(since))
}

/// In which time something will be.
pub(crate) fn within(due: Timestamp) -> String {
    let left = due.duration_since(Timestamp::now());
    if left.is_positive() { format!("in {}", spell(left)) } else { "now".to_owned() }
}

fn spell(duration: SignedDuration) -> String {
    format!("{:#}", SignedDuration::from_secs(duration.as_secs().max(0)))
}
