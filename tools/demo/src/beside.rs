//! What looks at the fleet from outside: the exporter, for Prometheus, and the console, for people.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;

use anyhow::Context as _;
use declarations::variable;
use tokio::process::Command;
use tokio_util::task::AbortOnDropHandle;

use crate::local::Local;

/// Both of them, until this is dropped.
pub(crate) struct Beside {
    /// Where the exporter listens.
    pub(crate) exporter: SocketAddr,
    /// Where the console listens.
    pub(crate) console: SocketAddr,
    _watches: [AbortOnDropHandle<()>; 2],
}

impl Beside {
    /// Starts them beside a fleet. Their logs are beside the others. The console is told where the demo
    /// can be asked to break something.
    pub(crate) async fn start(local: &Local, control: &Path) -> anyhow::Result<Self> {
        local.create_database("console").await?;
        let [at_exporter, at_console] = addresses(local.has_default_ports())?;
        let mut exporter = command(local, "farandole");
        exporter.args(["exporter", "--listen", &at_exporter.to_string()]);
        let mut console = command(local, "farandole-console");
        console
            .args(["--fleet", "demo", "--listen", &at_console.to_string()])
            .env("CONSOLE_DATABASE_URL", local.database_url("console"))
            .env("CONSOLE_DEMO", control);
        let watches = [watch(local, "exporter", exporter)?, watch(local, "console", console)?];
        Ok(Self { exporter: at_exporter, console: at_console, _watches: watches })
    }
}

/// Those of the exporter and the console. The exporter's is the one that deploy/observability has, unless
/// free ones are to be taken.
fn addresses(default_ports: bool) -> io::Result<[SocketAddr; 2]> {
    if default_ports {
        return Ok([8090, 8080].map(|port| (Ipv4Addr::LOCALHOST, port).into()));
    }
    let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr();
    Ok([free()?, free()?])
}

/// A program that is told where everything is.
fn command(local: &Local, program: &str) -> Command {
    let at = local.endpoints();
    let mut command = Command::new(local.programs().join(program));
    command
        .env("KAFKA_BROKERS", &at.kafka_brokers)
        .env("SCHEMA_REGISTRY_URL", &at.schema_registry_url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true);
    for (service, url) in at.services.all() {
        command.env(variable(service, "URL"), url);
        command.env(variable(service, "DATABASE_URL"), local.database_url(service));
    }
    command
}

fn watch(
    local: &Local,
    name: &'static str,
    mut command: Command,
) -> anyhow::Result<AbortOnDropHandle<()>> {
    let log = local.directory().join(format!("{name}.log"));
    let log = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut child =
        command.stderr(log).spawn().with_context(|| format!("cannot start the {name}"))?;
    let watch = tokio::spawn(async move {
        // The fleet does without it.
        if let Ok(status) = child.wait().await {
            eprintln!("the {name} has ended ({status}): see {name}.log");
        }
    });
    Ok(AbortOnDropHandle::new(watch))
}
