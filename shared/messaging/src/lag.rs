use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use metrics::gauge;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use tracing::{debug, info};

use crate::Monitor;

/// Listens to the consumer: whether brokers are there, how far behind it is, what it is assigned.
pub(crate) struct Listener {
    monitor: Arc<dyn Monitor>,
    /// The group has said which partitions are this instance's, be it none.
    joined: AtomicBool,
}

impl Listener {
    pub(crate) fn new(monitor: Arc<dyn Monitor>) -> Self {
        Self { monitor, joined: AtomicBool::new(false) }
    }
}

impl ClientContext for Listener {
    fn stats(&self, statistics: Statistics) {
        if self.joined.load(Ordering::Relaxed)
            && statistics.brokers.values().any(|broker| broker.nodeid >= 0 && broker.state == "UP")
        {
            self.monitor.up("kafka");
        }
        for topic in statistics.topics.values() {
            for partition in topic.partitions.values() {
                // -1: not assigned to this instance, or not known yet.
                if partition.partition >= 0 && partition.consumer_lag >= 0 {
                    #[allow(clippy::cast_precision_loss)] // A gauge; lags are far below 2^52.
                    gauge!("farandole_consumer_lag_records", "topic" => topic.topic.clone(),
                        "partition" => partition.partition.to_string())
                    .set(partition.consumer_lag as f64);
                }
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.monitor.down("kafka", reason);
        } else {
            debug!(%error, reason, "kafka consumer");
        }
    }
}

impl ConsumerContext for Listener {
    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => {
                info!(partitions = partitions.count(), "partitions assigned");
                self.joined.store(true, Ordering::Relaxed);
                self.monitor.up("kafka");
            }
            Rebalance::Revoke(partitions) => {
                info!(partitions = partitions.count(), "partitions revoked");
            }
            Rebalance::Error(error) => info!(%error, "rebalance failed"),
        }
    }
}
