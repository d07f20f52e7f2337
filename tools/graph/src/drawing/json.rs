use declarations::depths;
use serde_json::{Value, json};

use crate::{Finding, Graph};

impl Graph<'_> {
    /// All there is to the graph, for programs: services, who says what to whom, and these findings.
    pub fn json(self, findings: &[Finding]) -> Value {
        let depths = depths(self.services());
        let nodes: Vec<Value> = self
            .services()
            .iter()
            .map(|it| {
                json!({
                    "service": it.service,
                    "owner": it.owner,
                    "about": it.about,
                    "version": it.version,
                    "instance": it.instance,
                    "begins": it.begins.as_ref().map(|begins| &begins.event),
                    "settles": it.settles,
                })
            })
            .collect();
        let events: Vec<Value> = self
            .emitted()
            .map(|(service, it)| {
                json!({
                    "event": it.event,
                    "from": service.service,
                    "version": it.version,
                    "end": it.is_end,
                    "depth": depths.get(it.event.as_str()),
                })
            })
            .collect();
        json!({ "nodes": nodes, "events": events, "edges": self.edges(), "findings": findings })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn everything_is_there() {
        let fleet = fixture::fleet();
        let graph = Graph::of(fleet.services());
        let json = graph.json(&[]);
        assert_eq!(json["nodes"].as_array().unwrap().len(), fleet.services().len());
        let edges = json["edges"].as_array().unwrap();
        let refund = edges.iter().find(|it| it["event"] == "PaymentRefunded").unwrap();
        assert_eq!(refund["undoes"], "PaymentCharged");
        let reserved = edges.iter().find(|it| it["event"] == "StockReserved").unwrap();
        assert_eq!(reserved["within_s"], 60);
        assert_eq!(json["events"][0]["depth"], 0);
    }
}
