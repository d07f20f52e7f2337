use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use metrics::Counter;

use crate::instruments::IGNORED;

/// The most types that are counted by name. Whoever may write into a topic can make up more.
const TYPES_MAX: usize = 100;
/// What stands for all others.
const OTHERS: &str = "others";

/// Counts events that are not for this service, by type.
#[derive(Default)]
pub(super) struct Ignored {
    by_type: Mutex<HashMap<String, Counter>>,
}

impl Ignored {
    pub(super) fn count(&self, event_type: &str) {
        let mut by_type = self.by_type.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = by_type.get(event_type) {
            return counter.increment(1);
        }
        let is_name = event_type.len() <= 100
            && event_type.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        let name = if is_name && by_type.len() < TYPES_MAX { event_type } else { OTHERS };
        let counter = by_type.entry(name.to_owned()).or_insert_with(|| IGNORED.of([name]));
        counter.increment(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_up_has_one_name() {
        let ignored = Ignored::default();
        ignored.count("a\nb");
        ignored.count(&"x".repeat(101));
        for at in 0..2 * TYPES_MAX {
            ignored.count(&format!("Type{at}"));
        }
        let by_type = ignored.by_type.lock().unwrap();
        assert_eq!(by_type.len(), TYPES_MAX);
        assert!(by_type.contains_key(OTHERS) && by_type.contains_key("Type0"));
        assert!(!by_type.contains_key("a\nb"));
    }
}
