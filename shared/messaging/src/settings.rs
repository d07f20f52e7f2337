use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use contracts::Topics;
use kafka::RegistrySettings;

use crate::again::backoff;

/// How the loop runs. All have defaults that suit one instance of a service on a small machine.
#[derive(Debug, Clone)]
pub struct LoopSettings {
    /// `host:port` of the brokers, comma-separated.
    pub kafka_brokers: String,
    /// Where the schema registry is.
    pub schema_registry: RegistrySettings,
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
    /// The shortest, from the beginning of one batch to that of the next, at low ones.
    pub batch_linger_min: Duration,
    /// How failing records are tried again. Calls to the outside use its waits, too.
    pub retry: RetryPolicy,
    /// What differs from that for single event types.
    pub retry_by_type: HashMap<String, RetryPolicy>,
    /// How many records may wait in the retry queue, and how many calls to the outside may be
    /// open, before no more events are taken in.
    pub backlog_max: u32,
    /// How long a number that is missing in a saga's stream may take to arrive before the topic
    /// is searched for it.
    pub gap_grace: Duration,
    /// The most events published a second; `None` for as many as there are.
    pub publish_rate: Option<NonZeroU32>,
    /// How many calls to the outside may run at once.
    pub effect_concurrency: usize,
    /// How long one call to the outside may take.
    pub effect_timeout: Duration,
    /// How long the inbox remembers an event.
    pub inbox_retention: Duration,
}

/// How often, how soon and for how long something that fails is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often it is tried, the first time included, before it is a dead letter.
    pub max_attempts: u32,
    /// The first retry comes after up to this long; each further wait is up to twice as long.
    pub base: Duration,
    /// The longest wait between two tries.
    pub cap: Duration,
    /// How long after its first failure it is given up, however few the tries.
    pub max_age: Duration,
}

impl RetryPolicy {
    /// How long to wait before the next try of what has failed `attempts` times, for the first
    /// time `age` ago; `None` if it is to be given up.
    pub(crate) fn next(&self, attempts: u32, age: Duration) -> Option<Duration> {
        let left = self.max_age.checked_sub(age).filter(|left| !left.is_zero())?;
        (attempts < self.max_attempts).then(|| backoff(attempts, self.base, self.cap).min(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_up_after_the_last_try_and_when_too_old() {
        let second = Duration::from_secs(1);
        let policy =
            RetryPolicy { max_attempts: 3, base: second, cap: 9 * second, max_age: 60 * second };
        assert!(policy.next(2, second).is_some_and(|wait| wait <= 2 * second));
        assert_eq!(policy.next(3, second), None, "tried often enough");
        assert_eq!(policy.next(1, 60 * second), None, "too old");
        let millisecond = Duration::from_millis(1);
        let nearly = Duration::from_millis(59_999);
        assert!(policy.next(2, nearly).is_some_and(|wait| wait <= millisecond));
    }
}
