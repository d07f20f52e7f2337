use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use contracts::Envelope;
use kernel::OrderId;
use tokio::time::Instant;

use crate::outbox::{BundleId, Bundled};

/// How many bundles are remembered: minutes of them at a hundred a second. Whether an older one has
/// been published is looked up in the table.
const RECENT_MAX: usize = 16_384;

/// Sees to it that an order's events are published one after the other, whoever emitted them, and
/// whether or not the answer to a commit came: an event goes on at once if the bundle with the one
/// before it has come by here. Otherwise it waits until it is known that none before it is left in
/// the table.
#[derive(Default)]
pub(super) struct Turns {
    waiting: Vec<(Instant, Bundled)>,
    recent: Recent,
}

/// An event in the table that is to be published before one that waits.
pub(super) struct Before {
    pub(super) order: OrderId,
    pub(super) sequence: u32,
    pub(super) bundle: BundleId,
    pub(super) instance: i32,
}

impl Turns {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Keeps the events that have to wait, and returns the others.
    pub(super) fn keep_back(&mut self, events: Vec<Bundled>) -> Vec<Bundled> {
        let now = Instant::now();
        let mut orders: HashSet<OrderId> = self.orders().collect();
        let mut ready = Vec::with_capacity(events.len());
        for one in events {
            let order = one.event.envelope.order;
            let follows = one.event.follows.is_none_or(|before| self.recent.contains(before));
            self.recent.add(one.bundle());
            if follows && !orders.contains(&order) {
                ready.push(one);
            } else {
                orders.insert(order);
                self.waiting.push((now, one));
            }
        }
        ready
    }

    /// Has events wait that come from the table; of those before them nothing is known.
    pub(super) fn extend(&mut self, events: Vec<Bundled>) {
        let now = Instant::now();
        for one in events {
            self.recent.add(one.bundle());
            self.waiting.push((now, one));
        }
    }

    /// Forgets what waits, for it is read from the table again.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// The orders whose events wait.
    pub(super) fn orders(&self) -> impl Iterator<Item = OrderId> {
        self.waiting.iter().map(|(_, Bundled { event, .. })| event.envelope.order)
    }

    /// How long the first event of each order has waited.
    pub(super) fn waited(&self) -> HashMap<OrderId, Duration> {
        let mut waited: HashMap<OrderId, Duration> = HashMap::new();
        for (since, Bundled { event, .. }) in &self.waiting {
            let longest = waited.entry(event.envelope.order).or_default();
            *longest = (*longest).max(since.elapsed());
        }
        waited
    }

    /// Leaves those of them that are in memory here: they are published already, or wait, too.
    pub(super) fn not_here(&self, mut before: Vec<Before>) -> Vec<Before> {
        before.retain(|one| !self.recent.contains(one.bundle));
        before
    }

    /// Takes out the events whose turn has come, in order, given what is in the table before them.
    pub(super) fn take(&mut self, before: &[Before]) -> Vec<Bundled> {
        let mut first: HashMap<OrderId, u32> = HashMap::new();
        for one in before {
            let lowest = first.entry(one.order).or_insert(one.sequence);
            *lowest = one.sequence.min(*lowest);
        }
        let all = std::mem::take(&mut self.waiting).into_iter();
        let (ready, wait) = all.partition(|(_, Bundled { event, .. })| {
            let Envelope { order, sequence, .. } = &event.envelope;
            // Its own row may be among them.
            first.get(order).is_none_or(|first| sequence <= first)
        });
        self.waiting = wait;
        let mut ready: Vec<Bundled> = ready.into_iter().map(|(_, event)| event).collect();
        ready.sort_by_key(|Bundled { event, .. }| (event.envelope.order, event.envelope.sequence));
        ready
    }
}

/// The bundles that came last.
#[derive(Default)]
struct Recent {
    known: HashSet<BundleId>,
    oldest_first: VecDeque<BundleId>,
}

impl Recent {
    fn contains(&self, bundle: BundleId) -> bool {
        self.known.contains(&bundle)
    }

    fn add(&mut self, bundle: BundleId) {
        if !self.known.insert(bundle) {
            return;
        }
        self.oldest_first.push_back(bundle);
        if self.oldest_first.len() > RECENT_MAX
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}
