use std::fs;
use std::path::Path;

use farandole_cli::{SchemaReport, SchemaState, Schemas, check_schemas, register_schemas};
use kafka::Registry;
use tempfile::TempDir;
use testkit::Sandbox;

use crate::run;

const REASON: &str = r#"{"name":"reason","type":"string"}"#;
const REASON_AS_BYTES: &str = r#"{"name":"reason","type":"bytes"}"#;
const REASON_AND_PLACE: &str =
    r#"{"name":"reason","type":"string"},{"name":"place","type":"string","default":""}"#;
const REASON_AND_MANDATORY_PLACE: &str =
    r#"{"name":"reason","type":"string"},{"name":"place","type":"string"}"#;

/// A directory with versions of one event's schema, each given by its fields.
fn versions(fields: &[&str]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    write_versions(directory.path(), fields);
    directory
}

fn write_versions(directory: &Path, fields: &[&str]) {
    let service = directory.join("order");
    fs::create_dir_all(&service).unwrap();
    for (version, fields) in (1..).zip(fields) {
        let schema = format!(
            r#"{{"type":"record","name":"OrderLost","namespace":"farandole.order",
                "fields":[{fields}]}}"#
        );
        fs::write(service.join(format!("OrderLost.v{version}.avsc")), schema).unwrap();
    }
}

fn registry(sandbox: &Sandbox) -> Registry {
    Registry::new(&sandbox.stack.schema_registry_url.parse().unwrap()).unwrap()
}

async fn register(sandbox: &Sandbox, directory: &TempDir) -> Vec<SchemaState> {
    let schemas = Schemas::read(directory.path()).unwrap();
    states(register_schemas(&registry(sandbox), &sandbox.topics, &schemas).await.unwrap())
}

async fn check(sandbox: &Sandbox, directory: &TempDir) -> Vec<SchemaState> {
    let schemas = Schemas::read(directory.path()).unwrap();
    states(check_schemas(&registry(sandbox), &sandbox.topics, &schemas).await.unwrap())
}

fn states(reports: Vec<SchemaReport>) -> Vec<SchemaState> {
    reports.into_iter().map(|report| report.state).collect()
}

#[tokio::test]
async fn all_schemas_are_registered_once() {
    let all = Schemas::embedded().by_event().map(<[_]>::len).sum::<usize>();
    let sandbox = Sandbox::new();
    let subject = sandbox.topics.subject("order", "OrderPlaced");
    let check = ["schemas", "register", "--check"];
    run(&sandbox, &check).await.exits(1).says(&format!("{all} of {all} schemas are missing"));
    run(&sandbox, &["schemas", "register"]).await.exits(0).says(&format!("{all} of them now"));
    run(&sandbox, &["schemas", "register"]).await.exits(0).says("0 of them now");
    run(&sandbox, &check).await.exits(0).says(&subject);

    assert_eq!(registry(&sandbox).compatibility(&subject).await.unwrap(), "FULL_TRANSITIVE");
    assert_eq!(registry(&sandbox).latest(&subject).await.unwrap().version, 2);
}

#[tokio::test]
async fn a_compatible_next_version_is_registered_after_the_first() {
    let sandbox = Sandbox::new();
    let schemas = versions(&[REASON]);
    let [SchemaState::Registered(first)] = register(&sandbox, &schemas).await[..] else {
        panic!("the first version is not registered")
    };
    write_versions(schemas.path(), &[REASON, REASON_AND_PLACE]);
    let before = [SchemaState::AlreadyThere(first), SchemaState::Missing];
    assert_eq!(check(&sandbox, &schemas).await, before);

    let [_, SchemaState::Registered(second)] = register(&sandbox, &schemas).await[..] else {
        panic!("the second version is not registered")
    };
    let after = [first, second].map(SchemaState::AlreadyThere);
    assert_eq!(check(&sandbox, &schemas).await, after);
    assert_eq!(register(&sandbox, &schemas).await, after);
}

#[tokio::test]
async fn an_incompatible_next_version_is_refused_in_the_registrys_words() {
    let sandbox = Sandbox::new();
    let subject = sandbox.topics.subject("order", "OrderLost");
    let schemas = versions(&[REASON, REASON_AND_MANDATORY_PLACE, REASON_AND_PLACE]);
    let states = register(&sandbox, &schemas).await;
    let [SchemaState::Registered(_), SchemaState::Refused(why), SchemaState::Missing] = &states[..]
    else {
        panic!("{states:?}")
    };
    assert!(why.contains("Incompatible"), "{why}");
    let latest = registry(&sandbox).latest(&subject).await.unwrap();
    assert_eq!(latest.version, 1, "what comes after a refused version is not tried");
}

#[tokio::test]
async fn an_edited_version_is_reported_and_nothing_registered() {
    let sandbox = Sandbox::new();
    let [SchemaState::Registered(id)] = register(&sandbox, &versions(&[REASON])).await[..] else {
        panic!("not registered")
    };
    let edited = versions(&[REASON_AS_BYTES, REASON_AND_PLACE]);
    let found = [SchemaState::Differs(id), SchemaState::Missing];
    assert_eq!(check(&sandbox, &edited).await, found);
    assert_eq!(register(&sandbox, &edited).await, found);
    let directory = edited.path().to_str().unwrap();
    run(&sandbox, &["schemas", "register", "--dir", directory])
        .await
        .exits(1)
        .says("A released schema is never edited");
}

#[tokio::test]
async fn a_subject_that_takes_anything_is_reported_and_guarded_again() {
    let sandbox = Sandbox::new();
    let schemas = versions(&[REASON]);
    register(&sandbox, &schemas).await;
    let subject = sandbox.topics.subject("order", "OrderLost");
    registry(&sandbox).set_compatibility(&subject, "NONE").await.unwrap();
    let directory = schemas.path().to_str().unwrap();
    let check = ["schemas", "register", "--check", "--dir", directory];
    run(&sandbox, &check).await.exits(1).says("the subject's compatibility is NONE");
    run(&sandbox, &["schemas", "register", "--dir", directory]).await.exits(0);
    run(&sandbox, &check).await.exits(0);
}

#[tokio::test]
async fn a_directory_without_schemas_is_wrong_usage() {
    let sandbox = Sandbox::new();
    let empty = tempfile::tempdir().unwrap();
    let directory = empty.path().to_str().unwrap();
    run(&sandbox, &["schemas", "register", "--dir", directory]).await.exits(2).says("no schema in");
    run(&sandbox, &["schemas", "register", "--dir", "/nowhere"]).await.exits(2).says("/nowhere");
}
