//! Points at which a test can have the process die, to see that nothing is lost there. They exist
//! only with the feature `crash-points`, which no release build has.

/// The process dies here when `CRASH_AT` names this point. The points, in the order of an event's
/// way: `before-transaction`, `after-commit`, `after-intent` (it is on disk, the call is not made
/// yet), `after-answer` (the provider has done it, nobody has written that down), `after-publish`
/// (the log has it, the outbox still has it, too) and `before-offsets`. What is between the first
/// two is one statement, and so Postgres' own. A service that has transactions of its own has
/// points of its own there.
#[cfg(feature = "crash-points")]
pub fn point(name: &str) {
    static CRASH_AT: std::sync::LazyLock<Option<String>> =
        std::sync::LazyLock::new(|| std::env::var("CRASH_AT").ok());
    if CRASH_AT.as_deref() == Some(name) {
        eprintln!("crashing at {name}, as CRASH_AT asks");
        std::process::abort();
    }
}

/// Nothing happens here without the feature `crash-points`.
#[cfg(not(feature = "crash-points"))]
#[inline]
pub fn point(_: &str) {}
