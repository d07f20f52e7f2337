//! What each step does.

use std::collections::BTreeSet;

use messaging::{BundleId, Lane};

use super::action::{Action, Told};
use super::bounds::Destination;
use super::model::Effects;
use super::mutant::Mutant;
use super::world::{Call, Id, Instance, Intent, Owner, Pending, Row, World};

/// How many tries in a row stay in memory. In production it is one more.
const TRIES_IN_MEMORY: u32 = 2;
/// Rows that are made for one call are counted from here.
const ALONE: i64 = 100;

impl Effects {
    pub(super) fn take(&self, world: &mut World, action: Action) {
        match action {
            Action::Intend(at) => self.intend(world, at),
            Action::Admit(at, id) => self.admit(world, at, id),
            Action::Overlook(at, id) => {
                world.faults.spend(|it| &mut it.overlooked);
                let instance = &mut world.instances[at];
                instance.arriving.remove(&id);
                if self.is(Mutant::OverlookedIsKnown) {
                    instance.known.insert(id.call, id.bundle);
                }
            }
            Action::PutOff(at, id) => {
                world.faults.spend(|it| &mut it.full);
                let instance = &mut world.instances[at];
                if let Some(intent) = instance.arriving.remove(&id) {
                    instance.deferrals.insert(id, intent.attempts);
                }
            }
            Action::End(at, id, told) => self.end(world, at, id, told),
            Action::BringBack(at, id) => self.bring_back(world, at, id),
            Action::Probe(at) => {
                let instance = &mut world.instances[at];
                instance.now = instance.dispatcher.next_probe().unwrap_or(instance.now);
                self.start(world, at);
            }
            Action::Defer(at) => {
                for (id, attempts) in std::mem::take(&mut world.instances[at].deferrals) {
                    self.defer(world, id, attempts);
                }
            }
            Action::FailToDefer(at) => {
                world.faults.spend(|it| &mut it.undeferred);
                world.instances[at].deferrals.clear();
            }
            Action::Fall(bundle) => {
                if !world.is_left(bundle) {
                    world.faults.spend(|it| &mut it.late);
                }
                if let Some(row) = world.table.get_mut(&bundle) {
                    row.due = true;
                }
            }
            Action::Claim(at, bundle) => world.claim(at, bundle),
            Action::Settle(at, id) => {
                world.instances[at].outcomes.remove(&id);
                self.settle(world, id);
            }
            Action::SettleUnheard(id) => {
                world.faults.spend(|it| &mut it.unheard);
                self.settle(world, id);
            }
            Action::Abandon(call) => {
                world.faults.spend(|it| &mut it.abandoned);
                world.calls[usize::from(call)].abandoned = true;
            }
            Action::Crash(at) => {
                world.faults.spend(|it| &mut it.crashes);
                world.instances[at] = self.newcomer();
                for row in world.table.values_mut().filter(|row| row.owner == Owner::Of(at)) {
                    row.owner = Owner::Gone;
                }
            }
        }
    }

    /// An instance that has just started. Of the calls that the bounds tell of it remembers that
    /// they have failed.
    pub(super) fn newcomer(&self) -> Instance {
        let mut instance = Instance::new(self.bounds.slots);
        let (lane, id) = (self.lane(0, false), Id { bundle: BundleId(-1), call: 0 });
        for _ in 0..self.bounds.failed_before {
            let _ = instance.dispatcher.wait(&lane, id, false);
            let _ = instance.dispatcher.next(instance.now);
            instance.dispatcher.ended(&lane, false, false, instance.now);
        }
        instance
    }

    /// One transaction.
    fn intend(&self, world: &mut World, at: usize) {
        let nth = world.intended;
        world.intended += 1;
        let bundle = BundleId(i64::try_from(nth).unwrap_or(i64::MAX));
        let calls = (0..).zip(self.bounds.calls()).filter(|(_, (bundle, _))| *bundle == nth);
        let open: BTreeSet<Call> = calls.map(|(call, _)| call).collect();
        let intent = Intent { attempts: 0, abandoned: false };
        let arriving = open.iter().map(|call| (Id { bundle, call: *call }, intent));
        world.instances[at].arriving.extend(arriving);
        let alone = open.len() == 1;
        let row = Row { owner: Owner::Of(at), open, alone, attempts: 0, due: false };
        world.table.insert(bundle, row);
    }

    /// A call gets into memory, unless it is there.
    fn admit(&self, world: &mut World, at: usize, id: Id) {
        let instance = &mut world.instances[at];
        let Some(intent) = instance.arriving.remove(&id) else { return };
        if instance.known.contains_key(&id.call) && !self.is(Mutant::TakesUpTheKnown) {
            return;
        }
        let lane = instance.dispatcher.lane(self.lane(id.call, intent.abandoned));
        if instance.dispatcher.wait(&lane, id, intent.attempts > 0).is_ok() {
            instance.known.insert(id.call, id.bundle);
            instance.pending.insert(id, Pending { lane, intent, rounds: 0 });
        }
        self.start(world, at);
    }

    fn lane(&self, call: Call, abandoned: bool) -> Lane {
        let destination = match self.bounds.destination(call) {
            Destination::Answers if !self.is(Mutant::OneLane) => "answers",
            Destination::Hangs | Destination::Answers => "hangs",
        };
        let abandoned = abandoned && !self.is(Mutant::AbandonedAsOthers);
        Lane { step: "step", destination: destination.to_owned(), abandoned }
    }

    fn bring_back(&self, world: &mut World, at: usize, id: Id) {
        let instance = &mut world.instances[at];
        instance.later.remove(&id);
        if let Some(Pending { lane, .. }) = instance.pending.get(&id) {
            // There is room: a model has a handful of calls.
            let _ = instance.dispatcher.wait(lane, id, true);
        }
        self.start(world, at);
    }

    /// Makes the calls that may be made.
    fn start(&self, world: &mut World, at: usize) {
        loop {
            let instance = &mut world.instances[at];
            let before = instance.circuits();
            let Some((lane, id)) = instance.dispatcher.next(instance.now) else { break };
            let probes = instance.circuits() != before;
            let Some(pending) = instance.pending.remove(&id) else {
                // As the worker does with what cannot be.
                instance.dispatcher.ended(&lane, true, true, instance.now);
                continue;
            };
            world.wrong_probe |= pending.intent.abandoned && probes;
            instance.making.insert(id, pending);
            if self.is(Mutant::ClosedWhenMade) {
                world.close(id);
            }
        }
    }

    fn end(&self, world: &mut World, at: usize, id: Id, told: Told) {
        if told != Told::Unheard {
            let key = Some(id.bundle).filter(|_| self.is(Mutant::KeyOfTheRow));
            world.calls[usize::from(id.call)].keys.insert(key);
        }
        let instance = &mut world.instances[at];
        let Some(Pending { lane, intent, rounds }) = instance.making.remove(&id) else { return };
        let (answered, tried_before) = (told == Told::Answered, intent.attempts > 0);
        if answered || !self.is(Mutant::FailedKeepsSlot) {
            instance.dispatcher.ended(&lane, answered, tried_before, instance.now);
        }
        if answered || self.is(Mutant::GivesUp) {
            instance.known.remove(&id.call);
            instance.outcomes.insert(id);
            if self.is(Mutant::ClosedWhenAnswered) {
                world.close(id);
            }
        } else {
            world.faults.spend(|it| &mut it.unanswered);
            let intent = Intent { attempts: intent.attempts + 1, ..intent };
            self.fail(instance, id, Pending { lane, intent, rounds: rounds + 1 });
        }
        self.start(world, at);
    }

    /// A call stays in memory for another try, or is to be put off.
    fn fail(&self, instance: &mut Instance, id: Id, pending: Pending) {
        if !pending.lane.abandoned && pending.rounds < TRIES_IN_MEMORY {
            instance.pending.insert(id, pending);
            instance.later.insert(id);
        } else if !self.is(Mutant::KeepsForGood) {
            instance.known.remove(&id.call);
            instance.deferrals.insert(id, pending.intent.attempts);
        }
    }

    /// Writes down that a call is to be tried later. It gets a row of its own, unless it has one;
    /// when somebody else has come in between nothing happens.
    fn defer(&self, world: &mut World, id: Id, attempts: u32) {
        let Some(row) = world.table.get_mut(&id.bundle) else { return };
        let attempts = row.attempts.max(attempts);
        if row.alone {
            (row.due, row.attempts) = (false, attempts);
            return;
        }
        if !row.open.contains(&id.call) {
            return;
        }
        let (owner, open) = (row.owner, BTreeSet::from([id.call]));
        if !self.is(Mutant::SplitCopies) {
            world.close(id);
        }
        if !self.is(Mutant::SplitLoses) {
            let own = Row { owner, open, alone: true, attempts, due: false };
            world.table.insert(BundleId(ALONE + i64::from(id.call)), own);
        }
    }

    /// One transaction: what an outcome leads to, if its call is open.
    fn settle(&self, world: &mut World, id: Id) {
        if world.close(id) || self.is(Mutant::SettlesAnyway) {
            let outcomes = &mut world.calls[usize::from(id.call)].outcomes;
            *outcomes = (*outcomes + 1).min(2);
        }
    }
}
