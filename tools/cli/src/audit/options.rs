use std::collections::BTreeSet;

use crate::gaps::Number;

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
    /// Events that an operator knows to be lost for good: their numbers are fine.
    pub acknowledged: BTreeSet<Number>,
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
            acknowledged: BTreeSet::new(),
            allow_pending_effects: false,
        }
    }
}
