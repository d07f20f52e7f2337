use anyhow::Context as _;
use tokio_postgres::{Client, NoTls};

/// Where the services' databases are. The tool only reads them.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Databases")]
#[expect(clippy::struct_field_names, reason = "a field's name is its flag")]
pub(crate) struct Databases {
    /// The order service's database
    #[arg(
        long,
        global = true,
        env = "ORDER_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    order_database_url: Option<String>,
    /// The inventory service's database
    #[arg(
        long,
        global = true,
        env = "INVENTORY_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    inventory_database_url: Option<String>,
    /// The payment service's database
    #[arg(
        long,
        global = true,
        env = "PAYMENT_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    payment_database_url: Option<String>,
    /// The shipping service's database
    #[arg(
        long,
        global = true,
        env = "SHIPPING_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    shipping_database_url: Option<String>,
    /// The notification service's database
    #[arg(
        long,
        global = true,
        env = "NOTIFICATION_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    notification_database_url: Option<String>,
}

/// A service's database is needed, and nobody has said where it is, or it is away.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NoDatabase(pub(crate) String);

impl Databases {
    /// A connection to a service's database on which nothing can be written.
    pub(crate) async fn connect(&self, service: &str) -> anyhow::Result<Client> {
        let variable = Self::variable(service);
        let url = self.url(service)?;
        let mut config: tokio_postgres::Config =
            url.parse().with_context(|| format!("{variable} is no Postgres URL"))?;
        // Ten minutes are more than any question takes; no question holds a database up for ever.
        config
            .options("-c default_transaction_read_only=on -c statement_timeout=600000")
            .connect_timeout(std::time::Duration::from_secs(5));
        let (client, connection) = config.connect(NoTls).await.map_err(|error| {
            let reason = messaging::error_chain(&error);
            NoDatabase(format!("the {service} service's database ({variable}): {reason}"))
        })?;
        // Ends when the client is dropped.
        tokio::spawn(connection);
        Ok(client)
    }

    /// The same, or `None` if nobody has said where that database is.
    pub(crate) async fn connect_if_given(&self, service: &str) -> anyhow::Result<Option<Client>> {
        if self.url(service).is_err() {
            return Ok(None);
        }
        self.connect(service).await.map(Some)
    }

    /// The variable that says where a service's database is.
    pub(crate) fn variable(service: &str) -> String {
        format!("{}_DATABASE_URL", service.to_uppercase())
    }

    /// Where a service's database is.
    pub(crate) fn url(&self, service: &str) -> Result<&String, NoDatabase> {
        let url = match service {
            "order" => &self.order_database_url,
            "inventory" => &self.inventory_database_url,
            "payment" => &self.payment_database_url,
            "shipping" => &self.shipping_database_url,
            "notification" => &self.notification_database_url,
            _ => &None,
        };
        let variable = Self::variable(service);
        url.as_ref().ok_or_else(|| {
            NoDatabase(format!("the {service} service's database is needed: set {variable}"))
        })
    }
}
