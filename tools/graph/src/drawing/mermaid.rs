use std::fmt::Write as _;

use super::{Edge, EdgeKind};
use crate::Graph;

impl Graph<'_> {
    /// The graph as a flowchart in Mermaid's language: a node per service, an arrow per pair of them
    /// and kind, dotted for failures and what undoes. Left out are what nobody reads, and what a
    /// reader only remembers until another event comes.
    pub fn mermaid(self) -> String {
        let mut text = String::from("flowchart LR\n");
        if let Some(first) = self.services().iter().find(|it| it.begins.is_some()) {
            let _ = writeln!(text, "    client([client]) --> {}", node(&first.service));
        }
        let edges = self.edges();
        let shown = edges.iter().filter(|it| !is_remembered(it, &edges));
        let mut arrows: Vec<Arrow<'_>> = Vec::new();
        for arrow in by_pair(shown) {
            // Who is told the same shares an arrow.
            match arrows.iter_mut().find(|it| it.says_as_much_as(&arrow)) {
                Some(same) => same.to.extend(arrow.to),
                None => arrows.push(arrow),
            }
        }
        for Arrow { from, to, kind, events } in arrows {
            let label = match &events[..] {
                [event] => (*event).to_owned(),
                events => format!("\"{}\"", events.join(", ")),
            };
            let (begin, end) = match kind {
                EdgeKind::Forward => ("--", "-->"),
                EdgeKind::Failure | EdgeKind::Undoing => ("-.", ".->"),
            };
            let to: Vec<String> = to.into_iter().map(node).collect();
            let (from, to) = (node(from), to.join(" & "));
            let _ = writeln!(text, "    {from} {begin} {label} {end} {to}");
        }
        text
    }
}

/// A service's node. `end` is a word of Mermaid's, and of a hyphen it makes an arrow.
fn node(service: &str) -> String {
    match service {
        "end" | "graph" | "subgraph" | "client" => format!("{service}_[{service}]"),
        _ if service.contains('-') => format!("{}[{service}]", service.replace('-', "_")),
        _ => service.to_owned(),
    }
}

/// Whether a reader only remembers an event, for what it leads to follows from another one as well,
/// for which somebody waits.
fn is_remembered(edge: &Edge<'_>, all: &[Edge<'_>]) -> bool {
    let decides = |it: &&Edge<'_>| it.to == edge.to && !it.may_linger;
    let others = || all.iter().filter(decides).flat_map(|it| &it.leads_to);
    let is_led = |led: &&str| others().any(|it| it == led);
    edge.may_linger && !edge.leads_to.is_empty() && edge.leads_to.iter().all(is_led)
}

/// Events that a service says to others.
struct Arrow<'a> {
    from: &'a str,
    to: Vec<&'a str>,
    kind: EdgeKind,
    events: Vec<&'a str>,
}

impl Arrow<'_> {
    fn says_as_much_as(&self, other: &Self) -> bool {
        (self.from, self.kind) == (other.from, other.kind) && self.events == other.events
    }
}

/// An arrow for each pair of services and kind of event, in the order of the first of each.
fn by_pair<'e, 'a: 'e>(edges: impl Iterator<Item = &'e Edge<'a>>) -> Vec<Arrow<'a>> {
    let mut arrows: Vec<Arrow<'a>> = Vec::new();
    for edge in edges {
        let Some(to) = edge.to else { continue };
        let is_its =
            |it: &&mut Arrow<'_>| (it.from, &it.to[..], it.kind) == (edge.from, &[to], edge.kind);
        match arrows.iter_mut().find(is_its) {
            Some(arrow) => arrow.events.push(edge.event),
            None => arrows.push(Arrow {
                from: edge.from,
                to: vec![to],
                kind: edge.kind,
                events: vec![edge.event],
            }),
        }
    }
    arrows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn the_fleet_is_drawn_as_it_dances() {
        let fleet = fixture::fleet();
        let drawn = Graph::of(fleet.services()).mermaid();
        for line in [
            "    client([client]) --> order",
            "    order -- OrderPlaced --> inventory",
            "    inventory -- StockReserved --> payment",
            "    payment -. PaymentFailed .-> order",
            "    order -- \"OrderPlaced, OrderConfirmed, OrderCompleted\" --> notification",
            "    order -. OrderCancelled .-> inventory & payment & shipping & notification",
        ] {
            assert!(drawn.lines().any(|it| it == line), "{line}\n{drawn}");
        }
    }

    #[test]
    fn names_that_mean_something_to_mermaid_are_no_nodes() {
        assert_eq!(node("end"), "end_[end]");
        assert_eq!(node("gift-cards"), "gift_cards[gift-cards]");
    }
}
