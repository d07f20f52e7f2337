use std::collections::BTreeSet;

use crate::Graph;
use crate::finding::{Check, Finding};

impl Graph<'_> {
    /// Events without a schema, and schemas that nobody writes. The schemas are those of the tree:
    /// service and event type. Who brings a schema in its declaration needs none there.
    pub fn without_counterpart(self, schemas: &BTreeSet<(String, String)>) -> Vec<Finding> {
        let mut found = Vec::new();
        for (service, emitted) in self.emitted() {
            let (name, event) = (&service.service, &emitted.event);
            if emitted.schema.is_none() && !schemas.contains(&(name.clone(), event.clone())) {
                let what = format!("{name} emits {event}, which has no schema.");
                found.push(
                    Finding::wrong(Check::NoSchema, name, event, what)
                        .mend(format!("Write schemas/{name}/{event}.v1.avsc.")),
                );
            }
        }
        for (name, event) in schemas {
            if !self.emitted().any(|(it, emitted)| it.service == *name && emitted.event == *event) {
                let what = format!("There is a schema of {event}, which {name} does not emit.");
                found.push(Finding::wrong(Check::NoEmitter, name, event, what).mend(
                    "Declare it; or, once no topic holds such events any more, delete the schema.",
                ));
            }
        }
        found
    }
}
