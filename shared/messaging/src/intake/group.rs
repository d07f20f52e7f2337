use std::sync::Arc;

use kafka::consumer_config;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::error::KafkaError;

use super::ends::Ends;
use super::listener::Listener;
use crate::service::Monitor;
use crate::settings::LoopSettings;

/// What ends the broker's wait for more: some hundred events.
const FETCH_MIN_BYTES: &str = "65536";

/// A consumer that is joining the service's group.
pub(crate) fn join(
    settings: &LoopSettings,
    sources: &[String],
    service: &str,
    monitor: Arc<dyn Monitor>,
    ends: Arc<Ends>,
) -> Result<StreamConsumer<Listener>, KafkaError> {
    let mut config = consumer_config(&settings.kafka_brokers);
    config
        .set("group.id", settings.topics.group(service))
        // Quotas are set by client id.
        .set("client.id", settings.topics.group(service))
        .set("session.timeout.ms", settings.session_timeout.as_millis().to_string())
        .set("heartbeat.interval.ms", (settings.session_timeout.as_millis() / 3).to_string())
        // A saga's events come through several topics; with equal partition counts this puts
        // them into the same instance's hands.
        .set("partition.assignment.strategy", "range")
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "true")
        .set("auto.commit.interval.ms", "1000")
        .set("enable.auto.offset.store", "false")
        // The default of a second stalls a consumer that was just a little ahead.
        .set("fetch.queue.backoff.ms", "10")
        // With more than this of a partition in memory, fetching pauses for the time above: under
        // full load each fetch then brings a batch, instead of answering to every single append.
        // Much less, and records wait for the pause to end at half of that load, too.
        .set("queued.min.messages", "64")
        .set("queued.max.messages.kbytes", "16384")
        .set("statistics.interval.ms", "2000");
    if !settings.batch_linger_min.is_zero() {
        // A service that waits in any case lets the broker wait for it: one answer instead of one
        // for each append.
        config
            .set("fetch.min.bytes", FETCH_MIN_BYTES)
            .set("fetch.wait.max.ms", settings.batch_linger_min.as_millis().to_string());
    }
    if let Some(id) = &settings.group_instance_id {
        config.set("group.instance.id", id);
    }
    let consumer: StreamConsumer<Listener> =
        config.create_with_context(Listener::new(monitor, ends))?;
    consumer.subscribe(&sources.iter().map(String::as_str).collect::<Vec<_>>())?;
    Ok(consumer)
}
