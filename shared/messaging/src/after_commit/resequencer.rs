//! Keeps a saga's events in order on their way to the log, whoever committed them, and whether
//! or not their commits were answered.
//!
//! The rule: **an event goes out when the saga's event before it is in the log.** It is, if that
//! one came by here and does not wait here any more; or if the bundle that has it is not in the
//! table any more, for rows go when all their events are in the log. So a bundle that is in memory
//! is known here until its row is deleted, and a saga's events leave one at a time.
//!
//! Pure, so that the model checker runs what production runs: the clock is given, and questions to
//! the table are asked and answered by the caller.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use kernel::SagaKey;

use crate::tables::bundle::BundleId;

/// How many bundles are remembered after their rows are gone: minutes of them at a hundred a
/// second. Whether an older one has been published is looked up in the table.
const RECENT_MAX: usize = 16_384;
/// How long a saga's next event waits for the instance that has to publish the one before.
const OTHERS_LIMIT: Duration = Duration::from_secs(5);

/// An event of a saga, in a bundle.
pub trait Sequenced {
    /// Whose event it is.
    fn saga(&self) -> SagaKey;
    /// Its number among the saga's events of this service.
    fn sequence(&self) -> u32;
    /// The bundle with the event before it, if that is another.
    fn follows(&self) -> Option<BundleId>;
}

/// Whose a row is that is in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Whose {
    /// This instance's, or of one that is gone: it is to be taken up here.
    Ours,
    /// Another instance's, which lives and publishes it.
    Another,
}

/// Events on their way to the log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Resequencer<E> {
    /// The sagas that have events here.
    lines: BTreeMap<SagaKey, Line<E>>,
    /// Those whose next event may go.
    ready: VecDeque<SagaKey>,
    /// Those whose next event waits to be told of, with the bundle that it follows.
    unknown: BTreeMap<SagaKey, BundleId>,
    /// Those whose next event is refused.
    refused: BTreeSet<SagaKey>,
    known: Recent,
    events: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Line<E> {
    /// By their numbers.
    events: VecDeque<E>,
    next: Next,
}

/// What the next event of a saga waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Next {
    /// For its turn.
    Ready,
    /// For an answer: it is not in the line, but with the caller.
    Flying,
    /// To be told whether the one before it is in the table still.
    Unknown { since: Duration },
    /// Kafka does not take it. It is tried again then.
    Refused { until: Duration },
}

impl<E> Default for Resequencer<E> {
    fn default() -> Self {
        Self {
            lines: BTreeMap::new(),
            ready: VecDeque::new(),
            unknown: BTreeMap::new(),
            refused: BTreeSet::new(),
            known: Recent::default(),
            events: 0,
        }
    }
}

impl<E: Sequenced> Resequencer<E> {
    /// Takes in a bundle, unless it came by before. Says whether it did not.
    pub fn take_in(
        &mut self,
        bundle: BundleId,
        events: impl Iterator<Item = E>,
        now: Duration,
    ) -> bool {
        if self.known.contains(bundle) {
            return false;
        }
        for event in events {
            self.events += 1;
            let saga = event.saga();
            let line = self.lines.entry(saga).or_insert_with(|| Line {
                events: VecDeque::new(),
                next: Next::Unknown { since: now },
            });
            let at = line.events.partition_point(|one| one.sequence() < event.sequence());
            line.events.insert(at, event);
            if at == 0 && line.next != Next::Flying {
                self.judge(saga, now);
            }
        }
        // Only now: the bundle's own events must not be taken for ones that came by before.
        self.known.add(bundle);
        true
    }

    /// Whether the bundle came by, as far as is remembered. One whose row is there is.
    pub fn knows(&self, bundle: BundleId) -> bool {
        self.known.contains(bundle)
    }

    /// Whether the bundle's row was deleted, as far as is remembered. One that is there all the same
    /// was brought back by a crash of the server; its events are in the log.
    pub fn is_deleted(&self, bundle: BundleId) -> bool {
        self.known.deleted.contains(&bundle)
    }

    /// Takes out events that may go now, up to so many and at most one of each saga. Each is to be
    /// given back, by [`landed`](Self::landed), [`failed`](Self::failed) or
    /// [`refused`](Self::refused).
    pub fn fly(&mut self, max: usize) -> Vec<E> {
        let mut flying = Vec::with_capacity(max.min(self.ready.len()));
        while flying.len() < max
            && let Some(saga) = self.ready.pop_front()
        {
            let Some(line) = self.lines.get_mut(&saga) else { continue };
            // What is put in front of a ready one is judged anew; then it may stand here twice.
            if line.next != Next::Ready {
                continue;
            }
            if let Some(event) = line.events.pop_front() {
                line.next = Next::Flying;
                flying.push(event);
            }
        }
        flying
    }

    /// An event is in the log.
    pub fn landed(&mut self, event: &E, now: Duration) {
        let saga = event.saga();
        self.events = self.events.saturating_sub(1);
        let Some(line) = self.lines.get(&saga) else { return };
        if line.events.is_empty() {
            self.lines.remove(&saga);
        } else {
            self.judge(saga, now);
        }
    }

    /// An event may not be in the log: it goes again, as soon as it may.
    pub fn failed(&mut self, event: E) {
        let saga = event.saga();
        if let Some(line) = self.lines.get_mut(&saga) {
            line.events.push_front(event);
            line.next = Next::Ready;
            // First of all, for it has waited longest.
            self.ready.push_front(saga);
        }
    }

    /// Kafka does not take an event, however often it is sent. Its saga's later ones wait behind
    /// it, and it is tried again `until` then.
    pub fn refused(&mut self, event: E, until: Duration) {
        let saga = event.saga();
        if let Some(line) = self.lines.get_mut(&saga) {
            line.events.push_front(event);
            line.next = Next::Refused { until };
            self.refused.insert(saga);
        }
    }

    /// Lets go what was refused and is to be tried again.
    pub fn try_again(&mut self, now: Duration) {
        let lines = &mut self.lines;
        let ready = &mut self.ready;
        self.refused.retain(|saga| {
            let Some(line) = lines.get_mut(saga) else { return false };
            match line.next {
                Next::Refused { until } if until <= now => {
                    line.next = Next::Ready;
                    ready.push_back(*saga);
                    false
                }
                Next::Refused { .. } => true,
                _ => false,
            }
        });
    }

    /// The bundles of which must be known whether they are in the table still, and if so, whose
    /// they are.
    pub fn questions(&self) -> BTreeSet<BundleId> {
        self.unknown.values().copied().collect()
    }

    /// Takes the answers to [questions](Self::questions): the rows that are there. Returns those
    /// that are to be taken up here.
    pub fn answer(
        &mut self,
        asked: &BTreeSet<BundleId>,
        there: &BTreeMap<BundleId, Whose>,
        now: Duration,
    ) -> Vec<BundleId> {
        let mut to_take_up = BTreeSet::new();
        let waiting: Vec<(SagaKey, BundleId)> =
            self.unknown.iter().map(|(saga, bundle)| (*saga, *bundle)).collect();
        for (saga, bundle) in waiting.into_iter().filter(|(_, bundle)| asked.contains(bundle)) {
            let Some(line) = self.lines.get_mut(&saga) else { continue };
            let Next::Unknown { since } = line.next else { continue };
            match there.get(&bundle) {
                None => {
                    line.next = Next::Ready;
                    self.unknown.remove(&saga);
                    self.ready.push_back(saga);
                }
                Some(Whose::Ours) => {
                    to_take_up.insert(bundle);
                }
                Some(Whose::Another) if now.saturating_sub(since) >= OTHERS_LIMIT => {
                    to_take_up.insert(bundle);
                }
                Some(Whose::Another) => {}
            }
        }
        to_take_up.into_iter().collect()
    }

    /// Takes note that rows are deleted.
    pub fn deleted(&mut self, bundles: impl IntoIterator<Item = BundleId>) {
        for bundle in bundles {
            self.known.deleted(bundle);
        }
    }

    /// How many events are here.
    pub fn len(&self) -> usize {
        self.events
    }

    /// How many sagas have an event that may go.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Whether nothing is here.
    pub fn is_empty(&self) -> bool {
        self.events == 0
    }

    /// Whether nothing is here but what Kafka refuses, and what waits behind that.
    pub fn has_only_refused(&self) -> bool {
        self.refused.len() == self.lines.len()
    }

    /// Until when the next event that is refused waits.
    pub fn next_try(&self) -> Option<Duration> {
        let lines = self.refused.iter().filter_map(|saga| self.lines.get(saga));
        let until = lines.filter_map(|line| match line.next {
            Next::Refused { until } => Some(until),
            _ => None,
        });
        until.min()
    }

    /// Judges whether the first event of a saga's line may go.
    fn judge(&mut self, saga: SagaKey, now: Duration) {
        let Some(line) = self.lines.get_mut(&saga) else { return };
        let Some(first) = line.events.front() else { return };
        self.unknown.remove(&saga);
        match first.follows() {
            // What it follows came by and is not before it here: it is in the log.
            Some(before) if !self.known.contains(before) => {
                let since = match line.next {
                    Next::Unknown { since } => since,
                    _ => now,
                };
                line.next = Next::Unknown { since };
                self.unknown.insert(saga, before);
            }
            _ => {
                line.next = Next::Ready;
                self.ready.push_back(saga);
            }
        }
    }
}

/// The bundles that came by: all whose rows are there, and those of the last minutes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Recent {
    undeleted: BTreeSet<BundleId>,
    deleted: BTreeSet<BundleId>,
    oldest_first: VecDeque<BundleId>,
}

impl Recent {
    fn contains(&self, bundle: BundleId) -> bool {
        self.undeleted.contains(&bundle) || self.deleted.contains(&bundle)
    }

    fn add(&mut self, bundle: BundleId) {
        self.undeleted.insert(bundle);
    }

    fn deleted(&mut self, bundle: BundleId) {
        if self.undeleted.remove(&bundle) && self.deleted.insert(bundle) {
            self.oldest_first.push_back(bundle);
            if self.oldest_first.len() > RECENT_MAX
                && let Some(oldest) = self.oldest_first.pop_front()
            {
                self.deleted.remove(&oldest);
            }
        }
    }
}
