use std::fmt::Write as _;

use messaging::{BundleId, Whose};
use stateright::{Model, Property};

use super::action::{Action, Told};
use super::bounds::Bounds;
use super::mutant::Mutant;
use super::properties;
use super::world::{Does, Owner, World};
use crate::Telling;

/// The relays of two instances of a service, as the checker explores them.
#[derive(Debug)]
pub struct Relay {
    pub(crate) bounds: Bounds,
    mutant: Option<Mutant>,
}

impl Relay {
    /// The relay as it is.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, mutant: None }
    }

    /// The relay without one of its guards.
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
        !actions.iter().any(Action::is_sure)
    }

    /// What can happen to an instance.
    fn to_instance(&self, world: &World, at: usize, actions: &mut Vec<Action>) {
        let (instance, faults) = (&world.instances[at], world.faults);
        if !instance.published.is_empty() {
            actions.push(Action::Delete(at));
        }
        if faults.overlooked > 0 {
            actions.extend(instance.unanswered.iter().map(|id| Action::Overlook(at, *id)));
        }
        if faults.crashes > 0 {
            actions.push(Action::Crash(at));
        }
        if !instance.shows {
            actions.push(Action::Show(at));
        } else if faults.hidden > 0 {
            actions.push(Action::Hide(at));
        }
        match &instance.does {
            Does::Nothing => self.to_idle(world, at, actions),
            Does::Ask { .. } => actions.push(Action::Hear(at)),
            Does::Publish(events) => {
                let words = vec![vec![Told::Landed, Told::Failed, Told::Refused]; events.len()];
                let words = product(&words).filter(|words| world.may_be_told(events, words));
                actions.extend(words.map(|words| Action::Told(at, words)));
            }
        }
    }

    /// What an instance that does nothing can begin.
    fn to_idle(&self, world: &World, at: usize, actions: &mut Vec<Action>) {
        let instance = &world.instances[at];
        actions.extend(instance.unanswered.iter().map(|id| Action::Hand(at, *id)));
        let found = world.table.keys().filter(|id| self.is_swept(world, at, **id));
        actions.extend(found.map(|id| Action::Sweep(at, *id)));
        let there = instance.events.questions().into_iter().map(|id| world.whose(at, id));
        let there: Vec<_> = there.collect();
        let is_anothers = |whose: &Option<Whose>| *whose == Some(Whose::Another);
        if there.iter().any(|whose| !is_anothers(whose)) {
            actions.push(Action::Ask(at, false));
        }
        if there.iter().any(is_anothers) && !self.is(Mutant::WaitsForOthers) {
            actions.push(Action::Ask(at, true));
        }
        if !instance.events.clone().fly(1).is_empty() {
            actions.push(Action::Publish(at));
        }
        if !instance.refused.is_empty() {
            actions.push(Action::TryAgain(at));
        }
    }

    /// Whether the sweep takes a row up.
    fn is_swept(&self, world: &World, at: usize, id: BundleId) -> bool {
        let instance = &world.instances[at];
        let is_left = world.whose(at, id) == Some(Whose::Ours)
            && !(self.is(Mutant::LeavesTheGones) && world.table[&id] != Owner::Of(at));
        let is_ahead = !self.is(Mutant::SweepsOnlyForward) || instance.swept < Some(id);
        let is_new = !instance.events.knows(id) || self.is(Mutant::SweepsTheKnown);
        let is_back = instance.sees_again(id) && !self.is(Mutant::LeavesWhatCameBack);
        is_left && is_ahead && (is_new || is_back)
    }

    /// The next events of orders that an instance can commit together.
    fn commits(&self, world: &World, actions: &mut Vec<Action>) {
        let left = world.orders.iter().zip(self.bounds.events).map(|(order, events)| {
            let most = (events - order.emitted).min(self.bounds.at_once);
            (0..=most).collect()
        });
        let left: Vec<Vec<u8>> = left.collect();
        let shapes = product(&left).filter(|shape| shape.iter().any(|count| *count > 0));
        for shape in shapes {
            // To begin with, one instance is like the other.
            let instances = if world.bundles.is_empty() { 1 } else { world.instances.len() };
            actions.extend((0..instances).map(|at| Action::Commit(at, shape.clone())));
        }
    }
}

/// Each way to choose one of each.
fn product<T: Copy>(of: &[Vec<T>]) -> impl Iterator<Item = Vec<T>> {
    let mut all = vec![Vec::new()];
    for choices in of {
        let longer = all.iter().flat_map(|one: &Vec<T>| {
            choices.iter().map(move |choice| [one.as_slice(), &[*choice]].concat())
        });
        all = longer.collect();
    }
    all.into_iter()
}

impl Model for Relay {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.bounds)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        self.commits(world, actions);
        for at in 0..world.instances.len() {
            self.to_instance(world, at, actions);
        }
        actions.extend(world.astray.iter().map(|(order, number)| Action::Arrive(*order, *number)));
        if world.faults.undone > 0 && !world.half_deleted.is_empty() {
            actions.push(Action::Undo);
        }
    }

    fn next_state(&self, before: &World, action: Action) -> Option<World> {
        let mut world = before.clone();
        let is_sure = action.is_sure();
        self.take(&mut world, action);
        if world.faults.undone == 0 {
            world.half_deleted.clear();
        }
        world.turned_back |= is_sure && world.distance() >= before.distance();
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(self.bounds)
    }
}

impl Telling for Relay {
    fn bounds(&self) -> String {
        self.bounds.to_string()
    }

    fn describe(&self, world: &World) -> String {
        let mut text = format!("  {:?}\n  table: {:?}\n", world.orders, world.table);
        for instance in &world.instances {
            // Writing to a string does not fail.
            let _ = writeln!(text, "  {instance:?}");
        }
        text
    }
}
