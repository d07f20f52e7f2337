use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};

use contracts::{TARGET_GROUP, headers};
use kernel::SagaKey;

/// How many skipped events are remembered, at least; at eight bytes each, twice.
const SKIPPED_MAX: usize = 100_000;

/// The numbers of events that went by and are not for this service, so that they are not missed.
/// It forgets, and then the topic is searched for what seems to be missing.
#[derive(Default)]
pub(crate) struct Skipped {
    hasher: RandomState,
    generations: Mutex<[HashSet<u64>; 2]>,
}

impl Skipped {
    /// Takes note of an event that is not for this service, by its headers.
    pub(crate) fn note<'a>(&self, all: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>) {
        let (mut saga, mut source, mut sequence) = (None, None, None);
        for (name, value) in all {
            let text = value.and_then(|value| std::str::from_utf8(value).ok());
            match name {
                headers::SUBJECT => saga = text.and_then(|text| text.parse().ok()),
                headers::SOURCE => source = text,
                headers::SEQUENCE => sequence = text.and_then(|text| text.parse().ok()),
                // A copy for another group says nothing of the event itself.
                TARGET_GROUP => return,
                _ => {}
            }
        }
        if let (Some(saga), Some(source), Some(sequence)) = (saga, source, sequence) {
            self.add(saga, source, sequence);
        }
    }

    pub(crate) fn add(&self, saga: SagaKey, source: &str, sequence: u32) {
        let hash = self.hash(saga, source, sequence);
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if generations[0].len() >= SKIPPED_MAX {
            generations.swap(0, 1);
            generations[0].clear();
        }
        generations[0].insert(hash);
    }

    /// Whether this number went by. By its hash: with a chance of one in 10^14 another one did.
    pub(crate) fn has(&self, saga: SagaKey, source: &str, sequence: u32) -> bool {
        let hash = self.hash(saga, source, sequence);
        let generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.iter().any(|generation| generation.contains(&hash))
    }

    fn hash(&self, saga: SagaKey, source: &str, sequence: u32) -> u64 {
        self.hasher.hash_one((saga.0, source, sequence))
    }
}
