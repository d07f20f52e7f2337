use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use contracts::{Declaration, Encoder, Topics, WriterSchema};
use futures::FutureExt as _;
use kafka::{Admin, AdminError, Registry, RegistryError, Topic};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::again;
use crate::database::{Database, OLDEST_POSTGRES, Purpose, Session};
use crate::failure::Failure;
use crate::record::readers::Readers;
use crate::service::Monitor;
use crate::settings::LoopSettings;
use crate::tables::inbox;
use crate::tables::instance::SignOfLife;

/// Why a service cannot start, and waiting would not help.
#[derive(Debug, Error)]
pub enum StartError {
    /// The registry does not have a schema that this service needs, or has another.
    #[error("{0}; run `farandole schemas register` and start again")]
    Schema(String),
    /// The server is too old.
    #[error(
        "Postgres is version {0}, but the service needs {OLDEST_POSTGRES} or newer: upgrade the \
         server, or set DATABASE_URL to another"
    )]
    Postgres(i32),
    /// The registry is none that the service can use.
    #[error(
        "the schema registry gives {subject} the id {id}, and under this id {found}: a registry with \
         Confluent's API, version 7, is needed; see SCHEMA_REGISTRY_URL"
    )]
    Registry {
        /// Of a schema that this service writes.
        subject: String,
        /// The schema's id.
        id: i32,
        /// What the registry has under this id.
        found: String,
    },
    /// Kafka is too old, or refuses.
    #[error("{0}")]
    Kafka(String),
    /// A topic is missing.
    #[error("{0}; run `farandole topics create` and start again")]
    Topic(String),
    /// The topics differ in their numbers of partitions.
    #[error(
        "topic {} has {} partitions but {} has {}; all must have the same number, or a saga's \
         events go to different instances; let all sagas end, give the smaller as many with \
         Kafka's `kafka-topics --alter --partitions`, and start again", .0.0, .0.1, .1.0, .1.1
    )]
    Partitions((String, usize), (String, usize)),
    /// A topic would lose records, or takes none.
    #[error("topic {0} cannot be used: {1}; see `farandole topics create --check`")]
    Unfit(String, String),
    /// The inbox would forget an event that the topic can still bring.
    #[error(
        "the inbox forgets after {inbox_s} s but topic {topic} keeps records for {topic_s} s, so \
         an old record could be processed twice; set INBOX_RETENTION_S above {topic_s}, or the \
         topic's retention.ms below the inbox's"
    )]
    Retention {
        /// The inbox's retention, in seconds.
        inbox_s: u64,
        /// Which topic.
        topic: String,
        /// Its retention, in seconds, or `ever`.
        topic_s: String,
    },
    /// A setting names an event type that this service does not consume.
    #[error(
        "RETRY_BY_TYPE names {event_type:?}, which this service does not consume; it consumes \
         {consumed}"
    )]
    UnknownType {
        /// What it names.
        event_type: String,
        /// What it could name.
        consumed: String,
    },
    /// A setting that Kafka's client does not take.
    #[error("the Kafka client refuses its settings: {0}")]
    Client(String),
    /// The process is to stop before it has started.
    #[error("stopped before the start was complete")]
    Stopped,
}

/// The dependencies, one after the other.
pub(crate) struct Start<'a> {
    pub(crate) database: &'a Database,
    pub(crate) settings: &'a LoopSettings,
    pub(crate) monitor: &'a Arc<dyn Monitor>,
    pub(crate) shutdown: &'a CancellationToken,
}

impl Start<'_> {
    /// Checks the server, makes the inbox ready, and takes a number for this instance.
    pub(crate) async fn postgres(&self) -> Result<SignOfLife, StartError> {
        let mut session = self.database.session(Purpose::new("start"));
        for attempt in 1.. {
            let ready = async {
                let version = version(&mut session).await?;
                if version < OLDEST_POSTGRES {
                    return Ok(Err(StartError::Postgres(version)));
                }
                inbox::prepare(&mut session).await?;
                SignOfLife::take(self.database).await.map(Ok)
            };
            match ready.await {
                Ok(ready) => {
                    self.monitor.up("postgres");
                    return ready;
                }
                Err(failure) => self.wait("postgres", &failure.to_string(), attempt).await?,
            }
        }
        Err(StartError::Stopped)
    }

    /// Finds the ids of what the service writes, and checks that it can read what the others
    /// write today.
    pub(crate) async fn registry<I: 'static>(
        &self,
        declaration: Declaration<I>,
    ) -> Result<(HashMap<&'static str, Encoder>, Readers<I>), StartError> {
        let Declaration { service, consumes, emits, .. } = declaration;
        let topics = &self.settings.topics;
        let client = Registry::new(&self.settings.schema_registry)
            .map_err(|error| StartError::Schema(error.to_string()))?;
        let mut encoders = HashMap::new();
        for written in emits {
            let subject = topics.subject(service, written.event_type);
            let id = self.ask(|| client.id_of(&subject, written.schema)).await?;
            self.check_id(&client, &subject, id, written.schema).await?;
            let encoder = Encoder::new(id, written.schema)
                .map_err(|error| StartError::Schema(format!("{subject}: {error}")))?;
            encoders.insert(written.event_type, encoder);
        }
        let readers = Readers::new(service, topics, consumes, client.clone(), self.monitor.clone());
        for consumes in readers.consumed() {
            let subject = topics.subject(consumes.from, consumes.event_type);
            let latest = self.ask(|| client.latest(&subject)).await?;
            readers
                .learn(consumes, latest.id, &latest.schema)
                .map_err(|error| StartError::Schema(format!("{subject}: {error}")))?;
        }
        self.monitor.up("schema registry");
        Ok((encoders, readers))
    }

    /// Checks that who reads what this service writes finds its schema by the id that is sent
    /// along. Registries have several kinds of ids and tell nobody their version, so the question is
    /// whether they agree with themselves.
    async fn check_id(
        &self,
        client: &Registry,
        subject: &str,
        id: i32,
        written: &str,
    ) -> Result<(), StartError> {
        let found = match self.answered(|| client.schema(id)).await? {
            Ok(found) => WriterSchema::parse(&found)
                .and_then(|found| found.check_readable_as(written))
                .map_err(|error| format!("another schema: {error}")),
            Err(RegistryError::Missing(_)) => Err("nothing".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        let subject = subject.to_owned();
        found.map_err(|found| StartError::Registry { subject, id, found })
    }

    /// Asks the registry, again while it is away, for something that must be there.
    async fn ask<T, F: Future<Output = Result<T, RegistryError>>>(
        &self,
        question: impl Fn() -> F,
    ) -> Result<T, StartError> {
        self.answered(question).await?.map_err(|error| {
            StartError::Schema(match error {
                RegistryError::Missing(subject) => {
                    format!("{subject} is not in the schema registry")
                }
                error => error.to_string(),
            })
        })
    }

    /// Asks the registry, again while it is away.
    async fn answered<T, F: Future<Output = Result<T, RegistryError>>>(
        &self,
        question: impl Fn() -> F,
    ) -> Result<Result<T, RegistryError>, StartError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match question().await {
                Err(error @ RegistryError::Unavailable(_)) => {
                    self.wait("schema registry", &error.to_string(), attempt).await?;
                }
                answer => return Ok(answer),
            }
        }
    }

    /// Checks that the topics are there, alike in partitions, and do not outlive the inbox.
    pub(crate) async fn kafka(&self, sources: &[String], service: &str) -> Result<(), StartError> {
        let topics = &self.settings.topics;
        let mut needed = sources.to_vec();
        needed.extend([topics.events(service), topics.dead_letters(service)]);
        let admin = Admin::new(&self.settings.kafka_brokers)
            .map_err(|error| StartError::Client(error.to_string()))?;
        for attempt in 1.. {
            match admin.inspect(&needed).await {
                Ok(found) => {
                    check_fitness(&found)?;
                    check_partitions(sources, &found)?;
                    check_retention(sources, &found, self.settings.inbox_retention)?;
                    // Up it is once the group has been joined.
                    self.monitor.down("kafka", "joining the consumer group");
                    return Ok(());
                }
                Err(error @ AdminError::Unavailable { .. }) => {
                    self.wait("kafka", &error.to_string(), attempt).await?;
                }
                Err(error @ AdminError::Missing(_)) => {
                    return Err(StartError::Topic(error.to_string()));
                }
                Err(error) => return Err(StartError::Kafka(error.to_string())),
            }
        }
        Err(StartError::Stopped)
    }

    async fn wait(&self, part: &'static str, reason: &str, attempt: u32) -> Result<(), StartError> {
        self.monitor.down(part, reason);
        self.monitor.beat();
        again::pause(attempt, self.shutdown).await.ok_or(StartError::Stopped)
    }
}

/// The server's major version.
async fn version(session: &mut Session) -> Result<i32, Failure> {
    let number = session
        .run(|connection| {
            sqlx::query_scalar!(
                "SELECT current_setting('server_version_num')::integer AS \"number!\""
            )
            .fetch_one(connection)
            .boxed()
        })
        .await?;
    Ok(number / 10_000)
}

fn check_fitness(found: &HashMap<String, Topic>) -> Result<(), StartError> {
    let mut unfit = found.iter().filter_map(|(name, topic)| Some((name, topic.is_unfit()?)));
    match unfit.next() {
        None => Ok(()),
        Some((name, why)) => Err(StartError::Unfit(name.clone(), why)),
    }
}

fn check_partitions(sources: &[String], found: &HashMap<String, Topic>) -> Result<(), StartError> {
    let counts: Vec<(&String, usize)> =
        sources.iter().filter_map(|topic| Some((topic, found.get(topic)?.partitions))).collect();
    match counts.windows(2).find(|pair| pair[0].1 != pair[1].1) {
        None => Ok(()),
        Some(pair) => {
            let [one, other] = [pair[0], pair[1]].map(|(topic, count)| (topic.clone(), count));
            Err(StartError::Partitions(one, other))
        }
    }
}

fn check_retention(
    sources: &[String],
    found: &HashMap<String, Topic>,
    inbox: Duration,
) -> Result<(), StartError> {
    for topic in sources {
        let Some(kept) = found.get(topic).map(|topic| topic.retention) else { continue };
        if kept.is_none_or(|kept| kept >= inbox) {
            return Err(StartError::Retention {
                inbox_s: inbox.as_secs(),
                topic: topic.clone(),
                topic_s: kept.map_or_else(|| "ever".to_owned(), |kept| kept.as_secs().to_string()),
            });
        }
    }
    Ok(())
}

/// Checks that what is said of single event types is said of ones that come here.
pub(crate) fn check_types<I: 'static>(
    settings: &LoopSettings,
    readers: &Readers<I>,
) -> Result<(), StartError> {
    let mut consumed: Vec<&str> = readers.consumed().map(|one| one.event_type).collect();
    consumed.sort_unstable();
    match settings.retry_by_type.keys().find(|named| !consumed.contains(&named.as_str())) {
        None => Ok(()),
        Some(named) => Err(StartError::UnknownType {
            event_type: named.clone(),
            consumed: consumed.join(", "),
        }),
    }
}

/// The topics that the service reads.
pub(crate) fn sources<I: 'static>(readers: &Readers<I>, topics: &Topics) -> Vec<String> {
    let mut sources: Vec<String> =
        readers.consumed().map(|consumes| topics.events(consumes.from)).collect();
    sources.sort_unstable();
    sources.dedup();
    sources
}
