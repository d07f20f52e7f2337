//! The graph as others draw it: Mermaid, DOT and JSON; and drawn, as SVG.

mod dot;
mod json;
mod mermaid;
mod svg;

use std::collections::BTreeSet;

use contracts::{Declared, DeclaredConsumption};
use declarations::depths;
use serde::Serialize;

use crate::fate::Fate;
use crate::history::Events;
use crate::{Graph, type_of};

/// What a service says to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edge<'a> {
    /// The type of the event.
    pub event: &'a str,
    /// Who says it.
    pub from: &'a str,
    /// Who reads it; `None` of what nobody reads.
    pub to: Option<&'a str>,
    /// What it is to the saga.
    pub kind: EdgeKind,
    /// The event of the same service that it undoes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undoes: Option<&'a str>,
    /// What it may lead the reader to emit.
    pub leads_to: Vec<&'a str>,
    /// How long that may take, in seconds, before it is late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within_s: Option<u32>,
    /// Whether nobody waits for what it leads to.
    pub may_linger: bool,
}

/// What an event is to the saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeKind {
    /// The saga goes on.
    Forward,
    /// By it the saga fails.
    Failure,
    /// It tells everybody that the saga has failed, or that something was undone.
    Undoing,
}

impl<'a> Graph<'a> {
    /// Who says what to whom: first what sagas begin with, then what follows; forward, then failures,
    /// then what undoes.
    pub fn edges(self) -> Vec<Edge<'a>> {
        let kinds = Kinds::of(self);
        let depths = depths(self.services());
        let mut edges = Vec::new();
        for (from, emitted) in self.emitted() {
            let mut readers = self.readers(&from.service, &emitted.event).peekable();
            if readers.peek().is_none() {
                edges.push(edge(from, &emitted.event, None, &kinds));
            }
            let to = |reader| edge(from, &emitted.event, Some(reader), &kinds);
            edges.extend(readers.map(to));
        }
        let place = |name: &str| self.services().iter().position(|it| it.service == name);
        edges.sort_by_key(|it| {
            let depth = depths.get(it.event).copied().unwrap_or_default();
            (it.kind, depth, place(it.from), it.event, it.to.map(place))
        });
        edges
    }
}

fn edge<'a>(
    from: &'a Declared,
    event: &'a str,
    reader: Option<(&'a Declared, &'a DeclaredConsumption)>,
    kinds: &Kinds<'a>,
) -> Edge<'a> {
    let read = reader.map(|(_, read)| read);
    let undone = from.compensates.iter().find(|it| it.event == event);
    Edge {
        event,
        from: &from.service,
        to: reader.map(|(to, _)| to.service.as_str()),
        kind: kinds.kind(event),
        undoes: undone.map(|it| it.undoes.as_str()),
        leads_to: read
            .into_iter()
            .flat_map(|it| it.leads_to.iter().map(|led| type_of(led)))
            .collect(),
        within_s: read.and_then(|it| it.within_s),
        may_linger: read.is_some_and(|it| it.may_linger),
    }
}

/// Which events are failures, and which undo.
struct Kinds<'a> {
    failures: Events<'a>,
    undoing: Events<'a>,
}

impl<'a> Kinds<'a> {
    fn of(graph: Graph<'a>) -> Self {
        let (failures, mut undoing) = match Fate::of(graph) {
            Some(Fate { failures, verdicts, .. }) => (failures, verdicts),
            None => (BTreeSet::new(), BTreeSet::new()),
        };
        let compensations = graph.services().iter().flat_map(|it| &it.compensates);
        undoing.extend(compensations.map(|it| it.event.as_str()));
        Self { failures, undoing }
    }

    fn kind(&self, event: &str) -> EdgeKind {
        match event {
            event if self.failures.contains(event) => EdgeKind::Failure,
            event if self.undoing.contains(event) => EdgeKind::Undoing,
            _ => EdgeKind::Forward,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::fixture;

    #[test]
    fn what_the_events_are_to_the_saga_follows_from_the_declarations() {
        let fleet = fixture::fleet();
        let mut kinds: BTreeMap<EdgeKind, BTreeSet<&str>> = BTreeMap::new();
        for edge in Graph::of(fleet.services()).edges() {
            kinds.entry(edge.kind).or_default().insert(edge.event);
        }
        let failures = ["PaymentFailed", "ShipmentFailed", "StockReservationFailed"];
        assert_eq!(kinds[&EdgeKind::Failure], failures.into());
        let undoing = ["OrderCancelled", "PaymentRefunded", "StockReleased"];
        assert_eq!(kinds[&EdgeKind::Undoing], undoing.into());
    }

    #[test]
    fn every_read_and_every_end_is_an_edge() {
        let fleet = fixture::fleet();
        let graph = Graph::of(fleet.services());
        let edges = graph.edges();
        let ends = graph.emitted().filter(|(_, it)| it.is_end).count();
        assert_eq!(edges.len(), graph.read().count() + ends);
        assert_eq!(edges[0].event, "OrderPlaced", "the saga begins at the top");
    }
}
