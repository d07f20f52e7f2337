use contracts::Topics;

/// A running fleet.
#[derive(Debug, Clone)]
pub struct Target {
    /// The instances of the order service; they take turns.
    pub order_urls: Vec<String>,
    /// The inventory service, to put something in stock.
    pub inventory_url: String,
    /// Kafka's brokers, to see orders end.
    pub kafka_brokers: String,
    /// The fleet's topics.
    pub topics: Topics,
}
