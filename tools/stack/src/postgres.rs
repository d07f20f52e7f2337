use std::env::consts::ARCH;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::cache::{self, Cache};
use crate::database::ROLE;
use crate::error::{Context, Error};
use crate::part::Launch;
use crate::ports::Ports;
use crate::probe::Probe;
use crate::progress::Progress;
use crate::recipe::Recipe;
use crate::{maven, process};

const ENTRY: &str = "postgres-18.1.0";
/// A `PostgreSQL` server.
pub(crate) struct Postgres {
    programs: PathBuf,
    template: PathBuf,
}

impl Recipe for Postgres {
    const NAME: &'static str = "Postgres";

    async fn install(cache: &Cache, progress: &Progress) -> Result<Self, Error> {
        if let Some(partial) = cache.missing(ENTRY).await? {
            let fetch = async {
                let output = maven::dependency(cache, &partial, "unpack", &[artifact()?]).await?;
                maven::unpack_only(cache, &output, "txz").await
            };
            let directory = partial.directory();
            let content = progress.fetching("Postgres 18.1", 105, directory, fetch).await?;
            partial.keep(&content)?;
        }
        // Data belongs to one user, so each has a template of their own.
        let template = format!("{ENTRY}-template-{}", process::effective_user());
        if let Some(partial) = cache.missing(&template).await? {
            let home = partial.directory();
            if process::is_root() {
                chown(home, Some(process::NOBODY), Some(process::NOBODY)).context("give", home)?;
            }
            let data = home.join("data");
            let mut initdb = process::unprivileged(cache.entry(ENTRY).join("bin/initdb"));
            initdb.args(["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]);
            initdb.args(["--auth=trust", "--username", ROLE, "--pgdata"]).arg(&data);
            initdb.current_dir(home);
            process::run(initdb, "initdb").await?;
            partial.keep(&data)?;
        }
        Ok(Self { programs: cache.entry(ENTRY).join("bin"), template: cache.entry(&template) })
    }

    async fn launch(&self, directory: &Path, ports: Ports) -> Result<Launch, Error> {
        let data = directory.join("postgres");
        cache::copy_template(&self.template, &data).await?;
        let mut arguments = vec!["-D".into(), data.into_os_string()];
        for (name, value) in [
            ("listen_addresses", "127.0.0.1"),
            ("port", &ports.main.to_string()),
            ("unix_socket_directories", ""),
            ("max_connections", "300"),
            ("shared_buffers", "1GB"),
            // At thousands of orders a second the default of 1 GB means a checkpoint every half
            // minute, each followed by a flood of full pages in the log.
            ("max_wal_size", "8GB"),
            ("checkpoint_timeout", "15min"),
            // Rows of outbox, effects and deadlines live for milliseconds. By default vacuum looks at
            // them once a minute; till then every scan reads what is dead.
            ("autovacuum_naptime", "5s"),
            ("timezone", "UTC"),
        ] {
            arguments.extend(["-c".into(), format!("{name}={value}").into()]);
        }
        Ok(Launch {
            program: self.programs.join("postgres"),
            arguments,
            environment: Vec::new(),
            directory: directory.to_owned(),
            log: directory.join("postgres.log"),
            port: ports.main,
            probe: Probe::Postgres,
            // "Fast": ends the sessions instead of waiting for them.
            stop_signal: Signal::INT,
            // "Immediate": the main process takes all its children down without delay.
            orphan_signal: "QUIT",
            unprivileged: true,
        })
    }
}

/// The build for this processor, as Maven names it.
fn artifact() -> Result<String, Error> {
    let architecture = match ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64v8",
        other => return Err(Error::Architecture(other)),
    };
    let group = "io.zonky.test.postgres";
    Ok(format!("-Dartifact={group}:embedded-postgres-binaries-linux-{architecture}:18.1.0"))
}
