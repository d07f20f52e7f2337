//! Another language's clients read every event, and understand the same as ours.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use stack::fleet::SERVICES;
use testkit::http::order;
use testkit::programs;
use testkit::schemas::released;
use tokio::process::Command;
use tokio::time::timeout;

use crate::test_fleet::{TestFleet, fresh, shared};

/// The first time, two packages are fetched.
const LIMIT: Duration = Duration::from_mins(2);

#[tokio::test]
async fn python_reads_every_event_as_we_do() {
    let fleet = shared().await;
    play_all_events(fleet).await;
    let ours = fleet.sandbox.events().await;
    let types: BTreeSet<&str> = ours.iter().map(|it| it.envelope.event_type.as_str()).collect();
    assert_eq!(types.len(), released().len(), "{types:?}");

    let theirs = read_with_python(fleet).await;
    for event in &ours {
        let read = &theirs[&event.envelope.id.to_string()];
        assert_eq!(read["type"], event.envelope.event_type);
        assert_eq!(read["payload"], event.payload);
    }
}

/// Orders that together lead to all types of events.
async fn play_all_events(fleet: &TestFleet) {
    let (sku, mut orders) = (fresh("python"), Vec::new());
    fleet.sell(&sku, 100).await;
    for (pointer, value) in [
        ("/customer_id", json!("Zoë 😀")),
        ("/lines/0/quantity", json!(1000)),
        ("/payment_method", json!("pm_card_visa_chargeDeclined")),
        ("/recipient/country", json!("XX")),
        ("/recipient/email", json!("undeliverable@example.org")),
    ] {
        let mut body = order(&sku, 1);
        *body.pointer_mut(pointer).unwrap() = value;
        orders.push(fleet.place(&fresh("python"), &body).await);
    }
    for order in orders {
        fleet.settled(order).await;
    }
    let all = || async {
        let events = fleet.sandbox.events().await;
        let types: BTreeSet<_> = events.into_iter().map(|it| it.envelope.event_type).collect();
        (types.len() == released().len()).then_some(())
    };
    testkit::eventually("events of all types", crate::test_fleet::PATIENCE, all).await;
}

/// What the script prints, by event id.
async fn read_with_python(fleet: &TestFleet) -> HashMap<String, Value> {
    let python = python().await;
    let mut command = Command::new(python);
    command.arg(here("read_events.py"));
    command.args([&fleet.sandbox.stack.kafka_brokers, &fleet.sandbox.stack.schema_registry_url]);
    command.args(SERVICES.map(|service| fleet.sandbox.topics.events(service)));
    let output = run(command).await;
    let lines = output.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|read| (read["id"].as_str().unwrap().to_owned(), read)).collect()
}

/// A Python that has the packages, kept between runs beside what cargo builds.
pub(crate) async fn python() -> PathBuf {
    let home = programs().join("independent-python");
    let python = home.join("bin/python");
    if !python.exists() {
        let mut create = Command::new("python3");
        create.args(["-m", "venv"]).arg(&home);
        run(create).await;
    }
    let mut install = Command::new(&python);
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
    ]);
    install.arg(here("requirements.txt"));
    run(install).await;
    python
}

pub(crate) fn here(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/independent").join(file)
}

/// Runs a command to its end, and returns what it printed.
async fn run(mut command: Command) -> String {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(LIMIT, command.output()).await.expect("python is done in time");
    let output = output.unwrap_or_else(|error| {
        panic!(
            "{error}: install python3 with its venv module (Debian: apt-get install python3-venv)"
        )
    });
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{errors}\nthis needs python3 with its venv module (Debian: apt-get install python3-venv) \
         and pip's package index"
    );
    String::from_utf8(output.stdout).unwrap()
}
