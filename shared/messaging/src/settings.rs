use std::time::Duration;

use contracts::Topics;

/// How the loop runs. All have defaults that suit one instance of a service on a small machine.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `host:port` of the brokers, comma-separated.
    pub kafka_brokers: String,
    /// Confluent-compatible base URL of the schema registry.
    pub schema_registry_url: String,
    /// Prefix of topics and groups.
    pub topics: Topics,
    /// Kafka's `group.instance.id`: an instance that comes back under the same name goes on at
    /// once, instead of after a session timeout.
    pub group_instance_id: Option<String>,
    /// Kafka's session timeout: how long a vanished instance keeps its partitions.
    pub session_timeout: Duration,
    /// The most records in a transaction. With 1, everything works one at a time.
    pub batch_max: usize,
    /// The longest wait for a batch to fill, at high rates.
    pub batch_linger: Duration,
    /// How often a failing record is tried before it is a dead letter.
    pub retry_max_attempts: u32,
    /// The first retry comes after up to this long; each further wait is up to twice as long.
    pub retry_base: Duration,
    /// The longest wait between two tries of a record or a call.
    pub retry_cap: Duration,
    /// How many calls to the outside may run at once.
    pub effect_concurrency: usize,
    /// How long one call to the outside may take.
    pub effect_timeout: Duration,
    /// How long the inbox remembers an event.
    pub inbox_retention: Duration,
    /// Whether spans are recorded; otherwise trace context is only passed on.
    pub tracing: bool,
}

/// A wait before try number `attempt` (from 1): full jitter over an exponentially growing span
/// (AWS Architecture Blog, "Exponential Backoff And Jitter").
pub(crate) fn backoff(attempt: u32, base: Duration, cap: Duration) -> Duration {
    let span = base.saturating_mul(2u32.saturating_pow(attempt.saturating_sub(1).min(20))).min(cap);
    span.mul_f64(fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_to_its_cap_and_never_past_it() {
        let (base, cap) = (Duration::from_millis(100), Duration::from_secs(5));
        for attempt in 1..100 {
            let most = base * 2u32.pow((attempt - 1).min(10));
            for _ in 0..50 {
                assert!(backoff(attempt, base, cap) <= most.min(cap));
            }
        }
    }
}
