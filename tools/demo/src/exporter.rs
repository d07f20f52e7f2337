//! What tells of the fleet from outside, for Prometheus.

use std::fs::File;
use std::process::Stdio;

use anyhow::Context as _;
use declarations::variable;
use tokio::process::Command;
use tokio_util::task::AbortOnDropHandle;

use crate::local::Local;

/// Where it is to be found, as deploy/observability has it.
pub(crate) const ADDRESS: &str = "127.0.0.1:8090";

/// `farandole exporter`, until it is dropped.
pub(crate) struct Exporter {
    _watch: AbortOnDropHandle<()>,
}

impl Exporter {
    /// Starts it beside a fleet. Its log is beside the others.
    pub(crate) fn start(local: &Local) -> anyhow::Result<Self> {
        let at = local.endpoints();
        let log = local.directory().join("exporter.log");
        let log = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let program = local.programs().join("farandole");
        let mut command = Command::new(&program);
        command
            .args(["exporter", "--listen", ADDRESS])
            .env("KAFKA_BROKERS", &at.kafka_brokers)
            .env("SCHEMA_REGISTRY_URL", &at.schema_registry_url)
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
                eprintln!("the exporter has ended ({status}): see exporter.log");
            }
        });
        Ok(Self { _watch: AbortOnDropHandle::new(watch) })
    }
}
