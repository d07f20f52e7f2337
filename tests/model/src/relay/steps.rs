//! What each step does.

use std::collections::BTreeMap;
use std::time::Duration;

use messaging::{BundleId, Whose};

use super::action::{Action, Told};
use super::model::Relay;
use super::mutant::Mutant;
use super::world::{Does, Event, Instance, Owner, World};

/// When everything happens.
const NOW: Duration = Duration::ZERO;
/// Until when what is refused waits.
const SOON: Duration = Duration::from_secs(1);
/// By then every limit is over.
const LATE: Duration = Duration::from_hours(1);

impl Relay {
    pub(super) fn take(&self, world: &mut World, action: Action) {
        match action {
            Action::Commit(at, shape) => self.commit(world, at, &shape),
            Action::Hand(at, id) => {
                world.instances[at].unanswered.remove(&id);
                self.take_in(world, at, id);
            }
            Action::Overlook(at, id) => {
                world.faults.spend(|it| &mut it.overlooked);
                let instance = &mut world.instances[at];
                instance.unanswered.remove(&id);
                if self.is(Mutant::OverlookedIsKnown) {
                    instance.events.take_in(id, [].into_iter(), NOW);
                }
            }
            Action::Sweep(at, id) if world.instances[at].events.is_deleted(id) => {
                world.instances[at].published.insert(id);
            }
            Action::Sweep(at, id) => {
                world.table.insert(id, Owner::Of(at));
                world.instances[at].swept = Some(id).filter(|_| self.is(Mutant::SweepsOnlyForward));
                self.take_in(world, at, id);
            }
            Action::Ask(at, late) => {
                let asked = world.instances[at].events.questions().into_iter();
                let there = asked.map(|id| (id, world.whose(at, id))).collect();
                world.instances[at].does = Does::Ask { there, late };
            }
            Action::Hear(at) => self.hear(world, at),
            Action::Publish(at) => self.publish(world, at),
            Action::Told(at, words) => self.told(world, at, &words),
            Action::TryAgain(at) => {
                let instance = &mut world.instances[at];
                instance.events.try_again(LATE);
                instance.refused.clear();
            }
            Action::Delete(at) => {
                let rows = std::mem::take(&mut world.instances[at].published);
                world.delete(rows.iter().copied());
                world.instances[at].events.deleted(rows);
            }
            Action::Crash(at) => {
                world.faults.spend(|it| &mut it.crashes);
                world.crash(at);
            }
            Action::Hide(at) => {
                world.faults.spend(|it| &mut it.hidden);
                world.instances[at].shows = false;
            }
            Action::Show(at) => world.instances[at].shows = true,
            Action::Arrive(order, number) => world.append(order, number),
            Action::Undo => {
                world.faults.spend(|it| &mut it.undone);
                let rows = std::mem::take(&mut world.half_deleted);
                world.table.extend(rows);
                // The locks go with the connections.
                world.instances.iter_mut().for_each(|instance| instance.shows = false);
            }
        }
    }

    /// One transaction: the orders' states and the row.
    fn commit(&self, world: &mut World, at: usize, shape: &[u8]) {
        let counts = || (0..).zip(shape).filter(|(_, count)| **count > 0);
        let Some((first, _)) = counts().next() else { return };
        // From what is in it, so that worlds in which the same was committed in another order are
        // one.
        let number = world.orders[usize::from(first)].emitted + 1;
        let id = BundleId((i64::from(first) << 8) + i64::from(number));
        let mut events = Vec::new();
        for (order, count) in counts() {
            let state = &mut world.orders[usize::from(order)];
            for _ in 0..*count {
                let follows = state.last_bundle.filter(|before| *before != id);
                state.emitted += 1;
                if !self.is(Mutant::FollowsTooFar) || state.emitted % 2 == 1 {
                    state.last_bundle = Some(id);
                }
                events.push(Event { order, number: state.emitted, bundle: id, follows });
            }
        }
        world.bundles.insert(id, events);
        world.table.insert(id, Owner::Of(at));
        world.instances[at].unanswered.insert(id);
        // A commit is on disk when it is answered, and so is all before it.
        world.half_deleted.clear();
    }

    fn take_in(&self, world: &mut World, at: usize, id: BundleId) {
        let mut events = world.bundles[&id].clone();
        if self.is(Mutant::FollowsNothing) {
            for event in &mut events {
                event.follows = None;
            }
        }
        let (instance, count) = (&mut world.instances[at], events.len());
        if instance.events.take_in(id, events.into_iter(), NOW) {
            instance.left.insert(id, count);
        }
    }

    fn hear(&self, world: &mut World, at: usize) {
        let does = std::mem::replace(&mut world.instances[at].does, Does::Nothing);
        let Does::Ask { there, late } = does else { return };
        let asked = there.keys().copied().collect();
        let mut there: BTreeMap<BundleId, Whose> =
            there.into_iter().filter_map(|(id, whose)| Some((id, whose?))).collect();
        if self.is(Mutant::TakenForGone) {
            there.clear();
        }
        let events = &mut world.instances[at].events;
        let to_take_over = events.answer(&asked, &there, if late { LATE } else { NOW });
        if self.is(Mutant::TakenOverUnread) {
            events.answer(&asked, &BTreeMap::new(), NOW);
        }
        for id in to_take_over {
            if let Some(owner) = world.table.get_mut(&id) {
                *owner = Owner::Of(at);
                if !self.is(Mutant::TakenOverUnread) {
                    self.take_in(world, at, id);
                }
            }
        }
    }

    fn publish(&self, world: &mut World, at: usize) {
        let instance = &mut world.instances[at];
        let mut flying = instance.events.fly(usize::MAX);
        if self.is(Mutant::GoesUnanswered) {
            let mut more = flying.clone();
            while !more.is_empty() {
                for event in &more {
                    instance.events.landed(event, NOW);
                }
                more = instance.events.fly(usize::MAX);
                flying.extend(more.iter().copied());
            }
        }
        if self.is(Mutant::DeletedWhenSent) {
            instance.published.extend(flying.iter().map(|event| event.bundle));
        }
        instance.does = Does::Publish(flying);
    }

    fn told(&self, world: &mut World, at: usize, words: &[Told]) {
        let does = std::mem::replace(&mut world.instances[at].does, Does::Nothing);
        let Does::Publish(events) = does else { return };
        let mut landed = Vec::new();
        // As the relay does: the last first, for what failed goes back to the front.
        for (event, word) in events.into_iter().zip(words).rev() {
            let Event { order, number, .. } = event;
            let instance = &mut world.instances[at];
            match word {
                Told::Landed => landed.push(event),
                Told::Failed => {
                    world.faults.spend(|it| &mut it.failed);
                    if self.is(Mutant::FailedIsPublished) {
                        instance.land(event);
                    } else if !self.is(Mutant::GoesUnanswered) {
                        instance.events.failed(event);
                    }
                    world.send_astray(event);
                }
                Told::Refused => {
                    if world.refusable.insert((order, number)) {
                        world.faults.spend(|it| &mut it.refused);
                    }
                    if self.is(Mutant::RefusedIsLeftOut) {
                        instance.events.landed(&event, NOW);
                    } else {
                        instance.events.refused(event, SOON);
                        instance.refused.insert(order);
                    }
                }
            }
        }
        for event in landed {
            world.append(event.order, event.number);
            if self.is(Mutant::DeletedWithTheFirst) {
                world.instances[at].published.insert(event.bundle);
            }
            if self.is(Mutant::GoesUnanswered) {
                world.instances[at].count(event);
            } else {
                world.instances[at].land(event);
            }
        }
    }
}

impl World {
    /// Whether no more goes wrong than may.
    pub(super) fn may_be_told(&self, events: &[Event], words: &[Told]) -> bool {
        let failed = words.iter().filter(|word| **word == Told::Failed).count();
        let refused = events.iter().zip(words).filter(|(event, word)| {
            **word == Told::Refused && !self.refusable.contains(&(event.order, event.number))
        });
        let refused = refused.count();
        failed <= self.faults.failed.into()
            && refused <= self.faults.refused.into()
            && failed + refused <= self.faults.in_all.into()
    }

    fn delete(&mut self, rows: impl Iterator<Item = BundleId>) {
        for id in rows {
            if let Some(owner) = self.table.remove(&id) {
                self.half_deleted.insert(id, owner);
            }
        }
    }

    fn crash(&mut self, at: usize) {
        let gone = std::mem::replace(&mut self.instances[at], Instance::new());
        for owner in self.table.values_mut().chain(self.half_deleted.values_mut()) {
            if *owner == Owner::Of(at) {
                *owner = Owner::Gone;
            }
        }
        if let Does::Publish(events) = gone.does {
            for event in events {
                self.send_astray(event);
            }
        }
    }

    /// Nobody waits for an event any more that was sent.
    fn send_astray(&mut self, event: Event) {
        if !self.is_in_the_log(&event) {
            self.astray.insert((event.order, event.number));
        }
    }
}

impl Instance {
    /// An event is in the log, as far as the relay knows.
    fn land(&mut self, event: Event) {
        self.events.landed(&event, NOW);
        self.count(event);
    }

    /// Its row is to be deleted if it was the last one.
    fn count(&mut self, event: Event) {
        if let Some(left) = self.left.get_mut(&event.bundle) {
            *left -= 1;
            if *left == 0 {
                self.left.remove(&event.bundle);
                self.published.insert(event.bundle);
            }
        }
    }
}
