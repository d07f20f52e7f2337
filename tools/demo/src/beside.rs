//! What looks at the fleet from outside: the exporter, for Prometheus, and the console, for people.

use std::fs::File;
use std::process::Stdio;

use anyhow::Context as _;
use declarations::variable;
use tokio::process::Command;
use tokio_util::task::AbortOnDropHandle;

use crate::local::Local;

/// Where the exporter is to be found, as deploy/observability has it.
pub(crate) const EXPORTER: &str = "127.0.0.1:8090";
/// Where the console is.
pub(crate) const CONSOLE: &str = "127.0.0.1:8080";

/// Both of them, until this is dropped.
pub(crate) struct Beside {
    _watches: [AbortOnDropHandle<()>; 2],
}

impl Beside {
    /// Starts them beside a fleet. Their logs are beside the others.
    pub(crate) async fn start(local: &Local) -> anyhow::Result<Self> {
        local.create_database("console").await?;
        Ok(Self {
            _watches: [
                program(local, "exporter", "farandole", &["exporter", "--listen", EXPORTER])?,
                program(
                    local,
                    "console",
                    "farandole-console",
                    &["--listen", CONSOLE, "--fleet", "demo"],
                )?,
            ],
        })
    }
}

fn program(
    local: &Local,
    name: &'static str,
    program: &str,
    arguments: &[&str],
) -> anyhow::Result<AbortOnDropHandle<()>> {
    let at = local.endpoints();
    let log = local.directory().join(format!("{name}.log"));
    let log = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let program = local.programs().join(program);
    let mut command = Command::new(&program);
    command
        .args(arguments)
        .env("KAFKA_BROKERS", &at.kafka_brokers)
        .env("SCHEMA_REGISTRY_URL", &at.schema_registry_url)
        .env("CONSOLE_DATABASE_URL", local.database_url("console"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true);
    for (service, url) in at.services.all() {
        command.env(variable(service, "URL"), url);
        command.env(variable(service, "DATABASE_URL"), local.database_url(service));
    }
    let mut child =
        command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
    let watch = tokio::spawn(async move {
        // The fleet does without it.
        if let Ok(status) = child.wait().await {
            eprintln!("the {name} has ended ({status}): see {name}.log");
        }
    });
    Ok(AbortOnDropHandle::new(watch))
}
