//! What is generated, into a copy of what it is generated from. That it compiles, and takes part in a
//! fleet, is checked by tests/scaffold/check.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use farandole_scaffold::{
    Changes, NewEvent, NewReaction, NewService, NewVersion, ScaffoldError, Tree, new_event,
    new_reaction, new_service, new_version,
};
use tempfile::TempDir;

/// A copy of what matters of the project.
struct Copy {
    directory: TempDir,
    tree: Tree,
}

impl Copy {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for part in ["services", "schemas", "docs"] {
            copy(&root.join(part), &directory.path().join(part));
        }
        fs::write(directory.path().join("Cargo.toml"), "").unwrap();
        let tree = Tree::of(&directory.path().join("services/order/src")).unwrap();
        Self { directory, tree }
    }

    fn write(&self, changes: Result<Changes, ScaffoldError>) -> Vec<String> {
        let changes = changes.unwrap();
        changes.write(&self.tree).unwrap();
        changes.paths().map(|(path, _)| path.to_owned()).collect()
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.directory.path().join(path)).unwrap()
    }

    fn service(
        &self,
        name: &str,
        reads: &[&str],
        emits: &[&str],
    ) -> Result<Changes, ScaffoldError> {
        let new = NewService {
            service: name.to_owned(),
            about: None,
            owner: None,
            reads: reads.iter().map(|event| event.parse().unwrap()).collect(),
            emits: emits.iter().map(|event| (*event).to_owned()).collect(),
            port: None,
        };
        new_service(&self.tree, &new)
    }

    fn reaction(&self, service: &str, reads: &str) -> Result<Changes, ScaffoldError> {
        let new = NewReaction { service: service.to_owned(), reads: reads.parse().unwrap() };
        new_reaction(&self.tree, &new)
    }

    fn event(&self, event: &str, on: &str) -> Result<Changes, ScaffoldError> {
        new_event(&self.tree, &NewEvent { event: event.parse().unwrap(), on: on.to_owned() })
    }

    fn version(&self, event: &str, field: Option<&str>) -> Result<Changes, ScaffoldError> {
        let field = field.map(|field| field.parse().unwrap());
        new_version(&self.tree, &NewVersion { event: event.parse().unwrap(), field })
    }

    /// All sources of a service are Rust, and all its schemas are JSON.
    fn assert_sound(&self, service: &str) {
        for path in files(&self.directory.path().join("services").join(service)) {
            let text = fs::read_to_string(&path).unwrap();
            if path.extension() == Some("rs".as_ref()) {
                syn::parse_file(&text).unwrap();
            } else if path.extension() == Some("avsc".as_ref()) {
                serde_json::from_str::<serde_json::Value>(&text).unwrap();
            }
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn files(below: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(below).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[track_caller]
fn refused(changes: Result<Changes, ScaffoldError>, why: &str) {
    let error = changes.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains(why), "not {why:?}: {error:?}");
}

#[test]
fn a_service_is_written_once_and_specified() {
    let copy = Copy::new();
    for (name, reads, emits) in [
        ("loyalty", vec!["order/OrderPlaced", "order/OrderCompleted"], vec!["PointsAwarded"]),
        ("greeter", vec!["order/OrderConfirmed"], vec!["CustomerGreeted", "BellRung"]),
    ] {
        let paths = copy.write(copy.service(name, &reads, &emits));
        let outside = paths.iter().filter(|path| !path.starts_with(&format!("services/{name}/")));
        assert_eq!(outside.count(), 1 + emits.len(), "schemas and the specification: {paths:?}");
        copy.assert_sound(name);
        refused(copy.service(name, &reads, &emits), "already");
    }
    let specification = copy.text("docs/choreography.md");
    assert!(specification.contains("| OrderCompleted | order | loyalty, notification |"));
    assert!(specification.contains("| PointsAwarded | loyalty | |"), "{specification}");
    assert!(copy.text("services/loyalty/src/lib.rs").lines().count() <= 56);
}

#[test]
fn a_service_that_cannot_be_is_refused_and_nothing_written() {
    let copy = Copy::new();
    let event = &["order/OrderPlaced"];
    refused(copy.service("match", event, &["Done"]), "no service's name");
    refused(copy.service("order", event, &["Done"]), "already");
    refused(copy.service("new", &["order/OrderLost"], &["Done"]), "order/OrderLost is no event");
    refused(copy.service("new", event, &["done"]), "no event's name");
    refused(copy.service("new", &[], &["Done"]), "--reads");
    refused(copy.service("new", event, &["OrderPlaced"]), "the same name");
    let quoted = NewService {
        service: "new".to_owned(),
        about: Some("says \"hello\"".to_owned()),
        owner: None,
        reads: vec!["order/OrderPlaced".parse().unwrap()],
        emits: vec!["Done".to_owned()],
        port: None,
    };
    refused(new_service(&copy.tree, &quoted), "plain words");
    refused(
        new_service(&copy.tree, &NewService { about: None, port: Some(8081), ..quoted }),
        "port 8081",
    );
    assert!(!copy.directory.path().join("services/new").exists());
    let nowhere = Tree::of(Path::new("/")).unwrap_err().to_string();
    assert!(nowhere.contains("in a clone of the project"), "{nowhere}");
}

#[test]
fn reactions_are_absorbed_and_events_answer_them() {
    let copy = Copy::new();
    copy.write(copy.service(
        "loyalty",
        &["order/OrderPlaced", "order/OrderCompleted"],
        &["Awarded"],
    ));
    copy.write(copy.service("greeter", &["order/OrderConfirmed"], &["Greeted"]));
    for service in ["loyalty", "greeter"] {
        copy.write(copy.reaction(service, "order/OrderCancelled"));
        let event = format!("{service}/Revoked");
        refused(copy.event(&event, "OrderLost"), "does not read OrderLost");
        copy.write(copy.event(&event, "OrderCancelled"));
        copy.assert_sound(service);
        let domain = copy.text(&format!("services/{service}/src/domain.rs"));
        assert!(domain.contains(".emit(Revoked { order_id })"), "{domain}");
        let lib = copy.text(&format!("services/{service}/src/lib.rs"));
        assert!(lib.contains("OrderCancelled).leads_to(&[\"Revoked\"])"), "{lib}");
        refused(copy.reaction(service, "order/OrderCancelled"), "already");
        refused(
            copy.event(&format!("{service}/More"), "OrderCancelled"),
            "leads to something already",
        );
    }
    // Those that were written by hand, too.
    for (service, reads) in [
        ("shipping", "payment/PaymentFailed"),
        ("payment", "shipping/ShipmentCreated"),
        ("notification", "shipping/ShipmentCreated"),
    ] {
        copy.write(copy.reaction(service, reads));
        copy.assert_sound(service);
    }
    refused(copy.reaction("nobody", "order/OrderPlaced"), "no service nobody");
}

#[test]
fn a_version_is_written_from_now_on() {
    let copy = Copy::new();
    copy.write(copy.version("order/OrderPlaced", Some("wrapping:string=none")));
    copy.write(copy.version("order/OrderPlaced", Some("attempts:int=1")));
    copy.assert_sound("order");
    let schema = copy.text("schemas/order/OrderPlaced.v4.avsc");
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let fields = schema["fields"].as_array().unwrap();
    let [.., wrapping, attempts] = fields.as_slice() else { panic!("{fields:?}") };
    assert_eq!((&wrapping["default"], &attempts["default"]), (&"none".into(), &1.into()));
    assert!(copy.text("services/order/src/lib.rs").contains("emits!(\"order\", OrderPlaced, 4)"));
    let placing = copy.text("services/order/src/placing.rs");
    assert!(placing.contains(" wrapping: \"none\".to_owned(),"), "{placing}");
    refused(
        copy.version("order/OrderPlaced", Some("wrapping:string=x")),
        "a field wrapping already",
    );
    refused(copy.version("order/OrderLost", None), "no event");
    let same = copy.text("schemas/shipping/ShipmentFailed.v1.avsc");
    copy.write(copy.version("shipping/ShipmentFailed", None));
    assert_eq!(copy.text("schemas/shipping/ShipmentFailed.v2.avsc"), same);
}
