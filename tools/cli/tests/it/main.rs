//! The program and its library, on the real registry and Kafka.

// Helpers of tests may unwrap as tests do: a panic there is the report.
#![allow(clippy::unwrap_used)]

mod another_fleet;
mod audit;
mod books;
mod calls;
mod connections;
mod contract_checks;
mod database;
mod databases;
mod decisions;
mod dlq;
mod events;
mod gaps;
mod graph;
mod looks;
mod moves;
mod schemas;
mod status;
mod stuck;
mod topics;
mod usage;

use std::process::{ExitStatus, Stdio};

use contracts::Envelope;
use farandole_cli::OrderId;
use testkit::Sandbox;
use tokio::process::Command;
use uuid::Uuid;

fn order() -> OrderId {
    OrderId(Uuid::now_v7())
}

/// The envelope of an event as the order service emits it, its first one of the order.
fn envelope(event_type: &str, order: OrderId) -> Envelope {
    Envelope {
        id: Uuid::now_v7(),
        event_type: event_type.to_owned(),
        source: "/order".to_owned(),
        saga: order,
        time: "2026-01-02T03:04:05Z".parse().unwrap(),
        sequence: 1,
        correlation_id: "c".to_owned(),
        causation_id: "r".to_owned(),
        traceparent: None,
    }
}

/// What a run of the program gave.
struct Run {
    status: ExitStatus,
    output: String,
    errors: String,
}

impl Run {
    #[track_caller]
    fn exits(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{}\n{}", self.output, self.errors);
        self
    }

    #[track_caller]
    fn says(self, words: &str) -> Self {
        let Self { output, errors, .. } = &self;
        let said = output.contains(words) || errors.contains(words);
        assert!(said, "not said: {words}\n{output}\n{errors}");
        self
    }
}

/// `farandole`, in this corner of the stack.
fn program(sandbox: &Sandbox, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_farandole"));
    command
        .args(arguments)
        .env("KAFKA_BROKERS", &sandbox.stack.kafka_brokers)
        .env("SCHEMA_REGISTRY_URL", &sandbox.stack.schema_registry_url)
        .env("TOPIC_PREFIX", &sandbox.prefix)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn run(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    output(program(sandbox, arguments)).await
}

async fn output(mut command: Command) -> Run {
    let output = command.output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { status: output.status, output: text(output.stdout), errors: text(output.stderr) }
}
