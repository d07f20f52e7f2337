use rdkafka::message::{Header, OwnedHeaders};

use crate::client::{Producer, PublishError, Record, header};
use crate::error::{AdminError, sort, unavailable};

/// Puts records into topics as they are, for tools and tests. A service publishes through its
/// outbox.
pub struct Publisher {
    brokers: String,
    producer: Producer,
}

/// A record with whatever in it, to be published as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlainRecord {
    /// The topic that it goes to. The key decides on the partition, as it does for services.
    pub topic: String,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// What it says.
    pub payload: Option<Vec<u8>>,
    /// Its headers, in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
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
        self.all(self.producer.publish([record].into_iter()).await)
    }

    /// Publishes several records at once, in order per partition; otherwise like
    /// [`Publisher::publish`]. After an error some of them may be there: [`AdminError::Refused`]
    /// says that Kafka does not take one of them, however often it is sent, such as for its size.
    pub async fn publish_all(&self, records: &[PlainRecord]) -> Result<(), AdminError> {
        let records = records.iter().map(|PlainRecord { topic, key, payload, headers }| {
            let headers = headers.iter().fold(OwnedHeaders::new(), |all, (key, value)| {
                all.insert(Header { key, value: value.as_ref() })
            });
            Record { topic, key: key.as_deref(), payload: payload.as_deref(), headers }
        });
        self.all(self.producer.publish(records).await)
    }

    /// What became of all: that one is refused says more than that another failed.
    fn all(&self, results: Vec<Result<(), PublishError>>) -> Result<(), AdminError> {
        let errors = results.into_iter().filter_map(Result::err);
        match errors.max_by_key(|error| error.refused) {
            None => Ok(()),
            Some(error) => Err(self.explain(error)),
        }
    }

    fn explain(&self, PublishError { reason, refused }: PublishError) -> AdminError {
        if refused {
            return AdminError::Refused(reason);
        }
        unavailable(&self.brokers, reason)
    }
}
