use std::collections::HashMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::groups::GroupInfo;
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};

use crate::error::{AdminError, away, sort};
use crate::standalone::{Standalone, Window, config, windows_of, with_consumer};

/// How long to look for the first records that a group has not read, at most: how many there are is
/// known without them.
const FIRST_LIMIT: Duration = Duration::from_millis(700);

/// A consumer group as the brokers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Such as `Stable`; `Empty` or `Dead` without members.
    pub state: String,
    /// Who is in it.
    pub members: Vec<Member>,
    /// How many records of its topics it has not done with.
    pub unread: i64,
    /// When the oldest of those was produced, if it could be looked at in time.
    pub unread_since: Option<Timestamp>,
}

/// A member of a consumer group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What the client calls itself.
    pub client_id: String,
    /// From where it comes.
    pub host: String,
}

/// The names of all consumer groups that the brokers know, those without members as well, sorted.
///
/// Blocks, for about this long at most.
pub fn groups(brokers: &str, within: Duration) -> Result<Vec<String>, AdminError> {
    with_consumer(&config(brokers), brokers, |consumer| {
        let found = consumer.fetch_group_list(None, within).map_err(away(brokers))?;
        let mut names: Vec<String> =
            found.groups().iter().map(|group| group.name().to_owned()).collect();
        names.sort_unstable();
        Ok(names)
    })
}

/// What the brokers know of a group that reads these topics. Joins no group, commits nothing.
///
/// Blocks, for about this long at most.
pub fn group(
    brokers: &str,
    name: &str,
    topics: &[String],
    within: Duration,
) -> Result<Group, AdminError> {
    let deadline = Instant::now() + within;
    let left = || deadline.saturating_duration_since(Instant::now());
    let mut config = config(brokers);
    config.set("group.id", name).set("enable.partition.eof", "true");
    with_consumer(&config, brokers, |consumer| {
        let found = consumer.fetch_group_list(Some(name), left()).map_err(away(brokers))?;
        let found = found.groups().iter().find(|group| group.name() == name);
        let members = found.into_iter().flat_map(GroupInfo::members).map(|member| Member {
            client_id: member.client_id().to_owned(),
            host: member.client_host().trim_start_matches('/').to_owned(),
        });
        let state = found.map_or("Dead", |group| group.state()).to_owned();
        let members = members.collect();
        let mut ahead = ahead(consumer, brokers, topics, deadline)?;
        let unread_since = first(consumer, &mut ahead, left().min(FIRST_LIMIT))
            .map_err(|error| sort(brokers, &error))?;
        let unread = ahead.iter().map(|window| window.to - window.from).sum();
        Ok(Group { state, members, unread, unread_since })
    })
}

/// Of these topics what the group has not done with. Three questions, however many partitions.
fn ahead(
    consumer: &Standalone,
    brokers: &str,
    topics: &[String],
    deadline: Instant,
) -> Result<Vec<Window>, AdminError> {
    let held = windows_of(consumer, brokers, topics, deadline)?;
    let mut asked = TopicPartitionList::new();
    for window in &held {
        asked.add_partition(&window.topic, window.partition);
    }
    let left = deadline.saturating_duration_since(Instant::now());
    let committed =
        consumer.committed_offsets(asked, left).map_err(|error| sort(brokers, &error))?;
    let ahead = held.into_iter().filter_map(|window| {
        let next = match committed.find_partition(&window.topic, window.partition)?.offset() {
            Offset::Offset(next) => next,
            _ => window.from,
        };
        let from = next.max(window.from);
        (from < window.to).then_some(Window { from, ..window })
    });
    Ok(ahead.collect())
}

/// When the first record of these was produced. Partitions that hold none are taken out: what is
/// there are a transaction's marks.
fn first(
    consumer: &Standalone,
    windows: &mut Vec<Window>,
    within: Duration,
) -> Result<Option<Timestamp>, KafkaError> {
    let deadline = Instant::now() + within;
    let mut oldest: Option<Timestamp> = None;
    // Topic by topic: that a partition's end is reached comes without the topic's name.
    let mut topics: Vec<String> = windows.iter().map(|window| window.topic.clone()).collect();
    topics.dedup();
    for topic in topics {
        let of_topic = windows.iter().filter(|window| window.topic == topic);
        let mut waited: HashMap<i32, i64> =
            of_topic.map(|window| (window.partition, window.from)).collect();
        let mut start = TopicPartitionList::new();
        for (partition, from) in &waited {
            start.add_partition_offset(&topic, *partition, Offset::Offset(*from))?;
        }
        consumer.assign(&start)?;
        while !waited.is_empty() && Instant::now() < deadline {
            match consumer.poll(Duration::from_millis(20)) {
                Some(Ok(record)) if record.topic() == topic => {
                    let millis = record.timestamp().to_millis();
                    let at = millis.and_then(|millis| Timestamp::from_millisecond(millis).ok());
                    if waited.remove(&record.partition()).is_some() {
                        oldest = [oldest, at].into_iter().flatten().min();
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition)))
                    if waited.remove(&partition).is_some() =>
                {
                    windows.retain(|one| one.topic != topic || one.partition != partition);
                }
                _ => {}
            }
        }
    }
    Ok(oldest)
}
