//! What must hold of the calls to the outside.

use stateright::Property;

use super::bounds::Bounds;
use super::model::Effects;
use super::world::{Call, Id, Instance, World};

/// At any moment, whatever has gone wrong.
pub const KEPT: &str = "an intent is in the table, once, until its outcome is committed";
/// Whoever else has made the call, and however often.
pub const OUTCOME_ONCE: &str = "an outcome is committed at most once";
/// No outcome is made up.
pub const MADE: &str = "a call has reached its provider before its outcome is committed";
/// So the provider does it once, however often it is made.
pub const ONE_KEY: &str = "a call is always made under the same key";
/// In all, and by what the dispatcher counts.
pub const SLOTS: &str = "no more calls are under way than there are slots";
/// However many rows it was in.
pub const ONE_AT_ONCE: &str = "an instance has a call under way once at a time";
/// A destination that hangs keeps nobody else waiting.
pub const FIRST_TRIES: &str = "a first try waits only for calls to its own destination";
/// Calls that nobody waits for any more say nothing about the destination.
pub const PROBE: &str = "a probe is a call that somebody waits for";
/// Where nothing is left that will happen by itself. Together with [`ENDS`]: always, in the end.
pub const ALL_DONE: &str = "the outcome of every call that was intended is committed";
/// Every run ends.
pub const ENDS: &str = "unless something goes wrong, each step brings the end nearer";

/// Everything that is checked within these bounds.
pub(super) fn all(bounds: &Bounds) -> Vec<Property<Effects>> {
    let mut properties = vec![
        always(KEPT, |effects, world| {
            let mut calls = (0..).zip(&world.calls).zip(effects.bounds.calls());
            calls.all(|((call, fate), (bundle, _))| {
                let rows = world.table.values().filter(|row| row.open.contains(&call)).count();
                rows == usize::from(bundle < world.intended && fate.outcomes == 0)
            })
        }),
        always(OUTCOME_ONCE, |_, world| world.calls.iter().all(|it| it.outcomes < 2)),
        always(MADE, |_, world| {
            world.calls.iter().all(|it| it.outcomes == 0 || !it.keys.is_empty())
        }),
        always(ONE_KEY, |_, world| world.calls.iter().all(|it| it.keys.len() < 2)),
        always(SLOTS, |effects, world| {
            world.instances.iter().all(|it| {
                let count = it.making.len();
                count <= effects.bounds.slots && count == it.dispatcher.running()
            })
        }),
        always(ONE_AT_ONCE, |_, world| {
            let again = |it: &Instance, id: &Id| {
                it.making.keys().any(|other| other.call == id.call && other != id)
            };
            world.instances.iter().all(|it| !it.making.keys().any(|id| again(it, id)))
        }),
        always(FIRST_TRIES, |effects, world| {
            world.instances.iter().all(|it| !effects.keeps_waiting(it))
        }),
        always(PROBE, |_, world| !world.wrong_probe),
        always(ALL_DONE, |effects, world| world.table.is_empty() || !effects.is_still(world)),
        always(ENDS, |_, world| !world.turned_back),
    ];
    properties.extend(what_happens(bounds));
    properties
}

impl Effects {
    /// Whether a first try waits although its circuit is closed and no call to its destination is
    /// under way.
    fn keeps_waiting(&self, instance: &Instance) -> bool {
        let is_closed = |lane| instance.dispatcher.circuits().any(|it| it == (lane, "closed"));
        let is_called = |id: &Id| {
            let to = |call| self.bounds.destination(call);
            instance.making.keys().any(|made| to(made.call) == to(id.call))
        };
        let mut waiting = instance.pending.iter().filter(|(_, it)| it.intent.attempts == 0);
        waiting.any(|(id, it)| !it.lane.abandoned && is_closed(&it.lane) && !is_called(id))
    }
}

/// What is reached, so that the rest does not hold for want of anything happening.
fn what_happens(bounds: &Bounds) -> Vec<Property<Effects>> {
    let Bounds { bundles, failed_before, faults, .. } = bounds;
    let mut properties = vec![sometimes("all is done", |effects, world| {
        world.intended == effects.bounds.bundles.len() && world.table.is_empty()
    })];
    if faults.late > 0 {
        properties.extend(with_late_leases());
    }
    if faults.late > 0 && bundles.iter().any(|calls| calls.len() > 1) {
        properties.push(sometimes("an outcome comes for a place its call has left", |_, world| {
            world.any_outcome(|id| !world.is_done(id.call) && !world.is_open(id))
        }));
    }
    if *failed_before > 0 {
        properties.extend([
            sometimes("a circuit is open", |_, world| world.has_circuit("open")),
            sometimes("a call probes", |_, world| world.has_circuit("half-open")),
        ]);
    }
    if *failed_before > 0 && faults.abandoned > 0 {
        let name = "a call that nobody waits for is made while a circuit is open";
        properties.push(sometimes(name, |_, world| {
            let makes = |it: &Instance| it.making.values().any(|made| made.intent.abandoned);
            world.has_circuit("open") && world.instances.iter().any(makes)
        }));
    }
    properties
}

fn with_late_leases() -> [Property<Effects>; 2] {
    [
        sometimes("two instances make the same call at once", |_, world| {
            let [one, two] = &world.instances;
            one.making.keys().any(|id| two.making.keys().any(|it| it.call == id.call))
        }),
        sometimes("an outcome comes after its call was closed", |_, world| {
            world.any_outcome(|id| world.is_done(id.call))
        }),
    ]
}

impl World {
    fn any_outcome(&self, is_so: impl Fn(&Id) -> bool) -> bool {
        self.instances.iter().any(|it| it.outcomes.iter().any(&is_so))
    }

    fn is_done(&self, call: Call) -> bool {
        self.calls[usize::from(call)].outcomes > 0
    }

    fn is_open(&self, id: &Id) -> bool {
        self.table.get(&id.bundle).is_some_and(|row| row.open.contains(&id.call))
    }

    fn has_circuit(&self, state: &str) -> bool {
        self.instances.iter().any(|it| it.dispatcher.circuits().any(|(_, is)| is == state))
    }
}

fn always(name: &'static str, holds: fn(&Effects, &World) -> bool) -> Property<Effects> {
    Property::always(name, holds)
}

fn sometimes(name: &'static str, is_so: fn(&Effects, &World) -> bool) -> Property<Effects> {
    Property::sometimes(name, is_so)
}
