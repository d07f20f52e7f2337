use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use messaging::{BundleId, Dispatcher, Lane};

use super::bounds::{Bounds, Faults};

/// A call's number. Each is of an order of its own, so it is the idempotency key, too.
pub(crate) type Call = u8;

/// A call's place in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    pub(crate) bundle: BundleId,
    pub(crate) call: Call,
}

/// Where everything is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    /// How many bundles were committed.
    pub(crate) intended: usize,
    pub(crate) calls: Vec<Fate>,
    pub(crate) table: BTreeMap<BundleId, Row>,
    pub(crate) instances: [Instance; 2],
    /// What may still go wrong.
    pub(crate) faults: Faults,
    /// Whether a call that nobody waited for has probed a circuit.
    pub(crate) wrong_probe: bool,
    /// Whether a step that should have brought the end nearer has not.
    pub(crate) turned_back: bool,
}

/// What has become of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Fate {
    /// Nobody waits for it any more.
    pub(crate) abandoned: bool,
    /// The keys under which it has reached the provider, which does it once for each: none but its
    /// own, unless a mutant makes keys from rows.
    pub(crate) keys: BTreeSet<Option<BundleId>>,
    /// How often its outcome was committed: not, once, or again.
    pub(crate) outcomes: u8,
}

/// A row of intents.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) owner: Owner,
    /// The calls whose outcome is not known.
    pub(crate) open: BTreeSet<Call>,
    /// Whether it was made for one call.
    pub(crate) alone: bool,
    pub(crate) attempts: u32,
    /// Whether its lease is over, or its time has come.
    pub(crate) due: bool,
}

/// Whose a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// The instance's in this place.
    Of(usize),
    /// One's that is gone.
    Gone,
}

/// An instance of the service; when it ends another takes its place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Instance {
    /// Intents on their way into memory: the commit or the claim has not been answered.
    pub(crate) arriving: BTreeMap<Id, Intent>,
    pub(crate) dispatcher: Dispatcher<Id>,
    /// What is in memory, but for what is being made.
    pub(crate) pending: BTreeMap<Id, Pending>,
    /// Those of them that wait for another try.
    pub(crate) later: BTreeSet<Id>,
    pub(crate) making: BTreeMap<Id, Pending>,
    /// All of these, by call.
    pub(crate) known: BTreeMap<Call, BundleId>,
    /// What is to be put off in the table, with how often it was tried.
    pub(crate) deferrals: BTreeMap<Id, u32>,
    /// Outcomes on their way into the database.
    pub(crate) outcomes: BTreeSet<Id>,
    /// What its clock says.
    pub(crate) now: Duration,
}

/// What has been read of an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Intent {
    pub(crate) attempts: u32,
    pub(crate) abandoned: bool,
}

/// A call in memory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Pending {
    pub(crate) lane: Lane,
    pub(crate) intent: Intent,
    /// How often it was tried since it came into memory.
    pub(crate) rounds: u32,
}

impl World {
    pub(crate) fn new(bounds: &Bounds, instance: &Instance) -> Self {
        Self {
            intended: 0,
            calls: vec![Fate::default(); bounds.calls().count()],
            table: BTreeMap::new(),
            instances: [instance.clone(), instance.clone()],
            faults: bounds.faults,
            wrong_probe: false,
            turned_back: false,
        }
    }

    /// Closes a call, if it is open; a row without open calls goes.
    pub(crate) fn close(&mut self, id: Id) -> bool {
        let Some(row) = self.table.get_mut(&id.bundle) else { return false };
        let was_open = row.open.remove(&id.call);
        if row.open.is_empty() {
            self.table.remove(&id.bundle);
        }
        was_open
    }

    /// Whether nobody works on a row any more: no open call of it is in anybody's memory, and no
    /// instance keeps its lease.
    pub(crate) fn is_left(&self, bundle: BundleId) -> bool {
        let Some(row) = self.table.get(&bundle) else { return false };
        let keeps = |(at, it): (usize, &Instance)| row.owner == Owner::Of(at) && it.knows(bundle);
        !self.is_held(bundle, row) && !self.instances.iter().enumerate().any(keeps)
    }

    fn is_held(&self, bundle: BundleId, row: &Row) -> bool {
        let mut open = row.open.iter().map(|call| Id { bundle, call: *call });
        open.any(|id| self.instances.iter().any(|it| it.holds(id)))
    }

    /// Whether an instance finds a row when it looks for calls that are due.
    pub(crate) fn is_claimable(&self, at: usize, bundle: BundleId) -> bool {
        self.table.get(&bundle).is_some_and(Row::is_due) && !self.instances[at].knows(bundle)
    }

    /// Makes a row an instance's, and reads it.
    pub(crate) fn claim(&mut self, at: usize, bundle: BundleId) {
        let Some(row) = self.table.get_mut(&bundle) else { return };
        (row.owner, row.due) = (Owner::Of(at), false);
        for call in &row.open {
            let abandoned = self.calls[usize::from(*call)].abandoned;
            let intent = Intent { attempts: row.attempts, abandoned };
            self.instances[at].arriving.insert(Id { bundle, call: *call }, intent);
        }
    }

    /// How far from its end this is. Unless something goes wrong each step lowers the first of
    /// these numbers that it changes, so every run ends.
    pub(crate) fn distance(&self) -> [usize; 2] {
        let open: usize = self.table.values().map(|row| row.open.len()).sum();
        let rows: usize = self.table.iter().map(|(id, row)| self.way_of_row(*id, row)).sum();
        let copies: usize = self.instances.iter().map(Instance::way).sum();
        [open, rows + copies]
    }

    /// The steps until a row is in somebody's memory. Each is worth more than all that its calls
    /// have to go from there.
    fn way_of_row(&self, bundle: BundleId, row: &Row) -> usize {
        match row {
            row if self.is_held(bundle, row) => 0,
            row if row.is_due() => 100,
            _ => 101,
        }
    }
}

impl Row {
    /// Whether whoever looks for calls that are due takes it.
    pub(crate) fn is_due(&self) -> bool {
        self.due || self.attempts == 0 && self.owner == Owner::Gone
    }
}

impl Instance {
    /// One that has just started, with so many calls at once.
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            arriving: BTreeMap::new(),
            dispatcher: Dispatcher::new(slots),
            pending: BTreeMap::new(),
            later: BTreeSet::new(),
            making: BTreeMap::new(),
            known: BTreeMap::new(),
            deferrals: BTreeMap::new(),
            outcomes: BTreeSet::new(),
            now: Duration::ZERO,
        }
    }

    /// Whether a call is in its memory, wherever.
    fn holds(&self, id: Id) -> bool {
        self.arriving.contains_key(&id)
            || self.pending.contains_key(&id)
            || self.making.contains_key(&id)
            || self.deferrals.contains_key(&id)
            || self.outcomes.contains(&id)
    }

    fn knows(&self, bundle: BundleId) -> bool {
        self.known.values().any(|known| *known == bundle)
    }

    /// Whether a call is in its memory, by this row or another, or on its way there.
    pub(crate) fn has(&self, call: Call) -> bool {
        self.known.contains_key(&call) || self.arriving.keys().any(|id| id.call == call)
    }

    /// Each circuit's state.
    pub(crate) fn circuits(&self) -> Vec<(Lane, &'static str)> {
        self.dispatcher.circuits().map(|(lane, state)| (lane.clone(), state)).collect()
    }

    /// What the calls in memory have to go until they leave it. One that comes while it is there
    /// is left in the table once more, and one that is put off begins again.
    fn way(&self) -> usize {
        let comes_again = |id: &&Id| {
            let is_other = |other: &Id| other.call == id.call && other != *id;
            self.known.contains_key(&id.call) || self.arriving.keys().any(is_other)
        };
        200 * self.arriving.keys().filter(comes_again).count()
            + 5 * self.arriving.len()
            + 4 * self.later.len()
            + 3 * (self.pending.len() - self.later.len())
            + 2 * self.making.len()
            + self.outcomes.len()
            + 400 * self.deferrals.len()
    }
}
