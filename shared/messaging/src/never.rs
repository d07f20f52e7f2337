use tracing::error;

use crate::instruments::BROKEN_INVARIANTS;

/// Says that something has happened which cannot happen: a bug here. In builds with debug
/// assertions, which tests are, it ends the program; otherwise it is counted and logged, for going
/// on does less harm than stopping.
#[track_caller]
pub(crate) fn never(what: &'static str) {
    BROKEN_INVARIANTS.of([]).increment(1);
    error!(what, place = %std::panic::Location::caller(), "this cannot happen: please report it");
    debug_assert!(false, "{what}");
}
