use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::cache::{self, Cache};
use crate::error::{Context, Error};
use crate::options::Options;
use crate::part::Launch;
use crate::ports::Ports;
use crate::probe::Probe;
use crate::progress::Progress;
use crate::recipe::Recipe;
use crate::{java, maven, process};

/// Of Apache Kafka.
pub const VERSION: &str = "4.3.1";
const LIBRARIES: &str = "kafka-4.3.1";
const TEMPLATE: &str = "kafka-4.3.1-template";
/// Any id does: no two of our clusters ever meet.
const CLUSTER_ID: &str = "RmFyYW5kb2xlLXN0YWNrLg";

const POM: &str = "\
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>farandole</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>4.3.1</version>
    </dependency>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka-tools</artifactId>
      <version>4.3.1</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>2.25.3</version>
    </dependency>
  </dependencies>
</project>
";

/// The part's standard output is its log file.
const LOGGING: &str = "\
rootLogger.level=WARN
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %c{1}: %m%n
";

/// An Apache Kafka node that is broker and controller in one.
pub(crate) struct Kafka {
    java: PathBuf,
    libraries: PathBuf,
    template: PathBuf,
    rebalance_delay: bool,
}

impl Recipe for Kafka {
    const NAME: &'static str = "Kafka";

    async fn install(options: &Options, cache: &Cache, progress: &Progress) -> Result<Self, Error> {
        let java = java::find(cache, progress).await?;
        if let Some(partial) = cache.missing(LIBRARIES).await? {
            let pom = partial.directory().join("pom.xml");
            fs::write(&pom, POM).context("write", &pom)?;
            let scope = ["-DincludeScope=runtime".to_owned()];
            let copy = maven::dependency(cache, &partial, "copy-dependencies", &scope);
            let content = progress.fetching("Kafka 4.3.1", 130, partial.directory(), copy).await?;
            partial.keep(&content)?;
        }
        let (libraries, template) = (cache.entry(LIBRARIES), cache.entry(TEMPLATE));
        let rebalance_delay = options.rebalance_delay;
        let kafka = Self { java, libraries, template, rebalance_delay };
        if let Some(partial) = cache.missing(TEMPLATE).await? {
            let data = partial.directory().join("data");
            let settings = partial.directory().join("server.properties");
            let ports = Ports { main: 9092, side: 9093, advertised: 9092 };
            fs::write(&settings, server_properties(&data, ports, false))
                .context("write", &settings)?;
            let mut format = process::command(&kafka.java);
            format.arg("-cp").arg(kafka.class_path()).arg("kafka.tools.StorageTool");
            format.args(["format", "-t", CLUSTER_ID, "-c"]).arg(&settings);
            process::run(format, "formatting Kafka's storage").await?;
            partial.keep(&data)?;
        }
        Ok(kafka)
    }

    async fn launch(&self, directory: &Path, ports: Ports) -> Result<Launch, Error> {
        let data = directory.join("kafka");
        cache::copy_template(&self.template, &data).await?;
        let settings = directory.join("kafka.properties");
        fs::write(&settings, server_properties(&data, ports, self.rebalance_delay))
            .context("write", &settings)?;
        let logging = directory.join("kafka.log4j2.properties");
        fs::write(&logging, LOGGING).context("write", &logging)?;
        let mut arguments = java::options(directory);
        arguments.push(java::property("log4j2.configurationFile", &logging));
        arguments.extend(["-cp".into(), self.class_path(), "kafka.Kafka".into()]);
        arguments.push(settings.into());
        Ok(Launch {
            program: self.java.clone(),
            arguments,
            environment: Vec::new(),
            directory: directory.to_owned(),
            log: directory.join("kafka.log"),
            port: ports.main,
            probe: Probe::Kafka,
            stop_signal: Signal::TERM,
            orphan_signal: "KILL",
            unprivileged: false,
        })
    }
}

impl Kafka {
    fn class_path(&self) -> OsString {
        self.libraries.join("*").into_os_string()
    }
}

fn server_properties(
    data: &Path,
    Ports { main, side, advertised }: Ports,
    rebalance_delay: bool,
) -> String {
    let delay_ms = if rebalance_delay { 3_000 } else { 0 };
    format!(
        "\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{side}
listeners=BROKER://127.0.0.1:{main},CONTROLLER://127.0.0.1:{side}
advertised.listeners=BROKER://127.0.0.1:{advertised}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
log.dirs={data}
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms={delay_ms}
group.consumer.assignment.interval.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
",
        data = data.display()
    )
}
