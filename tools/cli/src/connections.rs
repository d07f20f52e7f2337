//! Where Kafka and the registry are, and how long they are waited for.

use std::fmt::Display;
use std::time::{Duration, Instant};

use contracts::Topics;
use kafka::{Admin, AdminError, Registry, RegistryError, RegistrySettings, parse_brokers};

use crate::print::remark;

/// How long one try may take.
const TRY: Duration = Duration::from_secs(5);
/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(500);
/// How often a wait is reported.
const REPORT: Duration = Duration::from_secs(5);

/// Where Kafka and the registry are.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Connections")]
pub struct Connections {
    /// Kafka's brokers, comma-separated
    #[arg(long, global = true, env = "KAFKA_BROKERS", value_name = "HOST:PORT,…",
          default_value = "localhost:9092", value_parser = parse_brokers,
          hide_env_values = true, hide_short_help = true)]
    pub kafka_brokers: String,
    #[command(flatten)]
    schema_registry: RegistrySettings,
    /// Put before every topic, as the services have it
    #[arg(
        long,
        global = true,
        env = "TOPIC_PREFIX",
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true,
        hide_env_values = true,
        hide_short_help = true
    )]
    pub topic_prefix: Topics,
    /// How long to wait for Kafka, the registry or Postgres to come up, each; and `audit`, for the fleet to
    /// come to rest
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 0,
          value_parser = clap::value_parser!(u64).range(0..=86_400), hide_short_help = true)]
    wait: u64,
}

impl Connections {
    /// How long to wait for what is to come.
    pub fn wait(&self) -> Duration {
        Duration::from_secs(self.wait)
    }

    /// The registry, whether or not it answers.
    pub fn registry_at(&self) -> Result<Registry, RegistryError> {
        Registry::new(&self.schema_registry)
    }

    /// The registry, once it answers.
    pub async fn registry(&self) -> Result<Registry, RegistryError> {
        let registry = self.registry_at()?;
        self.reach("the schema registry", async || registry.answers(TRY).await).await?;
        Ok(registry)
    }

    /// Kafka, once it answers.
    pub async fn kafka(&self) -> Result<Admin, AdminError> {
        let admin = Admin::new(&self.kafka_brokers)?;
        self.reach("Kafka", async || admin.answers(TRY).await).await?;
        Ok(admin)
    }

    /// Its answer, once it gives one. Tells what is waited for.
    pub async fn reach<T, E: Display>(
        &self,
        name: &str,
        answers: impl AsyncFn() -> Result<T, E>,
    ) -> Result<T, E> {
        let deadline = Instant::now() + Duration::from_secs(self.wait);
        let mut report_at = Instant::now();
        loop {
            let error = match answers().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let now = Instant::now();
            if now >= deadline {
                return Err(error);
            }
            if now >= report_at {
                let left = (deadline - now).as_secs();
                remark(&format!("waiting for {name}, up to {left} s more: {error}"));
                report_at = now + REPORT;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
