use std::fmt::Write as _;

use stateright::{Model, Property};

use super::action::{Action, Told};
use super::bounds::{Bounds, Destination};
use super::mutant::Mutant;
use super::properties;
use super::world::{Instance, Owner, Row, World};
use crate::Telling;

/// The calls of two instances of a service, as the checker explores them.
#[derive(Debug)]
pub struct Effects {
    pub(crate) bounds: Bounds,
    mutant: Option<Mutant>,
}

impl Effects {
    /// As they are.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, mutant: None }
    }

    /// Without one of their guards.
    pub fn without_guard(bounds: Bounds, mutant: Mutant) -> Self {
        Self { bounds, mutant: Some(mutant) }
    }

    pub(super) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Whether nothing is left that will happen by itself.
    pub(super) fn is_still(&self, world: &World) -> bool {
        let mut actions = Vec::new();
        self.actions(world, &mut actions);
        !actions.iter().any(|action| is_sure(world, action))
    }

    /// What can happen to an instance.
    fn to_instance(&self, world: &World, at: usize, actions: &mut Vec<Action>) {
        let (instance, faults) = (&world.instances[at], world.faults);
        for id in instance.arriving.keys() {
            actions.push(Action::Admit(at, *id));
            if faults.overlooked > 0 {
                actions.push(Action::Overlook(at, *id));
            }
            if faults.full > 0 && !instance.known.contains_key(&id.call) {
                actions.push(Action::PutOff(at, *id));
            }
        }
        self.to_calls(world, at, actions);
        if !instance.deferrals.is_empty() {
            actions.push(Action::Defer(at));
            if faults.undeferred > 0 {
                actions.push(Action::FailToDefer(at));
            }
        }
        let rows = world.table.iter().filter(|(bundle, row)| {
            let may_be = !self.is(Mutant::ClaimsItsOwn) || row.owner == Owner::Of(at);
            may_be && world.is_claimable(at, **bundle)
        });
        actions.extend(rows.map(|(bundle, _)| Action::Claim(at, *bundle)));
        if faults.crashes > 0 {
            actions.push(Action::Crash(at));
        }
    }

    /// What can happen to the calls that an instance has in memory, and to their outcomes.
    fn to_calls(&self, world: &World, at: usize, actions: &mut Vec<Action>) {
        let (instance, faults) = (&world.instances[at], world.faults);
        for id in instance.making.keys() {
            actions.push(Action::End(at, *id, Told::Answered));
            if faults.unanswered > 0 && self.bounds.destination(id.call) == Destination::Hangs {
                actions.push(Action::End(at, *id, Told::Unanswered));
                actions.push(Action::End(at, *id, Told::Unheard));
            }
        }
        actions.extend(instance.later.iter().map(|id| Action::BringBack(at, *id)));
        if is_held_up(instance) {
            actions.push(Action::Probe(at));
        }
        for id in &instance.outcomes {
            actions.push(Action::Settle(at, *id));
            if faults.unheard > 0 {
                actions.push(Action::SettleUnheard(*id));
            }
        }
    }
}

/// Whether a call waits for nothing but the time of a probe.
fn is_held_up(instance: &Instance) -> bool {
    let probe = instance.dispatcher.next_probe().filter(|at| *at > instance.now);
    probe.is_some_and(|at| instance.dispatcher.clone().next(at).is_some())
}

/// Whether a step is taken in the end without anybody's doing and without anything going wrong.
fn is_sure(world: &World, action: &Action) -> bool {
    match action {
        Action::Admit(..)
        | Action::BringBack(..)
        | Action::Probe(_)
        | Action::Defer(_)
        | Action::Settle(..) => true,
        Action::End(.., told) => *told == Told::Answered,
        Action::Fall(bundle) => world.is_left(*bundle),
        // One that finds a call in memory already leaves it for the next.
        Action::Claim(at, bundle) => {
            let has = |call: &u8| world.instances[*at].has(*call);
            world.is_left(*bundle) && !world.table[bundle].open.iter().any(has)
        }
        Action::Intend(_)
        | Action::Overlook(..)
        | Action::PutOff(..)
        | Action::FailToDefer(_)
        | Action::SettleUnheard(_)
        | Action::Abandon(_)
        | Action::Crash(_) => false,
    }
}

impl Model for Effects {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(&self.bounds, &self.newcomer())]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.intended < self.bounds.bundles.len() {
            // To begin with, one instance is like the other.
            let instances = if world.intended == 0 { 1 } else { world.instances.len() };
            actions.extend((0..instances).map(Action::Intend));
        }
        for at in 0..world.instances.len() {
            self.to_instance(world, at, actions);
        }
        let falls = |(bundle, row): &(&_, &Row)| {
            !row.is_due() && (world.faults.late > 0 || world.is_left(**bundle))
        };
        let rows = world.table.iter().filter(falls);
        actions.extend(rows.map(|(bundle, _)| Action::Fall(*bundle)));
        if world.faults.abandoned > 0 {
            let open = world.table.values().flat_map(|row| &row.open);
            let waited_for = open.filter(|call| !world.calls[usize::from(**call)].abandoned);
            actions.extend(waited_for.map(|call| Action::Abandon(*call)));
        }
    }

    fn next_state(&self, before: &World, action: Action) -> Option<World> {
        let mut world = before.clone();
        let is_sure = is_sure(before, &action);
        self.take(&mut world, action);
        world.turned_back |= is_sure && world.distance() >= before.distance();
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(&self.bounds)
    }
}

impl Telling for Effects {
    fn bounds(&self) -> String {
        self.bounds.to_string()
    }

    fn describe(&self, world: &World) -> String {
        let mut text = format!("  {:?}\n  table: {:?}\n", world.calls, world.table);
        for instance in &world.instances {
            // Writing to a string does not fail.
            let _ = writeln!(text, "  {instance:?}");
        }
        text
    }
}
