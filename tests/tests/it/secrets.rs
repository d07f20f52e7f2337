//! What nobody may see is in nothing that the programs print.

use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use stack::fleet::{SERVICES, instance};
use testkit::{Sandbox, eventually};
use tokio::process::Command;
use tokio::time::timeout;

use crate::test_fleet::PATIENCE;

/// In the place of every password and token.
const CANARY: &str = "s3cret-canary";

/// Addresses with something secret in them, good ones and bad ones.
const ADDRESSES: [(&str, &str); 10] = [
    ("DATABASE_URL", "postgres://order:s3cret-canary@127.0.0.1:9/order"),
    ("DATABASE_URL", "postgres://order:s3cret-canary@/order"),
    ("DATABASE_URL", "postgres://order:s3cret-canary@localhost:port/order"),
    ("DATABASE_URL", "mysql://order:s3cret-canary@localhost/order"),
    ("DATABASE_URL", "postgres://localhost/order?password=s3cret-canary&no=thing"),
    ("SCHEMA_REGISTRY_URL", "http://svc:s3cret-canary@127.0.0.1:9/apis"),
    ("SCHEMA_REGISTRY_URL", "ftp://svc:s3cret-canary@127.0.0.1:9/apis"),
    ("SCHEMA_REGISTRY_URL", "http://svc:s3cret-canary@127.0.0.1:port"),
    ("SCHEMA_REGISTRY_TOKEN", "s3cret-canary"),
    ("SCHEMA_REGISTRY_TOKEN", "s3cret-canary\u{e9}"),
];

fn assert_silent(what: &str, said: &[u8]) {
    let said = String::from_utf8_lossy(said);
    assert!(!said.contains(CANARY), "{what} says {said}");
}

/// Runs a program for some seconds at most.
async fn run(
    sandbox: &Sandbox,
    program: &str,
    arguments: &[&str],
    address: (&str, &str),
) -> Output {
    let program = sandbox.fleet(&[]).programs.join(program);
    let mut command = Command::new(program);
    command.args(arguments).env("DATABASE_URL", "postgres://nobody@127.0.0.1:9/nothing");
    command.env("HTTP_ADDR", "127.0.0.1:0").env("KAFKA_BROKERS", "127.0.0.1:9");
    for service in SERVICES.map(str::to_uppercase) {
        command.env(format!("{service}_DATABASE_URL"), address.1);
    }
    command.env(address.0, address.1).stdin(Stdio::null()).kill_on_drop(true);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    if timeout(Duration::from_secs(2), child.wait()).await.is_err() {
        child.start_kill().unwrap();
    }
    child.wait_with_output().await.unwrap()
}

#[tokio::test]
async fn no_program_prints_what_addresses_hold() {
    let sandbox = Sandbox::new();
    for address in ADDRESSES {
        let services = SERVICES
            .iter()
            .flat_map(|name| [(*name, "--help"), (*name, "--http-addr=127.0.0.1:0")]);
        let tools =
            ["--help", "audit", "gaps", "status", "dlq"].map(|command| ("farandole", command));
        let runs = services.chain(tools).map(|(program, argument)| {
            let sandbox = &sandbox;
            async move {
                let output = run(sandbox, program, &[argument], address).await;
                let what = format!("{program} {argument} with {}={}", address.0, address.1);
                assert_silent(&what, &output.stdout);
                assert_silent(&what, &output.stderr);
            }
        });
        futures::future::join_all(runs).await;
    }
}

/// Registry, Postgres and Kafka are away: the reasons are in the log and in readiness, which anybody
/// may read.
#[tokio::test]
async fn a_service_says_what_is_away_and_not_how_to_get_in() {
    let sandbox = Sandbox::new();
    sandbox.prepare_fleet().await;
    for (name, address, part) in [
        ("DATABASE_URL", "postgres://order:s3cret-canary@127.0.0.1:9/order", "postgres"),
        ("SCHEMA_REGISTRY_URL", "http://svc:s3cret-canary@127.0.0.1:9/apis", "schema registry"),
    ] {
        let options = sandbox.fleet(&[(name, address)]);
        let database = format!("{}payment", options.prefix);
        sandbox.stack.create_database(&database).await.unwrap();
        let service = instance(&sandbox.stack, &options, "payment", 1, None).unwrap();
        service.start_without_waiting().unwrap();
        let ready = format!("http://127.0.0.1:{}/health/ready", service.port());
        let said = eventually("it says what is away", PATIENCE, async || {
            let said = reqwest::get(&ready).await.ok()?.text().await.ok()?;
            let health: Value = serde_json::from_str(&said).ok()?;
            let reason = health["components"][part]["reason"].as_str()?;
            (reason != "starting").then_some(said)
        });
        assert_silent("readiness", said.await.as_bytes());
        let metrics = ready.replace("health/ready", "metrics");
        let metrics = reqwest::get(&metrics).await.unwrap().text().await.unwrap();
        assert_silent("the metrics", metrics.as_bytes());
        assert_silent("the log", &std::fs::read(service.log().unwrap()).unwrap());
        service.kill().await;
    }
}
