//! Where a fleet is.

use std::time::{Duration, Instant};

use anyhow::bail;
use contracts::Topics;

/// How long a fleet may take to be ready: containers start slowly.
const READY_LIMIT: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(500);

/// Where the fleet to attach to is.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "With --attach")]
pub(crate) struct Endpoints {
    /// The order service
    #[arg(long, env = "ORDER_URL", value_name = "URL", default_value = "http://127.0.0.1:8081")]
    pub(crate) order_url: String,
    /// The inventory service
    #[arg(
        long,
        env = "INVENTORY_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:8082"
    )]
    pub(crate) inventory_url: String,
    /// The payment service
    #[arg(long, env = "PAYMENT_URL", value_name = "URL", default_value = "http://127.0.0.1:8083")]
    pub(crate) payment_url: String,
    /// The shipping service
    #[arg(long, env = "SHIPPING_URL", value_name = "URL", default_value = "http://127.0.0.1:8084")]
    pub(crate) shipping_url: String,
    /// The notification service
    #[arg(
        long,
        env = "NOTIFICATION_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:8085"
    )]
    pub(crate) notification_url: String,
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
    /// The variable that says where each service is, and what it says.
    pub(crate) fn services(&self) -> [(&'static str, &str); 5] {
        [
            ("ORDER_URL", &self.order_url),
            ("INVENTORY_URL", &self.inventory_url),
            ("PAYMENT_URL", &self.payment_url),
            ("SHIPPING_URL", &self.shipping_url),
            ("NOTIFICATION_URL", &self.notification_url),
        ]
    }

    /// Waits until all services are ready, two minutes at most.
    pub(crate) async fn until_ready(&self) -> anyhow::Result<()> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?;
        let deadline = Instant::now() + READY_LIMIT;
        for (variable, url) in self.services() {
            while let Err(reason) = ready(&client, url).await {
                if Instant::now() >= deadline {
                    bail!(
                        "{url} is not ready after {READY_LIMIT:?} ({reason}): start the fleet, or \
                         set {variable} to where it is"
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
