use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Debug;
use std::mem;

use kernel::SagaKey;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::bundle::BundleId;

/// A state: kept as JSON, compared to see whether it changed.
pub trait State:
    Serialize + DeserializeOwned + Default + Clone + PartialEq + Debug + Send + Sync + 'static
{
}

impl<T> State for T where
    T: Serialize + DeserializeOwned + Default + Clone + PartialEq + Debug + Send + Sync + 'static
{
}

/// A saga's place in this service's stream of events, and in those that it reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamPosition {
    /// How many events of the saga this service has emitted; the last one's `ce_sequence`.
    pub emitted: i32,
    /// The bundle with the last one. By it the relay keeps a saga's events in order.
    pub last_bundle: Option<BundleId>,
    /// Which events of the saga it has read.
    pub seen: Seen,
}

/// The numbers (`ce_sequence`) of a saga's events that a service has read, by their source: bit
/// 0 for number 1. Later numbers than [`Seen::LAST`] are not followed; a saga has a handful.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seen(BTreeMap<String, u64>);

impl Seen {
    /// The highest number that is followed.
    pub const LAST: u32 = 63;

    /// Takes note of a number. Returns the lower ones that have not come.
    pub fn add(&mut self, source: &str, sequence: u32) -> Vec<u32> {
        if !(1..=Self::LAST).contains(&sequence) {
            return Vec::new();
        }
        let bit = 1u64 << (sequence - 1);
        let numbers = match self.0.get_mut(source) {
            Some(numbers) => numbers,
            None => self.0.entry(source.to_owned()).or_default(),
        };
        *numbers |= bit;
        let missing = !*numbers & (bit - 1);
        (1..sequence).filter(|number| missing & (1 << (number - 1)) != 0).collect()
    }
}

/// A saga's row, as the database has it or as it is to be written.
#[derive(Debug, Clone, Default)]
pub struct Row<S> {
    /// How often the row was written; 0 if it is not there yet.
    pub version: i32,
    /// The saga's place in the stream of events.
    pub stream: StreamPosition,
    /// The state.
    pub state: S,
}

/// What is known of a row before a batch is decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// It was read for this batch.
    Read,
    /// It is what this instance wrote last. Another instance may have written since.
    Remembered,
    /// Nothing: the saga is taken for new.
    Assumed,
}

/// A batch's sagas: known or read once, changed in memory, written once.
#[derive(Debug)]
pub(crate) struct States<S> {
    rows: HashMap<SagaKey, Entry<S>>,
    /// Sagas that a decision has been made on.
    decided: HashSet<SagaKey>,
}

#[derive(Debug)]
struct Entry<S> {
    row: Row<S>,
    source: Source,
    /// The row is to be written: its state is another one, or its place in a stream.
    changed: bool,
    /// The state before, if it is another one now.
    before: Option<S>,
}

impl<S> Entry<S> {
    fn new(row: Row<S>, source: Source) -> Self {
        Self { row, source, changed: false, before: None }
    }
}

/// A row that has changed, with the saga it belongs to.
#[derive(Debug)]
pub(crate) struct Changed<'s, S> {
    pub(crate) saga: SagaKey,
    /// The row to write, still with the version that it was known with.
    pub(crate) row: &'s Row<S>,
}

impl<S: State> States<S> {
    pub(crate) fn new() -> Self {
        Self { rows: HashMap::new(), decided: HashSet::new() }
    }

    /// Takes a row as it was just read.
    pub(crate) fn read(&mut self, saga: SagaKey, row: Row<S>) {
        self.rows.insert(saga, Entry::new(row, Source::Read));
    }

    /// Takes note that the saga has no row; that was just read.
    pub(crate) fn read_none(&mut self, saga: SagaKey) {
        self.rows.entry(saga).or_insert_with(|| Entry::new(Row::default(), Source::Read));
    }

    /// Takes a row as this instance wrote it last.
    pub(crate) fn remember(&mut self, saga: SagaKey, row: Row<S>) {
        self.rows.insert(saga, Entry::new(row, Source::Remembered));
    }

    /// The saga's state; the default state if this service has never heard of it.
    pub(crate) fn state(&mut self, saga: SagaKey) -> &S {
        &self.entry(saga).row.state
    }

    /// Sets the saga's state. An equal state is no change.
    pub(crate) fn set(&mut self, saga: SagaKey, state: S) {
        self.decided.insert(saga);
        let entry = self.entry(saga);
        if entry.row.state != state {
            let before = mem::replace(&mut entry.row.state, state);
            entry.before.get_or_insert(before);
            entry.changed = true;
        }
    }

    /// The saga's place in this service's stream of events. Asking for it means that an event
    /// will be appended, so the saga's row counts as changed.
    pub(crate) fn stream(&mut self, saga: SagaKey) -> &mut StreamPosition {
        let entry = self.entry(saga);
        entry.changed = true;
        &mut entry.row.stream
    }

    /// Takes note that the saga's event with this source and number was read, and returns the
    /// lower numbers that have not come. An event always leaves a row.
    pub(crate) fn saw(&mut self, saga: SagaKey, source: &str, sequence: u32) -> Vec<u32> {
        self.stream(saga).seen.add(source, sequence)
    }

    /// Whether all that was decided on is either read or guarded by what is written: a new row by
    /// its key, a remembered one by its version. If not, it must be read.
    pub(crate) fn is_certain(&self) -> bool {
        let certain = |saga| match self.rows.get(saga) {
            Some(entry) => entry.changed || entry.source == Source::Read,
            None => false,
        };
        self.decided.iter().all(certain)
    }

    /// The rows to insert, and those to update. Sorted, so that two instances that write the same
    /// rows wait for each other instead of deadlocking.
    pub(crate) fn changed(&self) -> (Vec<Changed<'_, S>>, Vec<Changed<'_, S>>) {
        let changed = self.rows.iter().filter(|(_, entry)| entry.changed);
        let mut changed: Vec<Changed<'_, S>> =
            changed.map(|(saga, Entry { row, .. })| Changed { saga: *saga, row }).collect();
        changed.sort_unstable_by_key(|changed| changed.saga);
        changed.into_iter().partition(|changed| changed.row.version == 0)
    }

    /// The sagas with another state than before: the one before, and the one now.
    pub(crate) fn moved(&self) -> impl Iterator<Item = (SagaKey, &S, &S)> {
        self.rows.iter().filter_map(|(saga, entry)| {
            let before = entry.before.as_ref().filter(|before| **before != entry.row.state)?;
            Some((*saga, before, &entry.row.state))
        })
    }

    /// The rows as they are after the write.
    pub(crate) fn written(self) -> impl Iterator<Item = (SagaKey, Row<S>)> {
        self.rows.into_iter().filter(|(_, entry)| entry.changed || entry.row.version > 0).map(
            |(saga, Entry { mut row, changed, .. })| {
                row.version += i32::from(changed);
                (saga, row)
            },
        )
    }

    fn entry(&mut self, saga: SagaKey) -> &mut Entry<S> {
        self.rows.entry(saga).or_insert_with(|| Entry::new(Row::default(), Source::Assumed))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn tells_which_numbers_are_missing_until_they_come() {
        let mut seen = Seen::default();
        assert_eq!(seen.add("/order", 1), [0; 0]);
        assert_eq!(seen.add("/order", 4), [2, 3]);
        assert_eq!(seen.add("/payment", 2), [1]);
        assert_eq!(seen.add("/order", 2), [0; 0]);
        assert_eq!(seen.add("/order", 5), [3]);
        assert_eq!(seen.add("/order", 64), [0; 0], "not followed");
        assert_eq!(serde_json::to_value(&seen).unwrap()["/payment"], 2);
    }

    fn remembered() -> Row<u32> {
        Row { version: 3, stream: StreamPosition::default(), state: 7 }
    }

    #[test]
    fn what_was_not_read_is_certain_only_if_its_write_guards_it() {
        let saga = SagaKey(Uuid::now_v7());
        for (known, state, certain) in [
            (None, 0, false),
            (None, 1, true),
            (Some(remembered()), 7, false),
            (Some(remembered()), 8, true),
        ] {
            let mut states = States::<u32>::new();
            if let Some(row) = known.clone() {
                states.remember(saga, row);
            }
            states.set(saga, state);
            assert_eq!(states.is_certain(), certain, "{known:?} and then {state}");
        }
        let mut states = States::<u32>::new();
        states.read_none(saga);
        states.set(saga, 0);
        assert!(states.is_certain(), "it was read");
    }

    #[test]
    fn what_is_written_has_the_next_version() {
        let (known, new) = (SagaKey(Uuid::now_v7()), SagaKey(Uuid::now_v7()));
        let mut states = States::<u32>::new();
        states.remember(known, remembered());
        states.set(known, 8);
        states.set(new, 1);
        let (inserts, updates) = states.changed();
        assert_eq!((inserts[0].saga, updates[0].saga), (new, known));
        let written: HashMap<_, _> = states.written().collect();
        assert_eq!((written[&known].version, written[&new].version), (4, 1));
    }
}
