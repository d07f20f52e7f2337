use std::fmt::Write as _;

use super::EdgeKind;
use crate::Graph;

impl Graph<'_> {
    /// The graph in the language of Graphviz: a node per service, an edge per event and reader, dashed
    /// for failures and what undoes.
    pub fn dot(self) -> String {
        let mut text = String::from(
            "digraph dance {\n  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n  \
             edge [fontname=\"sans-serif\", fontsize=10];\n",
        );
        for service in self.services() {
            let (name, owner) = (quoted(&service.service), quoted(&service.owner));
            let _ = writeln!(text, "  {name} [tooltip={owner}];");
        }
        for (at, edge) in self.edges().iter().enumerate() {
            let mut label = edge.event.to_owned();
            if let Some(within_s) = edge.within_s {
                let _ = write!(label, ", {within_s} s");
            }
            let style = match edge.kind {
                EdgeKind::Forward if edge.may_linger => ", color=\"gray50\"",
                EdgeKind::Forward => "",
                EdgeKind::Failure => ", style=dashed, color=\"darkorange3\"",
                EdgeKind::Undoing => ", style=dashed, color=\"firebrick3\"",
            };
            let (from, label) = (quoted(edge.from), quoted(&label));
            let to = edge.to.map_or_else(
                || {
                    // What nobody reads ends in a point of its own.
                    let _ = writeln!(text, "  end{at} [shape=point, label=\"\"];");
                    format!("end{at}")
                },
                quoted,
            );
            let _ = writeln!(text, "  {from} -> {to} [label={label}{style}];");
        }
        text + "}\n"
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn every_edge_is_there() {
        let fleet = fixture::fleet();
        let graph = Graph::of(fleet.services());
        let drawn = graph.dot();
        assert!(drawn.contains("  \"inventory\" -> \"payment\" [label=\"StockReserved, 60 s\"];"));
        assert_eq!(drawn.matches(" -> ").count(), graph.edges().len());
        assert_eq!(quoted("a \"b\""), "\"a \\\"b\\\"\"");
    }
}
