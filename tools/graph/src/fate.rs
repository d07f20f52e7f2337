//! How sagas end, as the service tells that begins them.

use std::collections::BTreeSet;

use contracts::{Begins, Declared, DeclaredStatus};

use crate::Graph;
use crate::history::{Events, read, said, sayable};

/// How sagas end: well, or by a failure.
pub(crate) struct Fate<'a> {
    /// Who begins the sagas, and decides how they end.
    pub(crate) decider: &'a Declared,
    pub(crate) begins: &'a Begins,
    /// Its final statuses of sagas that have failed.
    pub(crate) failed: Vec<&'a DeclaredStatus>,
    /// What it has said in one of these and never says of sagas that end well.
    pub(crate) verdicts: Events<'a>,
    /// What it has read in one of these and never in sagas that end well.
    pub(crate) failures: Events<'a>,
    /// The names of the ends by a failure, such as `cancelled`.
    pub(crate) bad_ends: BTreeSet<&'a str>,
}

/// How a saga has ended with this status: its first word.
pub(crate) fn end_of(status: &str) -> &str {
    status.split(' ').next().unwrap_or(status)
}

impl<'a> Fate<'a> {
    /// `None` if no service of this graph begins the sagas.
    pub(crate) fn of(graph: Graph<'a>) -> Option<Self> {
        let decider = graph.services().iter().find(|it| it.begins.is_some())?;
        let begins = decider.begins.as_ref()?;
        let bad_ends = bad_ends(graph, begins);
        let is_final = |it: &&DeclaredStatus| it.is_final;
        let (failed, well): (Vec<&DeclaredStatus>, Vec<&DeclaredStatus>) = decider
            .statuses
            .iter()
            .filter(is_final)
            .partition(|it| bad_ends.contains(end_of(&it.status)));
        let union = |of: fn(&'a DeclaredStatus) -> Events<'a>, among: &[&'a DeclaredStatus]| {
            among.iter().flat_map(|status| of(status)).collect::<Events<'a>>()
        };
        let verdicts = &union(said, &failed) - &union(sayable, &well);
        let failures = &union(read, &failed) - &union(read, &well);
        Some(Self { decider, begins, failed, verdicts, failures, bad_ends })
    }
}

/// The ends by a failure: those of sagas whose time was up or that were never begun, and those for
/// which somebody has undone something.
fn bad_ends<'a>(graph: Graph<'a>, begins: &'a Begins) -> BTreeSet<&'a str> {
    let own = [begins.timed_out.as_str(), begins.undone.as_str()].map(end_of);
    let mut ends: BTreeSet<&str> = own.into_iter().filter(|end| !end.is_empty()).collect();
    for service in graph.services() {
        let undone = |status: &str| {
            let status = service.statuses.iter().find(|it| it.status == status);
            let compensations = service.compensates.iter().map(|it| it.event.as_str());
            status.is_some_and(|it| compensations.into_iter().any(|its| said(it).contains(its)))
        };
        let settled = service.settles.iter();
        let by_undoing = settled.filter(|(_, statuses)| statuses.iter().any(|it| undone(it)));
        ends.extend(by_undoing.map(|(end, _)| end.as_str()));
    }
    ends
}
