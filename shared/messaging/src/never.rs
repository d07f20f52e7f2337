use metrics::counter;
use tracing::error;

/// Says that something has happened which cannot happen: a bug here. In builds with debug
/// assertions, which tests are, it ends the program; otherwise it is counted and logged, for going
/// on does less harm than stopping.
#[track_caller]
pub(crate) fn never(what: &'static str) {
    counter!("farandole_broken_invariants_total", "what" => what).increment(1);
    error!(what, place = %std::panic::Location::caller(), "this cannot happen: please report it");
    debug_assert!(false, "{what}");
}
