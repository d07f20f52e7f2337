use std::time::Duration;

use contracts::Topics;
use kafka::{Admin, AdminError, TopicPlan, TopicReport};

use crate::services;

/// How the topics are made. Services require equal numbers of partitions of all of them.
#[derive(Debug, Clone)]
pub struct TopicShape {
    /// How many partitions each topic has.
    pub partitions: i32,
    /// How many copies of each partition Kafka keeps.
    pub replication: i32,
    /// How long events are kept. Dead letters are kept for ever.
    pub retention: Duration,
}

impl Default for TopicShape {
    /// Three partitions, one copy, seven days.
    fn default() -> Self {
        Self { partitions: 3, replication: 1, retention: Duration::from_hours(7 * 24) }
    }
}

impl TopicShape {
    /// The events and the dead letters of each service, and the log of operations.
    fn plans(&self, topics: &Topics) -> Vec<TopicPlan> {
        let plan = |name, retention: Option<Duration>| TopicPlan {
            name,
            partitions: self.partitions,
            replication: self.replication,
            retention,
            large_records: retention.is_none(),
        };
        let events = services().map(|service| plan(topics.events(service), Some(self.retention)));
        let dead_letters = services().map(|service| plan(topics.dead_letters(service), None));
        // One partition: what operators did is read in the order in which they did it.
        let operations =
            TopicPlan { partitions: 1, large_records: false, ..plan(topics.operations(), None) };
        events.chain(dead_letters).chain([operations]).collect()
    }
}

/// The client ids by which Kafka knows the services, for quotas.
pub fn clients(topics: &Topics) -> Vec<String> {
    services().map(|service| topics.group(service)).collect()
}

/// Creates the topics that are missing, and returns when they can be used. A topic that is there
/// is never changed; whether it differs is in the report.
pub async fn create_topics(
    admin: &Admin,
    topics: &Topics,
    shape: &TopicShape,
) -> Result<Vec<(TopicPlan, TopicReport)>, AdminError> {
    let plans = shape.plans(topics);
    let reports = admin.create(&plans).await?;
    Ok(plans.into_iter().zip(reports.into_iter().map(|(_, report)| report)).collect())
}

/// Compares the topics with what they should be; changes nothing.
pub async fn check_topics(
    admin: &Admin,
    topics: &Topics,
    shape: &TopicShape,
) -> Result<Vec<(TopicPlan, TopicReport)>, AdminError> {
    let plans = shape.plans(topics);
    let reports = admin.check(&plans).await?;
    Ok(plans.into_iter().zip(reports.into_iter().map(|(_, report)| report)).collect())
}
