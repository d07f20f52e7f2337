//! What must hold of the relay.

use messaging::{BundleId, Whose};
use stateright::Property;

use super::bounds::Bounds;
use super::model::Relay;
use super::world::{Does, Event, Instance, World};

/// By first appearances: what comes again has come before.
pub const IN_ORDER: &str = "an order's events come into the log in order and without gaps";
/// At any moment, whatever has gone wrong.
pub const KEPT: &str = "a row is in the table until all its events are in the log";
/// Where nothing is left that will happen by itself. Together with [`ENDS`]: always, in the end.
pub const ALL_PUBLISHED: &str = "all is published, but what is refused and what follows that";
/// There, too.
pub const CLEARED: &str = "no row is left but those with events that wait for a refused one";
/// Every run ends.
pub const ENDS: &str = "unless something goes wrong, each step brings the end nearer";

/// Everything that is checked.
pub(super) fn all(bounds: Bounds) -> Vec<Property<Relay>> {
    let mut properties = vec![
        always(IN_ORDER, |_, world| !world.out_of_order),
        always(KEPT, |_, world| {
            let mut bundles = world.bundles.iter();
            bundles.all(|(id, events)| {
                world.table.contains_key(id) || events.iter().all(|it| world.is_in_the_log(it))
            })
        }),
        always(ALL_PUBLISHED, |relay, world| {
            let mut orders = (0..).zip(&world.orders);
            orders.all(|(at, order)| order.published == order.emitted || world.is_blocked(at))
                || !relay.is_still(world)
        }),
        always(CLEARED, |relay, world| {
            let waits = |id| world.bundles[id].iter().any(|event| world.is_blocked(event.order));
            world.table.keys().all(waits) || !relay.is_still(world)
        }),
        always(ENDS, |_, world| !world.turned_back),
    ];
    properties.extend(what_happens(bounds));
    properties
}

impl World {
    fn any_unanswered(&self, is_so: impl Fn(&Instance, BundleId) -> bool) -> bool {
        self.instances.iter().any(|it| it.unanswered.iter().any(|id| is_so(it, *id)))
    }

    /// Whether an order's next event is refused somewhere.
    fn is_blocked(&self, order: u8) -> bool {
        self.instances.iter().any(|it| it.refused.contains(&order))
    }
}

/// What is reached, so that the rest does not hold for want of anything happening.
fn what_happens(bounds: Bounds) -> Vec<Property<Relay>> {
    let mut properties = vec![
        sometimes("all is published and deleted", |relay, world| {
            let mut orders = world.orders.iter().zip(relay.bounds.events);
            world.table.is_empty() && orders.all(|(order, events)| order.published == *events)
        }),
        sometimes("a commit is answered after the row was swept and deleted", |_, world| {
            world.any_unanswered(|it, id| it.events.knows(id) && !world.table.contains_key(&id))
        }),
    ];
    if bounds.events.iter().any(|events| *events > 1) {
        properties.extend(with_a_follower());
    }
    if bounds.faults.refused > 0 && bounds.events.len() > 1 {
        properties.push(sometimes("a row waits for one of its events only", |_, world| {
            world.table.keys().any(|id| {
                let (published, waiting): (Vec<&Event>, Vec<&Event>) =
                    world.bundles[id].iter().partition(|event| world.is_in_the_log(event));
                !published.is_empty() && waiting.iter().any(|event| world.is_blocked(event.order))
            })
        }));
    }
    if bounds.faults.undone > 0 {
        properties.push(sometimes("a row comes back", |_, world| {
            let mut rows = world.table.keys();
            rows.any(|id| world.instances.iter().any(|it| it.sees_again(*id)))
        }));
    }
    properties
}

fn with_a_follower() -> [Property<Relay>; 4] {
    [
        sometimes("both instances have the same bundle in memory", |_, world| {
            let [one, two] = &world.instances;
            one.left.keys().any(|id| two.left.contains_key(id))
        }),
        sometimes("what is in the log is sent again", |_, world| {
            world.instances.iter().any(|it| match &it.does {
                Does::Publish(events) => events.iter().any(|event| world.is_in_the_log(event)),
                _ => false,
            })
        }),
        sometimes("an answer is untrue when it comes", |_, world| {
            let is_untrue = |(id, whose): (&BundleId, &Option<Whose>)| {
                whose.is_some() && !world.table.contains_key(id)
            };
            world.instances.iter().any(|it| match &it.does {
                Does::Ask { there, .. } => there.iter().any(is_untrue),
                _ => false,
            })
        }),
        sometimes("a commit is answered after another has published and deleted", |_, world| {
            world.any_unanswered(|it, id| !it.events.knows(id) && !world.table.contains_key(&id))
        }),
    ]
}

fn always(name: &'static str, holds: fn(&Relay, &World) -> bool) -> Property<Relay> {
    Property::always(name, holds)
}

fn sometimes(name: &'static str, is_so: fn(&Relay, &World) -> bool) -> Property<Relay> {
    Property::sometimes(name, is_so)
}
