use std::collections::{BTreeMap, BTreeSet};

use kernel::SagaKey;
use messaging::{BundleId, Resequencer, Sequenced, Whose};
use uuid::Uuid;

use super::bounds::{Bounds, Faults};

/// An order's event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Event {
    pub(crate) order: u8,
    /// Its number among the order's events, from 1.
    pub(crate) number: u8,
    pub(crate) bundle: BundleId,
    pub(crate) follows: Option<BundleId>,
}

impl Sequenced for Event {
    fn saga(&self) -> SagaKey {
        SagaKey(Uuid::from_u128(self.order.into()))
    }

    fn sequence(&self) -> u32 {
        self.number.into()
    }

    fn follows(&self) -> Option<BundleId> {
        self.follows
    }
}

/// Where everything is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    pub(crate) orders: Vec<Order>,
    /// All that was ever committed.
    pub(crate) bundles: BTreeMap<BundleId, Vec<Event>>,
    /// The rows, with whose they are.
    pub(crate) table: BTreeMap<BundleId, Owner>,
    /// Rows whose delete is not on the server's disk yet.
    pub(crate) half_deleted: BTreeMap<BundleId, Owner>,
    pub(crate) instances: [Instance; 2],
    /// Events, by order and number, that were sent and may get into the log, though nobody waits
    /// for them any more.
    pub(crate) astray: BTreeSet<(u8, u8)>,
    /// Those that Kafka may refuse.
    pub(crate) refusable: BTreeSet<(u8, u8)>,
    /// What may still go wrong.
    pub(crate) faults: Faults,
    /// Whether an event came into the log before the one before it.
    pub(crate) out_of_order: bool,
    /// Whether a step that should have brought the end nearer has not.
    pub(crate) turned_back: bool,
}

/// An order's state in the database, and its events in the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Order {
    /// How many events were committed.
    pub(crate) emitted: u8,
    /// The bundle with the last one.
    pub(crate) last_bundle: Option<BundleId>,
    /// How many are in the log. That one is there again changes nothing for anybody.
    pub(crate) published: u8,
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
    /// Whether the others see that it lives.
    pub(crate) shows: bool,
    /// Bundles whose commits have not been answered.
    pub(crate) unanswered: BTreeSet<BundleId>,
    pub(crate) events: Resequencer<Event>,
    pub(crate) does: Does,
    /// How many events are not in the log yet, of the bundles that are in memory.
    pub(crate) left: BTreeMap<BundleId, usize>,
    /// Rows that are to be deleted.
    pub(crate) published: BTreeSet<BundleId>,
    /// Orders whose next event was refused.
    pub(crate) refused: BTreeSet<u8>,
    /// The last bundle swept; kept only for the mutant that goes on from there.
    pub(crate) swept: Option<BundleId>,
}

/// What an instance's relay waits for. It does one thing after the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Does {
    /// For something to do.
    Nothing,
    /// For the answer to a question; this is what the table says.
    Ask { there: BTreeMap<BundleId, Option<Whose>>, late: bool },
    /// For Kafka's word on these.
    Publish(Vec<Event>),
}

impl World {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            orders: vec![Order::default(); bounds.events.len()],
            bundles: BTreeMap::new(),
            table: BTreeMap::new(),
            half_deleted: BTreeMap::new(),
            instances: [Instance::new(), Instance::new()],
            astray: BTreeSet::new(),
            refusable: BTreeSet::new(),
            faults: bounds.faults,
            out_of_order: false,
            turned_back: false,
        }
    }

    /// Whose a row is, as an instance sees it, if it is there.
    pub(crate) fn whose(&self, at: usize, bundle: BundleId) -> Option<Whose> {
        self.table.get(&bundle).map(|owner| match owner {
            Owner::Gone => Whose::Ours,
            Owner::Of(owner) if *owner == at || !self.instances[*owner].shows => Whose::Ours,
            Owner::Of(_) => Whose::Another,
        })
    }

    /// Whether an order's event is in the log.
    pub(crate) fn is_in_the_log(&self, event: &Event) -> bool {
        event.number <= self.orders[usize::from(event.order)].published
    }

    /// An event gets into the log.
    pub(crate) fn append(&mut self, order: u8, number: u8) {
        let published = &mut self.orders[usize::from(order)].published;
        self.out_of_order |= number > *published + 1;
        *published = number.max(*published);
        self.astray.retain(|(other, late)| *other != order || *late > number);
    }

    /// How far from its end this is. Without faults each step lowers the first of these numbers
    /// that it changes, so every run ends.
    pub(crate) fn distance(&self) -> [usize; 9] {
        let sum = |of: &dyn Fn(&Instance) -> usize| self.instances.iter().map(of).sum();
        let unknown =
            |it: &Instance| self.bundles.keys().filter(|id| !it.events.knows(**id)).count();
        let unpublished = self.orders.iter().map(|it| usize::from(it.emitted - it.published)).sum();
        [
            unpublished,
            self.table.len(),
            sum(&unknown),
            sum(&|it| it.unanswered.len()),
            sum(&|it| it.events.len()),
            sum(&|it| {
                it.published.len() + 2 * self.table.keys().filter(|id| it.sees_again(**id)).count()
            }),
            sum(&|it| it.events.questions().len()),
            sum(&|it| self.doubt(it)),
            sum(&|it| match &it.does {
                Does::Publish(events) => it.events.len().saturating_sub(events.len()),
                _ => it.events.len(),
            }),
        ]
    }

    /// An answer that has become untrue is worth less than none.
    fn doubt(&self, instance: &Instance) -> usize {
        match &instance.does {
            Does::Ask { there, .. } => {
                let mut rows = there.iter().filter(|(_, whose)| whose.is_some());
                if rows.all(|(id, _)| self.table.contains_key(id)) { 1 } else { 3 }
            }
            _ if instance.events.questions().is_empty() => 0,
            _ => 2,
        }
    }
}

impl Instance {
    /// Whether a row that is there has been deleted, as far as it knows, and is not to be again.
    pub(crate) fn sees_again(&self, id: BundleId) -> bool {
        self.events.is_deleted(id) && !self.published.contains(&id)
    }

    pub(crate) fn new() -> Self {
        Self {
            shows: true,
            unanswered: BTreeSet::new(),
            events: Resequencer::default(),
            does: Does::Nothing,
            left: BTreeMap::new(),
            published: BTreeSet::new(),
            refused: BTreeSet::new(),
            swept: None,
        }
    }
}
