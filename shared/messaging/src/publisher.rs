use rdkafka::message::OwnedHeaders;

use crate::AdminError;
use crate::admin::sort;
use crate::kafka::{Producer, Record, header};

/// Puts records into topics as they are, for tools and tests. A service publishes through its
/// outbox.
pub struct Publisher {
    brokers: String,
    producer: Producer,
}

impl Publisher {
    /// To these brokers. Nothing is connected yet.
    pub fn new(brokers: &str) -> Result<Self, AdminError> {
        let producer =
            Producer::new(brokers, "farandole-tool").map_err(|error| sort(brokers, &error))?;
        Ok(Self { brokers: brokers.to_owned(), producer })
    }

    /// Publishes one record and returns when it is on all in-sync replicas, after 30 s at the
    /// latest. After an error it may be there all the same.
    pub async fn publish(
        &self,
        topic: &str,
        key: &[u8],
        payload: &[u8],
        headers: &[(&str, String)],
    ) -> Result<(), AdminError> {
        let headers = headers
            .iter()
            .fold(OwnedHeaders::new(), |all, (name, value)| header(all, name, value.as_bytes()));
        let record = Record { topic, key: Some(key), payload: Some(payload), headers };
        self.producer.publish([record].into_iter()).await.map_err(|error| {
            let (brokers, reason) = (self.brokers.clone(), error.reason);
            AdminError::Unavailable { brokers, reason }
        })
    }
}
