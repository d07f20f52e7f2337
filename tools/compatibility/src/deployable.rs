//! Whether a service can be deployed beside what is there: what topics hold, and what runs.

use contracts::Declared;
use serde::Serialize;

use crate::versus::{Fate, fate};

/// Events of one type in a topic or among the dead letters that one schema has written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurring {
    /// The service that says them.
    pub service: String,
    /// Their type.
    pub event: String,
    /// The schema's id in the registry.
    pub id: i32,
    /// The schema's JSON text; or why the registry does not have it.
    pub schema: Result<String, String>,
    /// How many there are.
    pub records: u64,
    /// Where the first is: topic/partition/offset.
    pub first: String,
}

/// A pair that does not go together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Obstacle {
    /// Who writes, and by which schema.
    pub writer: String,
    /// Who reads.
    pub reader: String,
    /// What would happen.
    pub why: String,
    /// What to do first.
    pub first: String,
}

/// What stands in the way of deploying a service, as `to_be` declares it.
///
/// `fleet` are all services as they are to be, `running` what their instances declare, and `occurring`
/// what there is of the events that the service reads. `newest` gives the text of the schema by which a
/// service is to write an event.
pub fn obstacles(
    to_be: &Declared,
    fleet: &[Declared],
    running: &[Declared],
    occurring: &[Occurring],
    newest: impl Fn(&str, &str) -> Option<String>,
) -> Vec<Obstacle> {
    let mut found = reading(to_be, running, occurring);
    found.extend(writing(to_be, fleet, running, newest));
    found
}

/// What the service would not read of what is there, or of what is written now.
fn reading(to_be: &Declared, running: &[Declared], occurring: &[Occurring]) -> Vec<Obstacle> {
    let service = &to_be.service;
    let mut found = Vec::new();
    for read in &to_be.consumes {
        let reader = read.schema.to_string();
        let its = |from: &str, event: &str| read.from == from && read.event == event;
        for there in occurring.iter().filter(|it| its(&it.service, &it.event)) {
            let Occurring { event, id, schema, records, first, .. } = there;
            let why = match schema {
                Ok(schema) => misread(schema, &reader),
                Err(why) => Some(format!("its schema is not known: {why}")),
            };
            found.extend(why.map(|why| Obstacle {
                writer: format!("{event} by schema {id}, {records} records from {first} on"),
                reader: format!("{service} to be"),
                why,
                first: format!(
                    "have the reader of {service} read what is there, or wait until no topic and no \
                     dead letter has it any more"
                ),
            }));
        }
        for other in running.iter().filter(|it| it.service == read.from) {
            let written = other.emits.iter().filter(|it| it.event == read.event);
            for schema in written.filter_map(|it| it.schema.as_ref()) {
                let why = misread(&schema.to_string(), &reader);
                found.extend(why.map(|why| Obstacle {
                    writer: format!("{} of {} as it runs", read.event, instance(other)),
                    reader: format!("{service} to be"),
                    why,
                    first: format!(
                        "deploy {} with a version that {service} reads, then {service}",
                        other.service
                    ),
                }));
            }
        }
    }
    found
}

/// Whom the service would write to that cannot read it.
fn writing(
    to_be: &Declared,
    fleet: &[Declared],
    running: &[Declared],
    newest: impl Fn(&str, &str) -> Option<String>,
) -> Vec<Obstacle> {
    let service = &to_be.service;
    let mut found = Vec::new();
    for emitted in &to_be.emits {
        let Some(schema) = newest(service, &emitted.event) else { continue };
        let reads = |it: &Declared| -> Option<String> {
            let mut read = it.consumes.iter();
            let read = read.find(|read| read.from == *service && read.event == emitted.event)?;
            Some(read.schema.to_string())
        };
        for other in running.iter().filter(|it| it.service != *service) {
            let Some(why) = reads(other).and_then(|reader| misread(&schema, &reader)) else {
                continue;
            };
            let name = &other.service;
            let after = fleet.iter().find(|it| it.service == *name).and_then(reads);
            let is_mended = after.is_some_and(|reader| misread(&schema, &reader).is_none());
            let version = emitted.version.map(|it| format!(".v{it}")).unwrap_or_default();
            found.push(Obstacle {
                writer: format!("{}{version} of {service} to be", emitted.event),
                reader: format!("{} as it runs", instance(other)),
                why,
                first: if is_mended {
                    format!("deploy {name}, whose reader here reads it, then {service}")
                } else {
                    format!("change the reader of {name}, deploy {name}, then {service}")
                },
            });
        }
    }
    found
}

fn instance(declared: &Declared) -> String {
    match &declared.instance {
        Some(instance) => format!("{} ({instance})", declared.service),
        None => declared.service.clone(),
    }
}

/// What becomes of values of a writer's schema with a reader's, if they are not read as Avro says.
fn misread(writer: &str, reader: &str) -> Option<String> {
    match fate(writer, reader) {
        Ok(Fate::Read) => None,
        Ok(Fate::Mistaken) => Some("some values would be read as something else".to_owned()),
        Ok(Fate::Lost) => Some("some values cannot be read: they become dead letters".to_owned()),
        Err(why) => Some(format!("it cannot be known whether it is read: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn record(fields: &Value) -> Value {
        json!({"type": "record", "name": "OrderPlaced", "namespace": "farandole.order", "fields": fields})
    }

    fn payment(fields: &Value) -> Declared {
        let consumes = json!([{"event": "OrderPlaced", "from": "order", "schema": record(fields)}]);
        let declared = json!({"service": "payment", "consumes": consumes, "emits": []});
        serde_json::from_value(declared).unwrap()
    }

    fn order(fields: &Value) -> Declared {
        let emits = json!([{"event": "OrderPlaced", "version": 2, "schema": record(fields)}]);
        let declared =
            json!({"service": "order", "instance": "order-1", "consumes": [], "emits": emits});
        serde_json::from_value(declared).unwrap()
    }

    fn v1() -> Value {
        json!([{"name": "total", "type": "long"}])
    }

    fn v2() -> Value {
        json!([{"name": "total", "type": "long"},
            {"name": "channel", "type": "string", "default": "web"}])
    }

    fn occurring(fields: &Value) -> Occurring {
        Occurring {
            service: "order".to_owned(),
            event: "OrderPlaced".to_owned(),
            id: 7,
            schema: Ok(record(fields).to_string()),
            records: 3,
            first: "order.events/0/1".to_owned(),
        }
    }

    fn found(
        to_be: &Declared,
        fleet: &[Declared],
        running: &[Declared],
        there: &[Occurring],
    ) -> Vec<Obstacle> {
        let newest = |service: &str, _: &str| {
            let it = fleet.iter().find(|it| it.service == service)?;
            it.emits.first()?.schema.as_ref().map(ToString::to_string)
        };
        obstacles(to_be, fleet, running, there, newest)
    }

    #[test]
    fn a_field_with_a_default_goes_in_any_order() {
        let fleet = [order(&v2()), payment(&v2())];
        let running = [order(&v1()), payment(&v1())];
        let there = [occurring(&v1()), occurring(&v2())];
        for to_be in &fleet {
            assert_eq!(found(to_be, &fleet, &running, &there), []);
        }
    }

    #[test]
    fn a_reader_that_wants_more_than_there_is_names_what_is_there() {
        let wanting =
            json!([{"name": "total", "type": "long"}, {"name": "channel", "type": "string"}]);
        let fleet = [order(&v2()), payment(&wanting)];
        let running = [order(&v1()), payment(&v1())];
        let both = found(&fleet[1], &fleet, &running, &[occurring(&v1()), occurring(&v2())]);
        assert_eq!(both.len(), 2, "{both:#?}");
        assert!(both[0].writer.contains("schema 7, 3 records from order.events/0/1 on"));
        assert!(both[1].first.starts_with("deploy order "), "{both:#?}");
        let later = found(&fleet[1], &fleet, &[order(&v2())], &[occurring(&v2())]);
        assert_eq!(later, []);
        let mut unknown = occurring(&v2());
        unknown.schema = Err("schema 7 is not there".to_owned());
        assert!(found(&fleet[1], &fleet, &[], &[unknown])[0].why.contains("not there"));
    }

    #[test]
    fn a_writer_that_who_runs_cannot_read_names_the_order_that_works() {
        let without = json!([{"name": "channel", "type": "string", "default": "web"}]);
        let running = [order(&v1()), payment(&v1())];
        let mended = [order(&without), payment(&without)];
        let first = &found(&mended[0], &mended, &running, &[])[0];
        assert_eq!(first.first, "deploy payment, whose reader here reads it, then order");
        assert!(first.reader.contains("payment as it runs"), "{first:?}");
        let unmended = [order(&without), payment(&v1())];
        let first = &found(&unmended[0], &unmended, &running, &[])[0];
        assert!(first.first.starts_with("change the reader of payment"), "{first:?}");
    }
}
