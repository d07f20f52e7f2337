use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigEntry, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use thiserror::Error;

use crate::failure::chain;
use crate::kafka::client_config;

/// How long Kafka may take to answer a question.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Creates and inspects topics.
pub struct Admin {
    client: Arc<AdminClient<DefaultClientContext>>,
}

/// Why that did not work.
#[derive(Debug, Error)]
pub enum AdminError {
    /// Kafka is away. Trying again may help.
    #[error("Kafka is not there: {0}")]
    Unavailable(String),
    /// A topic is not there.
    #[error("topic {0} does not exist")]
    Missing(String),
    /// Kafka refuses.
    #[error("Kafka refuses: {0}")]
    Refused(String),
}

/// A topic as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// How many partitions it has.
    pub partitions: usize,
    /// How long it keeps records; `None` for ever.
    pub retention: Option<Duration>,
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
}

/// What was found or done for one planned topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicReport {
    /// It was not there and has been created.
    Created,
    /// It is as planned.
    AsPlanned,
    /// It is not there.
    Missing,
    /// It is there but differs; it is left as it is.
    Differs(Topic),
}

impl Admin {
    /// For these brokers. Nothing is connected yet.
    pub fn new(brokers: &str) -> Result<Self, AdminError> {
        let client = client_config(brokers)
            .create()
            .map_err(|error: KafkaError| AdminError::Refused(chain(&error)))?;
        Ok(Self { client: Arc::new(client) })
    }

    /// The topics with these names; an error if one is missing.
    pub async fn inspect(&self, names: &[String]) -> Result<HashMap<String, Topic>, AdminError> {
        let mut found = self.existing(names).await?;
        names
            .iter()
            .map(|name| {
                let topic = found.remove(name).ok_or(AdminError::Missing(name.clone()))?;
                Ok((name.clone(), topic))
            })
            .collect()
    }

    /// Creates what is missing. What is there is never changed.
    pub async fn create(
        &self,
        plans: &[TopicPlan],
    ) -> Result<Vec<(String, TopicReport)>, AdminError> {
        let before = self.check(plans).await?;
        let missing: Vec<&TopicPlan> = plans
            .iter()
            .zip(&before)
            .filter(|(_, (_, report))| *report == TopicReport::Missing)
            .map(|(plan, _)| plan)
            .collect();
        let retentions: Vec<String> = missing.iter().map(|plan| retention_ms(plan)).collect();
        let topics: Vec<NewTopic<'_>> = missing
            .iter()
            .zip(&retentions)
            .map(|(plan, retention)| {
                NewTopic::new(
                    &plan.name,
                    plan.partitions,
                    TopicReplication::Fixed(plan.replication),
                )
                .set("retention.ms", retention)
            })
            .collect();
        if !topics.is_empty() {
            let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
            let results =
                self.client.create_topics(&topics, &options).await.map_err(|error| sort(&error))?;
            for result in results {
                match result {
                    Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                    Err((topic, code)) => {
                        return Err(AdminError::Refused(format!("creating {topic}: {code}")));
                    }
                }
            }
        }
        Ok(before
            .into_iter()
            .map(|(name, report)| match report {
                TopicReport::Missing => (name, TopicReport::Created),
                other => (name, other),
            })
            .collect())
    }

    /// Compares the plans with what is there.
    pub async fn check(
        &self,
        plans: &[TopicPlan],
    ) -> Result<Vec<(String, TopicReport)>, AdminError> {
        let names: Vec<String> = plans.iter().map(|plan| plan.name.clone()).collect();
        let found = self.existing(&names).await?;
        Ok(plans
            .iter()
            .map(|plan| {
                let report = match found.get(&plan.name) {
                    None => TopicReport::Missing,
                    Some(topic)
                        if topic.partitions == plan.partitions.unsigned_abs() as usize
                            && topic.retention == plan.retention =>
                    {
                        TopicReport::AsPlanned
                    }
                    Some(topic) => TopicReport::Differs(topic.clone()),
                };
                (plan.name.clone(), report)
            })
            .collect())
    }

    async fn existing(&self, names: &[String]) -> Result<HashMap<String, Topic>, AdminError> {
        let partitions = self.partitions().await?;
        let there: Vec<&String> =
            names.iter().filter(|name| partitions.contains_key(*name)).collect();
        let resources: Vec<ResourceSpecifier<'_>> =
            there.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        if resources.is_empty() {
            return Ok(HashMap::new());
        }
        let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
        let configs = self
            .client
            .describe_configs(&resources, &options)
            .await
            .map_err(|error| sort(&error))?;
        let mut found = HashMap::new();
        for (name, config) in there.into_iter().zip(configs) {
            let config = config.map_err(|code| AdminError::Refused(format!("{name}: {code}")))?;
            let retention = config.get("retention.ms").and_then(retention_of);
            found.insert(name.clone(), Topic { partitions: partitions[name], retention });
        }
        Ok(found)
    }

    /// How many partitions each topic of the cluster has.
    async fn partitions(&self) -> Result<HashMap<String, usize>, AdminError> {
        let client = self.client.clone();
        // This call blocks; librdkafka bounds it by the timeout.
        let metadata =
            tokio::task::spawn_blocking(move || client.inner().fetch_metadata(None, TIMEOUT))
                .await
                .map_err(|error| AdminError::Unavailable(error.to_string()))?
                .map_err(|error| AdminError::Unavailable(chain(&error)))?;
        Ok(metadata
            .topics()
            .iter()
            .map(|topic| (topic.name().to_owned(), topic.partitions().len()))
            .collect())
    }
}

fn retention_ms(plan: &TopicPlan) -> String {
    plan.retention.map_or_else(|| "-1".to_owned(), |kept| kept.as_millis().to_string())
}

/// `None`, for ever, when it is -1.
fn retention_of(entry: &ConfigEntry) -> Option<Duration> {
    entry.value.as_deref()?.parse().ok().map(Duration::from_millis)
}

fn sort(error: &KafkaError) -> AdminError {
    match error.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::AllBrokersDown
            | RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::OperationTimedOut
            | RDKafkaErrorCode::RequestTimedOut
            | RDKafkaErrorCode::TimedOutQueue,
        ) => AdminError::Unavailable(chain(error)),
        _ => AdminError::Refused(chain(error)),
    }
}
