use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::decisions::Decisions;

/// How to audit.
#[derive(Debug, Clone)]
pub struct AuditOptions {
    /// How many lines are kept of each check; all cases are counted.
    pub lines: usize,
    /// Leave out what only holds at rest.
    pub invariants_only: bool,
    /// Open dead letters are fine.
    pub allow_dead_letters: bool,
    /// Dead letters that an operator has seen to, by topic, partition and offset: they are fine.
    pub settled_letters: BTreeSet<(String, i32, i64)>,
    /// What operators have decided about events that never will be processed: they are fine.
    pub decisions: Decisions,
    /// The topics know nothing from before this, for they were lost: older orders are judged by the
    /// databases alone.
    pub topics_since: Option<Timestamp>,
    /// Charges of cancelled orders may be open: they are followed until the provider answers, and
    /// it may never do.
    pub allow_pending_effects: bool,
}

impl Default for AuditOptions {
    /// Everything is checked, nothing is allowed, and 20 lines are kept of each check.
    fn default() -> Self {
        Self {
            lines: 20,
            invariants_only: false,
            allow_dead_letters: false,
            settled_letters: BTreeSet::new(),
            decisions: Decisions::default(),
            topics_since: None,
            allow_pending_effects: false,
        }
    }
}
