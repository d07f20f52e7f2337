mod retry_by_type;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use contracts::Topics;
use kafka::{RegistrySettings, Secret, parse_brokers};
use messaging::{Database, NoGateway, RetryPolicy};

use self::retry_by_type::{RetryByType, retry_by_type};
use crate::http::{AllowedHosts, HttpLimits};

/// The settings that all services share. Each is an environment variable and a flag of the same
/// name; a flag wins.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Connections")]
#[group(skip)]
pub struct Settings {
    /// Postgres, the service's own database.
    #[arg(long, env = "DATABASE_URL", value_name = "URL", value_parser = Secret(postgres_url),
          hide_env_values = true)]
    pub database_url: DatabaseUrl,
    /// Threads that the service runs on, beside those of the Kafka client. One is all that a loop can
    /// use, and the cheapest; an order service with far more requests than orders can use more.
    #[arg(long, env = "WORKER_THREADS", value_name = "THREADS", default_value_t = 1,
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=256))]
    pub worker_threads: usize,
    /// The most connections to Postgres. The service holds seven, whatever is set here; the others,
    /// at least two, are for requests.
    #[arg(long, env = "DATABASE_POOL_MAX", value_name = "CONNECTIONS", default_value_t = 16,
          value_parser = RangedU64ValueParser::<usize>::new().range(4..=1000))]
    pub database_pool_max: usize,
    /// Kafka's brokers, comma-separated.
    #[arg(long, env = "KAFKA_BROKERS", value_name = "HOST:PORT,…",
          default_value = "localhost:9092", value_parser = parse_brokers)]
    pub kafka_brokers: String,
    /// Kafka's group.instance.id. An instance that comes back under the same name goes on at
    /// once, instead of after the session timeout. Each instance needs one of its own.
    #[arg(long, env = "KAFKA_GROUP_INSTANCE_ID", value_name = "NAME")]
    pub kafka_group_instance_id: Option<String>,
    /// How long a vanished instance keeps its partitions, in milliseconds.
    #[arg(long, env = "KAFKA_SESSION_TIMEOUT_MS", value_name = "MS", default_value_t = 10_000,
          value_parser = clap::value_parser!(u64).range(1_000..=1_800_000))]
    pub kafka_session_timeout_ms: u64,
    /// The schema registry.
    #[command(flatten)]
    pub schema_registry: RegistrySettings,
    /// Put before every topic and consumer group, so that several fleets can share a cluster.
    #[arg(long, env = "TOPIC_PREFIX", value_name = "TEXT", default_value = "")]
    pub topic_prefix: Topics,
    /// Where and how to serve HTTP.
    #[command(flatten)]
    pub http: HttpSettings,

    #[command(flatten)]
    delivery: Delivery,
}

/// The settings of a service that has none of its own.
#[derive(Debug, Clone, Copy, clap::Args)]
#[group(skip)]
pub struct NoSettings {}

impl From<NoSettings> for NoGateway {
    fn from(_: NoSettings) -> Self {
        Self
    }
}

/// Where and how to serve HTTP.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "HTTP")]
#[group(skip)]
pub struct HttpSettings {
    /// Where to listen for HTTP.
    #[arg(long, env = "HTTP_ADDR", value_name = "ADDRESS:PORT")]
    http_addr: SocketAddr,
    /// Where to listen for probes and metrics (/health/live, /health/ready, /metrics, /declaration) instead, so that
    /// clients neither see them nor keep them out. By default they are served on `HTTP_ADDR`.
    #[arg(long, env = "ADMIN_ADDR", value_name = "ADDRESS:PORT")]
    admin_addr: Option<SocketAddr>,
    /// The most open connections on `HTTP_ADDR`. At this number a new one takes the place of one that has
    /// sent no request yet, or else of one that is idle, the oldest first.
    #[arg(long, env = "HTTP_CONNECTIONS_MAX", value_name = "CONNECTIONS", default_value_t = 4096,
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    http_connections_max: usize,
    /// How long a connection may go without a whole head of a request, in seconds: from its beginning, or
    /// from the answer before, after which it is idle.
    #[arg(long, env = "HTTP_IDLE_TIMEOUT_S", value_name = "S", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(1..=3_600))]
    http_idle_timeout_s: u64,
    /// The names and addresses, without ports, that requests on `HTTP_ADDR` may have in `Host`; all if
    /// empty. Naming them keeps web pages out that reach the service by a name of their own (DNS
    /// rebinding). Probes are answered whatever it is.
    #[arg(long, env = "HTTP_ALLOWED_HOSTS", value_name = "HOST,…", default_value = "")]
    http_allowed_hosts: AllowedHosts,
}

impl HttpSettings {
    /// The address of the API.
    pub fn address(&self) -> SocketAddr {
        self.http_addr
    }

    /// The address of probes and metrics, if they have one of their own.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_addr
    }

    /// The names under which the API may be asked for.
    pub fn allowed_hosts(&self) -> AllowedHosts {
        self.http_allowed_hosts.clone()
    }

    /// What is asked of requests to the API.
    pub fn limits(&self) -> HttpLimits {
        HttpLimits {
            connections: self.http_connections_max,
            header_read_timeout: Duration::from_secs(self.http_idle_timeout_s),
            ..HttpLimits::default()
        }
    }
}

/// A Postgres URL that was checked. It does not show, for it holds a password.
#[derive(Debug, Clone)]
pub struct DatabaseUrl(Database);

/// How the message loop works.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Delivery")]
#[group(skip)]
struct Delivery {
    /// The most records in one transaction; 1 works one at a time.
    #[arg(long, env = "BATCH_MAX", value_name = "RECORDS", default_value_t = 1_000,
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    batch_max: usize,
    /// The longest wait for a batch to fill, in milliseconds. It is used at high rates only.
    #[arg(long, env = "BATCH_LINGER_MS", value_name = "MS",
          value_parser = clap::value_parser!(u64).range(0..=1_000))]
    batch_linger_ms: u64,
    /// The shortest time from the beginning of one batch to that of the next, in milliseconds, also
    /// at low rates; never more than the longest.
    #[arg(long, env = "BATCH_LINGER_MIN_MS", value_name = "MS",
          value_parser = clap::value_parser!(u64).range(0..=1_000))]
    batch_linger_min_ms: u64,
    /// How often a failing event is tried before it becomes a dead letter.
    #[arg(long, env = "RETRY_MAX_ATTEMPTS", value_name = "TRIES", default_value_t = 5,
          value_parser = clap::value_parser!(u32).range(1..=100))]
    retry_max_attempts: u32,
    /// The first retry comes after up to this many milliseconds, each further one after up to
    /// twice as long as the one before.
    #[arg(long, env = "RETRY_BASE_MS", value_name = "MS", default_value_t = 500,
          value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    retry_base_ms: u64,
    /// The longest wait between two tries, in milliseconds.
    #[arg(long, env = "RETRY_CAP_MS", value_name = "MS", default_value_t = 30_000,
          value_parser = clap::value_parser!(u64).range(1..=86_400_000))]
    retry_cap_ms: u64,
    /// How long after its first failure an event becomes a dead letter at the latest, in seconds.
    #[arg(long, env = "RETRY_MAX_AGE_S", value_name = "S", default_value_t = 86_400,
          value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    retry_max_age_s: u64,
    /// What differs for single event types, such as
    /// `OrderPlaced:max_attempts=10,base_ms=100;PaymentCharged:cap_ms=5000,max_age_s=600`.
    #[arg(long, env = "RETRY_BY_TYPE", value_name = "TYPE:NAME=NUMBER,…;…",
          default_value = "", value_parser = retry_by_type)]
    retry_by_type: RetryByType,
    /// How many records may wait in the retry queue, and how many calls to the outside may be
    /// open, before the service takes in no more events.
    #[arg(long, env = "BACKLOG_MAX", value_name = "ROWS", default_value_t = 100_000,
          value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    backlog_max: u32,
    /// How long an event that is missing in an order's stream may take to arrive before the topic
    /// is searched for it, in milliseconds.
    #[arg(long, env = "GAP_GRACE_MS", value_name = "MS", default_value_t = 5_000,
          value_parser = clap::value_parser!(u64).range(0..=3_600_000))]
    gap_grace_ms: u64,
    /// The most events published a second; 0 for as many as there are.
    #[arg(long, env = "PUBLISH_RATE_MAX", value_name = "EVENTS", default_value_t = 0)]
    publish_rate_max: u32,
    /// How many calls to the outside may run at once.
    #[arg(long, env = "EFFECT_CONCURRENCY", value_name = "CALLS", default_value_t = 256,
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    effect_concurrency: usize,
    /// How long one call to the outside may take, in milliseconds.
    #[arg(long, env = "EFFECT_TIMEOUT_MS", value_name = "MS", default_value_t = 5_000,
          value_parser = clap::value_parser!(u64).range(1..=300_000))]
    effect_timeout_ms: u64,
    /// How long the inbox remembers events, in seconds; must be longer than the topics keep them.
    #[arg(long, env = "INBOX_RETENTION_S", value_name = "S", default_value_t = 14 * 86_400,
          value_parser = clap::value_parser!(u64).range(1..=315_360_000))]
    inbox_retention_s: u64,
}

impl Settings {
    /// The service's database.
    pub fn database(&self) -> Database {
        self.database_url.0.clone()
    }

    /// What of them is the loop's.
    pub fn messaging(&self) -> messaging::LoopSettings {
        let delivery = &self.delivery;
        let retry = RetryPolicy {
            max_attempts: delivery.retry_max_attempts,
            base: Duration::from_millis(delivery.retry_base_ms),
            cap: Duration::from_millis(delivery.retry_cap_ms),
            max_age: Duration::from_secs(delivery.retry_max_age_s),
        };
        messaging::LoopSettings {
            kafka_brokers: self.kafka_brokers.clone(),
            schema_registry: self.schema_registry.clone(),
            topics: self.topic_prefix.clone(),
            group_instance_id: self.kafka_group_instance_id.clone(),
            session_timeout: Duration::from_millis(self.kafka_session_timeout_ms),
            batch_max: delivery.batch_max,
            batch_linger: Duration::from_millis(delivery.batch_linger_ms),
            batch_linger_min: Duration::from_millis(delivery.batch_linger_min_ms),
            retry,
            retry_by_type: delivery.retry_by_type.over(retry),
            backlog_max: delivery.backlog_max,
            gap_grace: Duration::from_millis(delivery.gap_grace_ms),
            publish_rate: NonZeroU32::new(delivery.publish_rate_max),
            effect_concurrency: delivery.effect_concurrency,
            effect_timeout: Duration::from_millis(delivery.effect_timeout_ms),
            inbox_retention: Duration::from_secs(delivery.inbox_retention_s),
        }
    }
}

fn postgres_url(text: &str) -> Result<DatabaseUrl, String> {
    Database::new(text).map(DatabaseUrl).map_err(|error| error.to_string())
}
