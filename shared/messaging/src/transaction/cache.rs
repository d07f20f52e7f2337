use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use kernel::SagaKey;

use crate::tables::states::Row;

/// How many sagas are remembered, at least: those of two seconds at the highest rates. A row takes
/// some hundred bytes.
const REMEMBERED: usize = 8_192;

/// The rows that this instance wrote last. They are taken for what the database has, and guarded by
/// their versions when they are written: another instance that has written them meanwhile is
/// noticed by that.
///
/// Two generations: when the younger one is full the older one is forgotten. What is used moves
/// to the younger.
#[derive(Debug)]
pub(crate) struct Cache<S> {
    generations: Mutex<[HashMap<SagaKey, Row<S>>; 2]>,
}

impl<S: Clone> Cache<S> {
    pub(crate) fn new() -> Self {
        Self { generations: Mutex::new([HashMap::new(), HashMap::new()]) }
    }

    /// The saga's row, if it is remembered.
    pub(crate) fn get(&self, saga: SagaKey) -> Option<Row<S>> {
        let generations = self.lock();
        generations.iter().find_map(|generation| generation.get(&saga)).cloned()
    }

    /// Remembers rows that were just written.
    pub(crate) fn put(&self, rows: impl Iterator<Item = (SagaKey, Row<S>)>) {
        let mut generations = self.lock();
        for (saga, row) in rows {
            if generations[0].len() >= REMEMBERED {
                generations.swap(0, 1);
                generations[0].clear();
            }
            // A saga's row grows in versions; who is slower must not put back an older one.
            let [young, old] = &mut *generations;
            let newer = [&*young, &*old]
                .iter()
                .filter_map(|generation| generation.get(&saga))
                .any(|known| known.version > row.version);
            if !newer {
                old.remove(&saga);
                young.insert(saga, row);
            }
        }
    }

    /// Forgets rows of which it is not certain any more that they are what the database has.
    pub(crate) fn forget(&self, sagas: impl Iterator<Item = SagaKey>) {
        let mut generations = self.lock();
        for saga in sagas {
            for generation in &mut *generations {
                generation.remove(&saga);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, [HashMap<SagaKey, Row<S>>; 2]> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn row(version: i32) -> Row<u32> {
        Row { version, ..Row::default() }
    }

    #[test]
    fn remembers_the_newest_version_and_no_more_than_it_may() {
        let cache = Cache::new();
        let saga = SagaKey(Uuid::now_v7());
        cache.put([(saga, row(2)), (saga, row(1))].into_iter());
        assert_eq!(cache.get(saga).unwrap().version, 2);
        let others = (0..3 * REMEMBERED).map(|_| (SagaKey(Uuid::now_v7()), row(1)));
        cache.put(others);
        assert!(cache.get(saga).is_none(), "forgotten");
        assert!(cache.lock().iter().map(HashMap::len).sum::<usize>() <= 2 * REMEMBERED);
        let kept = *cache.lock()[0].keys().next().unwrap();
        cache.forget([kept].into_iter());
        assert!(cache.get(kept).is_none());
    }
}
