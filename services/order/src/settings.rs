use messaging::NoGateway;

/// The settings that only the order service has.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Orders")]
pub struct Settings {
    /// How long an order may wait for its payment, in seconds, before it is cancelled.
    #[arg(long, env = "ORDER_DEADLINE_S", value_name = "S", default_value_t = 900,
          value_parser = clap::value_parser!(u32).range(1..=31_536_000))]
    pub(crate) order_deadline_s: u32,
    /// The longest wait for more orders to share a transaction, in milliseconds. It is used at
    /// high rates only.
    #[arg(long, env = "PLACE_LINGER_MS", value_name = "MS", default_value_t = 2,
          value_parser = clap::value_parser!(u64).range(0..=100))]
    pub(crate) place_linger_ms: u64,
    /// The most orders a second from one client, told by its address; 0 for no limit. More are
    /// answered with 429 and `Retry-After`.
    #[arg(long, env = "CLIENT_RATE_MAX", value_name = "ORDERS", default_value_t = 0)]
    pub(crate) client_rate_max: u32,
    /// The header in which a trusted proxy names the client's address, such as x-forwarded-for.
    #[arg(long, env = "CLIENT_ADDRESS_HEADER", value_name = "NAME")]
    pub(crate) client_address_header: Option<axum::http::HeaderName>,
}

/// The order service calls nobody outside.
impl From<Settings> for NoGateway {
    fn from(_: Settings) -> Self {
        Self
    }
}
