use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::cache::Cache;
use crate::error::{Context, Error};
use crate::options::Options;
use crate::part::Launch;
use crate::ports::Ports;
use crate::probe::Probe;
use crate::progress::Progress;
use crate::recipe::Recipe;
use crate::{java, maven};

const ENTRY: &str = "apicurio-registry-3.3.3";
const ARTIFACT: &str = "-Dartifact=io.apicurio:apicurio-registry-app:3.3.3:tar.gz:all";

/// Apicurio, a schema registry that speaks Confluent's protocol.
pub(crate) struct Registry {
    java: PathBuf,
    application: PathBuf,
}

impl Recipe for Registry {
    const NAME: &'static str = "the schema registry";

    async fn install(_: &Options, cache: &Cache, progress: &Progress) -> Result<Self, Error> {
        let java = java::find(cache, progress).await?;
        if let Some(partial) = cache.missing(ENTRY).await? {
            let fetch = async {
                let artifact = [ARTIFACT.to_owned()];
                let output = maven::dependency(cache, &partial, "copy", &artifact).await?;
                maven::unpack_only(cache, &output, "gz").await
            };
            let directory = partial.directory();
            let content = progress.fetching("Apicurio 3.3.3", 500, directory, fetch).await?;
            partial.keep(&content)?;
        }
        Ok(Self { java, application: cache.entry(ENTRY) })
    }

    async fn launch(&self, directory: &Path, ports: Ports) -> Result<Launch, Error> {
        let data = directory.join("registry");
        fs::create_dir_all(&data).context("create", &data)?;
        // A file, written through at once: schemas outlive a restart, and a kill.
        let url = format!(
            "jdbc:h2:file:{};WRITE_DELAY=0;DB_CLOSE_ON_EXIT=FALSE",
            data.join("schemas").display()
        );
        let mut arguments = java::options(directory);
        // It lives for minutes and does little: starting fast beats running fast.
        arguments.push("-XX:TieredStopAtLevel=1".into());
        arguments.extend(
            [
                ("quarkus.http.host", "127.0.0.1"),
                ("quarkus.http.port", &ports.main.to_string()),
                ("quarkus.http.access-log.enabled", "false"),
                ("quarkus.management.host", "127.0.0.1"),
                ("quarkus.management.port", &ports.side.to_string()),
                ("quarkus.log.level", "WARN"),
                ("quarkus.log.category.\"io.apicurio\".level", "WARN"),
                ("apicurio.rules.global.compatibility", "FULL_TRANSITIVE"),
                ("apicurio.datasource.url", &url),
                ("apicurio.datasource.jdbc.initial-size", "2"),
                ("apicurio.datasource.jdbc.min-size", "2"),
            ]
            .map(|(name, value)| java::property(name, value)),
        );
        arguments.extend(["-jar".into(), self.application.join("quarkus-run.jar").into()]);
        Ok(Launch {
            program: self.java.clone(),
            arguments,
            environment: Vec::new(),
            directory: directory.to_owned(),
            log: directory.join("registry.log"),
            port: ports.main,
            probe: Probe::Registry { management_port: ports.side },
            stop_signal: Signal::TERM,
            orphan_signal: "KILL",
            unprivileged: false,
        })
    }
}
