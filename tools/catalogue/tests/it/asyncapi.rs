//! `AsyncAPI` documents, by the specification's own schema (asyncapi-3.1.0.json, from the package
//! @asyncapi/specs 6.11.1, Apache-2.0).

use std::collections::BTreeSet;
use std::sync::LazyLock;

use farandole_catalogue::files;
use jsonschema::Validator;
use serde_json::Value;

use crate::support::catalogue;

const SPECIFICATION: &str = include_str!("../asyncapi-3.1.0.json");

fn documents() -> Vec<(String, Value)> {
    let files = files(&catalogue()).into_iter();
    let documents = files.filter(|(path, _)| path.contains("/asyncapi/"));
    documents.map(|(path, text)| (path, serde_saphyr::from_str(&text).unwrap())).collect()
}

fn findings(document: &Value) -> Vec<String> {
    // Large, and made once.
    static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
        jsonschema::validator_for(&serde_json::from_str(SPECIFICATION).unwrap()).unwrap()
    });
    let errors = VALIDATOR.iter_errors(document);
    errors.map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn each_document_is_valid_by_the_specifications_schema() {
    let documents = documents();
    assert_eq!(documents.len(), catalogue().services.len() + 1);
    for (path, document) in documents {
        assert_eq!(findings(&document), [""; 0], "{path}");
    }
}

#[test]
fn the_specifications_schema_finds_what_is_wrong() {
    let document = documents().pop().unwrap().1;
    let found = |change: &dyn Fn(&mut Value)| {
        let mut document = document.clone();
        change(&mut document);
        !findings(&document).is_empty()
    };
    assert!(found(&|it| it["asyncapi"] = "2.6.0".into()));
    assert!(found(&|it| it["info"] = Value::Null));
    assert!(found(
        &|it| it["channels"]["order.events"]["bindings"]["kafka"]["partitions"] = "3".into()
    ));
    assert!(found(&|it| {
        let messages = it["components"]["messages"].as_object_mut().unwrap();
        let message = messages.values_mut().find(|it| it["payload"]["schemaFormat"].is_string());
        message.unwrap()["payload"]["schema"]["fields"] = "none".into();
    }));
}

#[test]
fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|it| references(it, found));
            }
            Value::Array(items) => items.iter().for_each(|it| references(it, found)),
            _ => {}
        }
    }
    for (path, document) in documents() {
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.len() > 10, "{path}");
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{path}: {reference}");
        }
    }
}

#[test]
fn a_service_sends_what_it_emits_and_receives_what_it_reads() {
    let documents = documents();
    for service in &catalogue().services {
        let path = format!("docs/catalogue/asyncapi/{}.yaml", service.name);
        let (_, document) = documents.iter().find(|(name, _)| *name == path).unwrap();
        let operations = &document["operations"];
        for event in &service.emits {
            let operation = &operations[format!("{}.says.{event}", service.name)];
            assert_eq!(operation["action"], "send", "{event}");
        }
        for reaction in &service.reads {
            let operation = &operations[format!("{}.reads.{}", service.name, reaction.event)];
            assert_eq!(operation["action"], "receive");
            let reads = operation["x-farandole-reads"].as_array().unwrap();
            assert_eq!(reads.len(), reaction.uses.len(), "{}", reaction.event);
        }
    }
}
