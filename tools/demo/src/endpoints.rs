//! Where a fleet is.

use std::time::{Duration, Instant};

use anyhow::bail;
use cli::ServiceUrls;
use contracts::Topics;
use declarations::variable;

/// How long a fleet may take to be ready: containers start slowly.
const READY_LIMIT: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(500);

/// Where the fleet to attach to is.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "With --attach")]
pub(crate) struct Endpoints {
    #[command(flatten, next_help_heading = "With --attach")]
    pub(crate) services: ServiceUrls,
    /// Kafka's brokers, comma-separated
    #[arg(
        long,
        env = "KAFKA_BROKERS",
        value_name = "HOST:PORT,…",
        default_value = "localhost:9092"
    )]
    pub(crate) kafka_brokers: String,
    /// The schema registry's base URL (Confluent-compatible API)
    #[arg(
        long,
        env = "SCHEMA_REGISTRY_URL",
        value_name = "URL",
        default_value = "http://localhost:8080/apis/ccompat/v7"
    )]
    pub(crate) schema_registry_url: String,
    /// Put before every topic, as the services have it
    #[arg(long, env = "TOPIC_PREFIX", value_name = "TEXT", default_value = "")]
    pub(crate) topic_prefix: Topics,
}

impl Endpoints {
    /// Waits until all services are ready, two minutes at most.
    pub(crate) async fn until_ready(&self) -> anyhow::Result<()> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?;
        let deadline = Instant::now() + READY_LIMIT;
        for (service, url) in self.services.all() {
            while let Err(reason) = ready(&client, url).await {
                if Instant::now() >= deadline {
                    bail!(
                        "{url} is not ready after {READY_LIMIT:?} ({reason}): start the fleet, or \
                         set {} to where it is",
                        variable(service, "URL")
                    );
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(())
    }
}

async fn ready(client: &reqwest::Client, url: &str) -> Result<(), String> {
    let answer = client.get(format!("{url}/health/ready")).send().await;
    match answer {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(answer.status().to_string()),
        Err(error) => Err(error.to_string()),
    }
}
