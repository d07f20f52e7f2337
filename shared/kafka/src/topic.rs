use std::collections::BTreeMap;
use std::time::Duration;

use crate::client::LETTER_MAX_BYTES;

/// The largest batch that a topic of events takes, in bytes: Kafka's default.
const EVENTS_MAX_BYTES: u32 = 1_048_588;

const RETENTION: &str = "retention.ms";
const CLEANUP: &str = "cleanup.policy";
const MIN_IN_SYNC: &str = "min.insync.replicas";
const EVER: &str = "-1";
const ANY_TIME: &str = "9223372036854775807";

/// A topic as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// How many partitions it has.
    pub partitions: usize,
    /// How many copies of each.
    pub replication: usize,
    /// How long it keeps records; `None` for ever.
    pub retention: Option<Duration>,
    /// Its settings, by Kafka's names: those that decide what it takes and what it keeps.
    pub settings: BTreeMap<String, String>,
}

/// A topic as it should be.
#[derive(Debug, Clone)]
pub struct TopicPlan {
    /// Its name.
    pub name: String,
    /// How many partitions.
    pub partitions: i32,
    /// How many copies of each.
    pub replication: i32,
    /// How long it keeps records; `None` for ever.
    pub retention: Option<Duration>,
    /// Whether its records may be larger than Kafka's default of 1 MiB, as those of a dead-letter
    /// topic must: they are other topics' records with more headers.
    pub large_records: bool,
}

impl TopicPlan {
    /// The topic as it would be found if all goes by plan.
    pub fn topic(&self) -> Topic {
        let count = |number: i32| usize::try_from(number).unwrap_or_default();
        let settings = self.settings().map(|(name, value)| (name.to_owned(), value));
        Topic {
            partitions: count(self.partitions),
            replication: count(self.replication),
            retention: self.retention,
            settings: settings.into_iter().collect(),
        }
    }

    /// The settings that it is created with, whatever the brokers' defaults are: each decides
    /// whether records are kept, or whether they can be written.
    pub(crate) fn settings(&self) -> [(&'static str, String); 9] {
        let kept_ms = |kept: Duration| kept.as_millis().to_string();
        let max_bytes = if self.large_records { LETTER_MAX_BYTES } else { EVENTS_MAX_BYTES };
        [
            (RETENTION, self.retention.map_or_else(|| EVER.to_owned(), kept_ms)),
            ("retention.bytes", EVER.to_owned()),
            (CLEANUP, "delete".to_owned()),
            ("max.message.bytes", max_bytes.to_string()),
            // What is acknowledged survives the loss of one copy.
            (MIN_IN_SYNC, (self.replication - 1).max(1).to_string()),
            ("unclean.leader.election.enable", "false".to_owned()),
            // Kafka unpacks a batch before it judges its size, so no record is larger in a
            // reader's memory than the topic allows. Dead letters are larger, and written by us.
            (
                "compression.type",
                if self.large_records { "producer" } else { "uncompressed" }.into(),
            ),
            // A clock that goes wrong must not keep a service from publishing.
            ("message.timestamp.before.max.ms", ANY_TIME.to_owned()),
            ("message.timestamp.after.max.ms", ANY_TIME.to_owned()),
        ]
    }
}

impl Topic {
    /// The settings that are looked at, by what the brokers say of each; the name of the first of
    /// which they know nothing.
    pub(crate) fn settings(
        found: impl Fn(&str) -> Option<String>,
    ) -> Result<BTreeMap<String, String>, &'static str> {
        let any = TopicPlan {
            name: String::new(),
            partitions: 1,
            replication: 1,
            retention: None,
            large_records: false,
        };
        let known = |name| Some((String::from(name), found(name)?));
        any.settings().into_iter().map(|(name, _)| known(name).ok_or(name)).collect()
    }

    pub(crate) fn new(
        partitions: usize,
        replication: usize,
        settings: BTreeMap<String, String>,
    ) -> Self {
        // Below zero is for ever.
        let retention = settings.get(RETENTION).and_then(|kept| kept.parse().ok());
        let retention = retention.map(Duration::from_millis);
        Self { partitions, replication, retention, settings }
    }

    /// In which settings it is not as `other` is: the setting's name, what it is here, and what
    /// there.
    pub fn differences<'t>(
        &'t self,
        other: &'t Self,
    ) -> impl Iterator<Item = (&'t str, &'t str, &'t str)> {
        self.settings.iter().filter_map(|(name, here)| {
            let there = other.settings.get(name)?;
            (here != there).then_some((name.as_str(), here.as_str(), there.as_str()))
        })
    }

    /// Why records would be lost in it, or none could be written, however things go; `None` if that
    /// is not so.
    pub fn is_unfit(&self) -> Option<String> {
        let setting = |name| self.settings.get(name).map_or("", String::as_str);
        let in_sync: usize = setting(MIN_IN_SYNC).parse().unwrap_or(1);
        if setting(CLEANUP).contains("compact") {
            Some(format!(
                "{CLEANUP} is {:?}, so of each saga only the last event is kept; set it to delete",
                setting(CLEANUP)
            ))
        } else if in_sync > self.replication {
            Some(format!(
                "{MIN_IN_SYNC} is {in_sync}, but there are {} copies of a partition, so nothing can \
                 be written; set it to {} at most",
                self.replication, self.replication
            ))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(replication: i32) -> TopicPlan {
        TopicPlan {
            name: "t".to_owned(),
            partitions: 3,
            replication,
            retention: Some(Duration::from_mins(1)),
            large_records: false,
        }
    }

    #[test]
    fn what_is_acknowledged_survives_the_loss_of_a_copy() {
        let min = |replication| plan(replication).topic().settings[MIN_IN_SYNC].clone();
        assert_eq!([1, 2, 3, 5].map(min), ["1", "1", "2", "4"]);
    }

    /// Kafka 3.5 has all others.
    #[test]
    fn a_setting_that_the_brokers_do_not_know_is_named() {
        let planned = plan(3).topic().settings;
        let found = Topic::settings(|name| planned.get(name).cloned());
        assert_eq!(found.as_ref(), Ok(&planned));
        let since = "message.timestamp.before.max.ms";
        let older = |name: &str| found.as_ref().unwrap().get(name).filter(|_| name != since);
        assert_eq!(Topic::settings(|name| older(name).cloned()), Err(since));
    }

    #[test]
    fn a_topic_as_planned_is_fit_and_says_what_it_keeps() {
        let planned = plan(3).topic();
        let found = Topic::new(3, 3, planned.settings.clone());
        assert_eq!(found, planned);
        assert_eq!(found.is_unfit(), None);
        let mut other = found.clone();
        other.settings.insert(CLEANUP.to_owned(), "compact,delete".to_owned());
        assert!(other.is_unfit().unwrap().contains("only the last event is kept"));
        assert_eq!(
            other.differences(&found).collect::<Vec<_>>(),
            [(CLEANUP, "compact,delete", "delete")]
        );
        assert!(Topic { replication: 1, ..found }.is_unfit().unwrap().contains("can be written"));
    }
}
