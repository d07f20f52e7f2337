//! What the tool says of a running fleet: its contracts, its graph, and whether a service can be
//! deployed beside it; and a service in another language that takes part.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use stack::fleet::SERVICES;
use testkit::eventually;
use testkit::http::order;
use tokio::process::{Child, Command};

use crate::independent::{here, python};
use crate::test_fleet::{PATIENCE, TestFleet, fresh, shared};

/// The flags that tell the tool where the services listen.
fn urls(fleet: &TestFleet) -> Vec<String> {
    let flags = SERVICES.map(|name| [format!("--{name}-url"), fleet.fleet.url(name)]);
    flags.into_iter().flatten().collect()
}

/// What the tool says with these arguments and the services' URLs, and its exit code.
async fn tool(fleet: &TestFleet, arguments: &[&str]) -> (String, i32) {
    let urls = urls(fleet);
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    fleet.tool(&[arguments, &urls].concat()).await
}

/// A copy of what contracts are about, in which payment's reader of `OrderPlaced` is another.
fn tree_with_reader(change: impl Fn(&mut Value)) -> tempfile::TempDir {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let copy = tempfile::tempdir().unwrap();
    for service in SERVICES {
        let path = format!("services/{service}/declaration.json");
        let mut declared: Value =
            serde_json::from_str(&fs::read_to_string(root.join(&path)).unwrap()).unwrap();
        if service == "payment" {
            let mut reads = declared["consumes"].as_array_mut().unwrap().iter_mut();
            change(&mut reads.find(|it| it["event"] == "OrderPlaced").unwrap()["schema"]);
        }
        let to = copy.path().join(path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(to, declared.to_string()).unwrap();
        let schemas = PathBuf::from(format!("schemas/{service}"));
        fs::create_dir_all(copy.path().join(&schemas)).unwrap();
        for entry in fs::read_dir(root.join(&schemas)).unwrap() {
            let file = schemas.join(entry.unwrap().file_name());
            fs::copy(root.join(&file), copy.path().join(&file)).unwrap();
        }
    }
    copy
}

/// An order that ends, so that there is something in the topics.
async fn an_order(fleet: &TestFleet) -> uuid::Uuid {
    let sku = fresh("contracts");
    fleet.sell(&sku, 10).await;
    let id = fleet.place(&fresh("contracts"), &order(&sku, 1)).await;
    fleet.settled(id).await;
    id
}

#[tokio::test]
async fn a_service_can_be_deployed_if_it_reads_what_is_there() {
    let fleet = shared().await;
    an_order(fleet).await;
    for service in SERVICES {
        let (said, code) = tool(fleet, &["contracts", "can-deploy", "--service", service]).await;
        assert!(code == 0 && said.contains(&format!("Yes: {service} can be deployed")), "{said}");
    }

    // What is there does not have it, and never will: it was written before.
    let tree = tree_with_reader(|schema| {
        let field = json!({"name": "loyalty_card", "type": "string"});
        schema["fields"].as_array_mut().unwrap().push(field);
    });
    let tree = tree.path().to_str().unwrap();
    let arguments = ["contracts", "can-deploy", "--service", "payment", "--tree", tree];
    let (said, code) = tool(fleet, &arguments).await;
    assert!(code == 1 && said.contains("OrderPlaced by schema"), "{said}");
    assert!(said.contains("payment to be: some values cannot be read"), "{said}");

    // Who gives no answer may be anything.
    let away = ["contracts", "can-deploy", "--service", "order"];
    let (said, code) =
        fleet.tool(&[&away[..], &["--payment-url", "http://127.0.0.1:1"]].concat()).await;
    assert!(code == 3 && said.contains("payment at http://127.0.0.1:1 says nothing"), "{said}");
    let (said, code) = fleet.tool(&["contracts", "can-deploy", "--service", "bakery"]).await;
    assert!(code == 2 && said.contains("there is no service"), "{said}");
}

#[tokio::test]
async fn a_running_fleet_keeps_its_contracts_and_is_as_declared() {
    let fleet = shared().await;
    an_order(fleet).await;
    let (said, code) = tool(fleet, &["contracts", "check", "--registry", "--running"]).await;
    assert_eq!(code, 0, "{said}");
    let (said, code) = tool(fleet, &["graph", "--check", "--running"]).await;
    assert_eq!(code, 0, "{said}");
}

/// A process that ends with the test.
struct Python(Child);

impl Python {
    async fn start(fleet: &TestFleet, port: u16) -> Self {
        let stack = &fleet.sandbox.stack;
        let mut command = Command::new(python().await);
        command.arg(here("service.py"));
        command.args([&stack.kafka_brokers, &stack.schema_registry_url, &fleet.sandbox.prefix]);
        Self(command.arg(port.to_string()).kill_on_drop(true).spawn().unwrap())
    }
}

#[tokio::test]
async fn a_service_in_python_takes_part() {
    let fleet = shared().await;
    fleet.sandbox.create_topics(&["reviews"], 3).await;
    let schemas = here("schemas");
    fleet.tool_does(&["schemas", "register", "--dir", schemas.to_str().unwrap()]).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let mut service = Python::start(fleet, port).await;

    let id = an_order(fleet).await;
    let topics = vec![fleet.sandbox.topics.events("reviews")];
    let invited = eventually("the customer is invited to review", PATIENCE, async || {
        let mut records = fleet.sandbox.records(topics.clone()).await.into_iter();
        records.find_map(|it| it.event.ok().filter(|event| event.envelope.saga.0 == id))
    })
    .await;
    assert_eq!(invited.envelope.event_type, "ReviewInvited");
    assert_eq!(invited.payload["order_id"], json!(id));
    let caused_by = &invited.envelope.causation_id;
    let events = fleet.events_of(id).await;
    let cause = events.iter().find(|it| it.envelope.id.to_string() == *caused_by).unwrap();
    assert_eq!(cause.envelope.event_type, "OrderCompleted");

    // It is part of the graph as any other, which finds nothing wrong with it.
    let url = format!("http://127.0.0.1:{port}");
    let (said, code) =
        tool(fleet, &["graph", "--check", "--running", "--also", &url, "--format", "json"]).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("ReviewInvited") && said.contains("\"reviews\""), "{said}");
    let out = tempfile::tempdir().unwrap();
    let directory = out.path().to_str().unwrap();
    let (said, code) =
        tool(fleet, &["catalogue", "--out", directory, "--running", "--also", &url]).await;
    assert_eq!(code, 0, "{said}");
    for file in ["index.html", "README.md", "asyncapi/reviews.yaml", "asyncapi/fleet.yaml"] {
        let text = fs::read_to_string(out.path().join("docs/catalogue").join(file)).unwrap();
        assert!(text.contains("ReviewInvited"), "{file}");
    }
    // The others don't mind: nothing was given up because of it.
    assert!(
        fleet
            .sandbox
            .dead_letters()
            .await
            .iter()
            .all(|it| { it.event.as_ref().is_ok_and(|event| event.envelope.saga.0 != id) })
    );
    service.0.start_kill().unwrap();
}
