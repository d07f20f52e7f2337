//! The order in which a saga meets the services. Also part of the build script.

use std::collections::BTreeMap;

/// A service, as far as its place in the order goes.
pub(crate) struct Participant {
    pub(crate) name: String,
    pub(crate) emits: Vec<String>,
    /// Those of its events that undo others.
    pub(crate) undoing: Vec<String>,
    pub(crate) consumes: Vec<Step>,
}

/// An event that a service reads, and what it may lead to.
pub(crate) struct Step {
    pub(crate) event: String,
    pub(crate) leads_to: Vec<String>,
}

/// The longest chain of causes that is followed: events that cause each other have no order.
const DEPTH_MAX: usize = 64;

/// The places of the services in the list, in the order in which a saga meets them: by how many events
/// there are at least before the first that a service emits, and then by name.
pub(crate) fn in_order(services: &[Participant]) -> Vec<usize> {
    let depths = depths(services);
    let rank = |service: &Participant| {
        let emits = service.emits.iter().filter(|event| !service.undoing.contains(event));
        let first = emits.filter_map(|event| depths.get(event.as_str())).min();
        let read = || service.consumes.iter().filter_map(|step| depths.get(step.event.as_str()));
        first.copied().or_else(|| read().max().map(|depth| depth + 1)).unwrap_or_default()
    };
    let mut order: Vec<usize> = (0..services.len()).collect();
    order.sort_by_key(|at| (rank(&services[*at]), services[*at].name.clone()));
    order
}

/// Of each event, how long the longest chain of causes before it is.
pub(crate) fn depths(services: &[Participant]) -> BTreeMap<&str, usize> {
    let mut depths: BTreeMap<&str, usize> =
        services.iter().flat_map(|it| &it.emits).map(|event| (event.as_str(), 0)).collect();
    let steps = || services.iter().flat_map(|it| &it.consumes);
    for _ in 0..DEPTH_MAX {
        let before = depths.clone();
        for (step, led) in steps().flat_map(|step| step.leads_to.iter().map(move |led| (step, led)))
        {
            let cause = before.get(step.event.as_str()).copied().unwrap_or_default();
            let depth = depths.entry(led.as_str()).or_default();
            *depth = (*depth).max(cause + 1);
        }
        if depths == before {
            break;
        }
    }
    depths
}
