use farandole_cli::SERVICES;

/// Where the services listen.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Services")]
#[expect(clippy::struct_field_names, reason = "clap makes the flags of them")]
pub(crate) struct Endpoints {
    /// The order service
    #[arg(
        long,
        env = "ORDER_URL",
        value_name = "URL",
        hide_env_values = true,
        default_value = "http://localhost:8081"
    )]
    order_url: String,
    /// The inventory service
    #[arg(
        long,
        env = "INVENTORY_URL",
        value_name = "URL",
        hide_env_values = true,
        default_value = "http://localhost:8082"
    )]
    inventory_url: String,
    /// The payment service
    #[arg(
        long,
        env = "PAYMENT_URL",
        value_name = "URL",
        hide_env_values = true,
        default_value = "http://localhost:8083"
    )]
    payment_url: String,
    /// The shipping service
    #[arg(
        long,
        env = "SHIPPING_URL",
        value_name = "URL",
        hide_env_values = true,
        default_value = "http://localhost:8084"
    )]
    shipping_url: String,
    /// The notification service
    #[arg(
        long,
        env = "NOTIFICATION_URL",
        value_name = "URL",
        hide_env_values = true,
        default_value = "http://localhost:8085"
    )]
    notification_url: String,
}

impl Endpoints {
    /// Each service with its URL, without a slash at the end.
    pub(crate) fn all(&self) -> [(&'static str, &str); 5] {
        let Self { order_url, inventory_url, payment_url, shipping_url, notification_url } = self;
        let urls = [order_url, inventory_url, payment_url, shipping_url, notification_url];
        let mut all = SERVICES.map(|service| (service, ""));
        for ((_, at), url) in all.iter_mut().zip(urls) {
            *at = url.trim_end_matches('/');
        }
        all
    }
}
