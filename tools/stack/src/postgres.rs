use std::env;
use std::env::consts::ARCH;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::cache::{self, Cache};
use crate::database::ROLE;
use crate::error::{Context, Error};
use crate::options::{Options, PostgresVersion};
use crate::part::Launch;
use crate::ports::Ports;
use crate::probe::Probe;
use crate::progress::Progress;
use crate::recipe::Recipe;
use crate::{maven, process};

/// A `PostgreSQL` server.
pub(crate) struct Postgres {
    programs: PathBuf,
    template: PathBuf,
}

impl Recipe for Postgres {
    const NAME: &'static str = "Postgres";

    async fn install(options: &Options, cache: &Cache, progress: &Progress) -> Result<Self, Error> {
        let version = version(options)?;
        let release = release(version);
        let entry = format!("postgres-{release}");
        if let Some(partial) = cache.missing(&entry).await? {
            let fetch = async {
                let output =
                    maven::dependency(cache, &partial, "unpack", &[artifact(release)?]).await?;
                maven::unpack_only(cache, &output, "txz").await
            };
            let directory = partial.directory();
            let what = format!("Postgres {}", version.as_str());
            let content = progress.fetching(&what, 105, directory, fetch).await?;
            partial.keep(&content)?;
        }
        // Data belongs to one user, so each has a template of their own.
        let template = format!("{entry}-template-{}", process::effective_user());
        if let Some(partial) = cache.missing(&template).await? {
            let home = partial.directory();
            if process::is_root() {
                chown(home, Some(process::NOBODY), Some(process::NOBODY)).context("give", home)?;
            }
            let data = home.join("data");
            let mut initdb = process::unprivileged(cache.entry(&entry).join("bin/initdb"));
            initdb.arg("--encoding=UTF8").args(locale(version));
            initdb.args(["--auth=trust", "--username", ROLE, "--pgdata"]).arg(&data);
            initdb.current_dir(home);
            process::run(initdb, "initdb").await?;
            partial.keep(&data)?;
        }
        Ok(Self { programs: cache.entry(&entry).join("bin"), template: cache.entry(&template) })
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
            // Who forgets a transaction keeps others waiting for no longer than this; who waits for a
            // lock for a second is in the log.
            ("idle_in_transaction_session_timeout", "5min"),
            ("log_lock_waits", "on"),
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

fn version(options: &Options) -> Result<PostgresVersion, Error> {
    let variable = env::var_os("FARANDOLE_POSTGRES").filter(|value| !value.is_empty());
    match (options.postgres_version, variable) {
        (Some(chosen), _) => Ok(chosen),
        (None, Some(text)) => text.to_string_lossy().parse(),
        (None, None) => Ok(PostgresVersion::default()),
    }
}

/// What is fetched of a version.
fn release(version: PostgresVersion) -> &'static str {
    match version {
        PostgresVersion::V15 => "15.19.0",
        PostgresVersion::V16 => "16.15.0",
        PostgresVersion::V17 => "17.11.0",
        PostgresVersion::V18 => "18.1.0",
    }
}

/// Unicode, ordered by code points, whatever this machine's C library knows of locales. Before 17
/// only plain C is like that; it orders the same and differs in what letters beyond ASCII are.
fn locale(version: PostgresVersion) -> &'static [&'static str] {
    match version {
        PostgresVersion::V15 | PostgresVersion::V16 => &["--locale=C"],
        PostgresVersion::V17 | PostgresVersion::V18 => {
            &["--locale-provider=builtin", "--locale=C.UTF-8"]
        }
    }
}

/// The build for this processor, as Maven names it.
fn artifact(release: &str) -> Result<String, Error> {
    let architecture = match ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64v8",
        other => return Err(Error::Architecture(other)),
    };
    let group = "io.zonky.test.postgres";
    Ok(format!("-Dartifact={group}:embedded-postgres-binaries-linux-{architecture}:{release}"))
}
