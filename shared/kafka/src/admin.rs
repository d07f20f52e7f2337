use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kernel::error_chain;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::MetadataTopic;

use crate::client::client_config;
use crate::error::{AdminError, OLDEST_KAFKA, sort, unavailable};
use crate::topic::{Topic, TopicPlan};

/// How long Kafka may take to answer a question.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Creates and inspects topics.
pub struct Admin {
    brokers: String,
    client: Arc<AdminClient<DefaultClientContext>>,
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
            .map_err(|error: KafkaError| AdminError::Refused(error_chain(&error)))?;
        Ok(Self { brokers: brokers.to_owned(), client: Arc::new(client) })
    }

    /// Whether Kafka answers, within this long.
    pub async fn answers(&self, within: Duration) -> Result<(), AdminError> {
        self.metadata(within).await.map(|_| ())
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

    /// Creates what is missing, and returns when it can be seen. What is there is never changed.
    /// On an error some topics may have been created; doing it again creates the others.
    pub async fn create(
        &self,
        plans: &[TopicPlan],
    ) -> Result<Vec<(String, TopicReport)>, AdminError> {
        let mut reports = self.check(plans).await?;
        let missing: Vec<&TopicPlan> = plans
            .iter()
            .zip(&reports)
            .filter(|(_, (_, report))| *report == TopicReport::Missing)
            .map(|(plan, _)| plan)
            .collect();
        if !missing.is_empty() {
            self.create_all(&missing).await?;
            self.until_seen(&missing).await?;
        }
        for (_, report) in &mut reports {
            if *report == TopicReport::Missing {
                *report = TopicReport::Created;
            }
        }
        Ok(reports)
    }

    async fn create_all(&self, plans: &[&TopicPlan]) -> Result<(), AdminError> {
        let settings: Vec<_> = plans.iter().map(|plan| plan.settings()).collect();
        let topics = plans.iter().zip(&settings).map(|(plan, settings)| {
            let replication = TopicReplication::Fixed(plan.replication);
            let topic = NewTopic::new(&plan.name, plan.partitions, replication);
            settings.iter().fold(topic, |topic, (name, value)| topic.set(name, value))
        });
        let topics: Vec<NewTopic<'_>> = topics.collect();
        let options =
            AdminOptions::new().request_timeout(Some(TIMEOUT)).operation_timeout(Some(TIMEOUT));
        let results = self.client.create_topics(&topics, &options).await;
        for result in results.map_err(|error| sort(&self.brokers, &error))? {
            match result {
                // Somebody else creates topics at the same time.
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, RDKafkaErrorCode::InvalidConfig)) => {
                    return Err(AdminError::Refused(format!(
                        "creating {topic}: the brokers do not take its settings; they must be Kafka \
                         {OLDEST_KAFKA} or newer"
                    )));
                }
                Err((topic, code)) => {
                    return Err(AdminError::Refused(format!("creating {topic}: {code}")));
                }
            }
        }
        Ok(())
    }

    /// A broker hears of a new topic a little later than the controller says that it exists.
    async fn until_seen(&self, plans: &[&TopicPlan]) -> Result<(), AdminError> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let seen = self.metadata(TIMEOUT).await?;
            match plans.iter().find(|plan| !seen.contains_key(&plan.name)) {
                None => return Ok(()),
                Some(plan) if Instant::now() > deadline => {
                    return Err(AdminError::Missing(plan.name.clone()));
                }
                Some(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
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
                    Some(topic) if *topic == plan.topic() => TopicReport::AsPlanned,
                    Some(topic) => TopicReport::Differs(topic.clone()),
                };
                (plan.name.clone(), report)
            })
            .collect())
    }

    async fn existing(&self, names: &[String]) -> Result<HashMap<String, Topic>, AdminError> {
        let seen = self.metadata(TIMEOUT).await?;
        let there: Vec<&String> = names.iter().filter(|name| seen.contains_key(*name)).collect();
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
            .map_err(|error| sort(&self.brokers, &error))?;
        let mut found = HashMap::new();
        for (name, config) in there.into_iter().zip(configs) {
            let config = config.map_err(|code| AdminError::Refused(format!("{name}: {code}")))?;
            let found_as = |name: &str| config.get(name).and_then(|entry| entry.value.clone());
            let settings = Topic::settings(found_as)
                .map_err(|setting| AdminError::TooOld { brokers: self.brokers.clone(), setting })?;
            let Size { partitions, replication } = seen[name];
            found.insert(name.clone(), Topic::new(partitions, replication, settings));
        }
        Ok(found)
    }

    /// The size of each topic of the cluster.
    async fn metadata(&self, within: Duration) -> Result<HashMap<String, Size>, AdminError> {
        let client = self.client.clone();
        // This call blocks; librdkafka bounds it by the timeout.
        let metadata =
            tokio::task::spawn_blocking(move || client.inner().fetch_metadata(None, within))
                .await
                .map_err(|error| unavailable(&self.brokers, error.to_string()))?
                .map_err(|error| unavailable(&self.brokers, error_chain(&error)))?;
        Ok(metadata.topics().iter().map(|topic| (topic.name().to_owned(), size(topic))).collect())
    }
}

/// How large a topic is.
#[derive(Clone, Copy)]
struct Size {
    partitions: usize,
    replication: usize,
}

fn size(topic: &MetadataTopic) -> Size {
    let partitions = topic.partitions();
    Size {
        partitions: partitions.len(),
        replication: partitions.first().map_or(0, |partition| partition.replicas().len()),
    }
}
