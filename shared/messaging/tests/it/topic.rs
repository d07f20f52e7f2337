//! Topics, written to and read from outside.

use std::collections::BTreeMap;
use std::time::Duration;

use contracts::{Envelope, WriterSchema};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::metadata::MetadataPartition;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use testkit::eventually;

use crate::letter::Letter;
use crate::stage::PATIENCE;

/// A record as it lies in a topic.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) payload: Option<Vec<u8>>,
    /// In milliseconds since 1970.
    pub(crate) written_ms: i64,
}

impl Record {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(there, _)| there == name)?;
        Some(std::str::from_utf8(value).unwrap())
    }

    pub(crate) fn envelope(&self) -> Envelope {
        let headers = self.headers.iter();
        Envelope::parse(headers.map(|(name, value)| (name.as_str(), Some(value.as_slice()))))
            .unwrap()
    }

    pub(crate) fn decode<T: serde::de::DeserializeOwned>(&self, writer: &WriterSchema) -> T {
        writer.decode(self.payload.as_ref().unwrap()).unwrap()
    }
}

/// A producer that puts what it is given at once into as few batches as it can.
pub(crate) fn producer(brokers: &str) -> FutureProducer {
    ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("linger.ms", "20")
        .set("message.max.bytes", "4000000")
        .set("partitioner", "murmur2_random")
        .set("enable.idempotence", "true")
        .create()
        .unwrap()
}

/// Sends all letters, in order, and returns when Kafka has them.
pub(crate) async fn send(
    producer: &FutureProducer,
    topic: impl Fn(&Letter) -> String,
    letters: &[Letter],
) {
    let deliveries: Vec<_> = letters
        .iter()
        .map(|letter| {
            let headers = letter.headers.iter().fold(OwnedHeaders::new(), |headers, header| {
                headers.insert(Header { key: &header.0, value: Some(&header.1) })
            });
            let topic = topic(letter);
            let record =
                FutureRecord::to(&topic).key(&letter.key).payload(&letter.payload).headers(headers);
            producer.send_result(record).map_err(|(error, _)| error).unwrap()
        })
        .collect();
    for delivery in deliveries {
        tokio::time::timeout(PATIENCE, delivery).await.unwrap().unwrap().unwrap();
    }
}

/// All that is in a topic now, per partition in order.
pub(crate) async fn read(brokers: &str, topic: String) -> Vec<Record> {
    let consumer = observer(brokers, "nobody");
    tokio::task::spawn_blocking(move || read_all(&consumer, &topic)).await.unwrap()
}

fn observer(brokers: &str, group: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", group)
        .set("fetch.wait.max.ms", "10")
        .create()
        .unwrap()
}

fn read_all(consumer: &BaseConsumer, topic: &str) -> Vec<Record> {
    let mut missing = BTreeMap::new();
    let mut beginning = TopicPartitionList::new();
    for partition in partitions(consumer, topic) {
        let (low, high) = consumer.fetch_watermarks(topic, partition, PATIENCE).unwrap();
        missing.insert(partition, high - low);
        beginning.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&beginning).unwrap();
    let mut records = Vec::new();
    while missing.values().any(|count| *count > 0) {
        let record = consumer.poll(PATIENCE).expect("records that are there are read").unwrap();
        *missing.get_mut(&record.partition()).unwrap() -= 1;
        records.push(Record {
            key: record.key().map(<[u8]>::to_vec),
            headers: record.headers().map_or_else(Vec::new, |headers| {
                let value = |value: Option<&[u8]>| value.unwrap_or_default().to_vec();
                headers.iter().map(|one| (one.key.to_owned(), value(one.value))).collect()
            }),
            payload: record.payload().map(<[u8]>::to_vec),
            written_ms: record.timestamp().to_millis().unwrap(),
        });
    }
    records
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> Vec<i32> {
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).unwrap();
    metadata.topics()[0].partitions().iter().map(MetadataPartition::id).collect()
}

/// Moves a group that has no members to the end of a topic.
pub(crate) async fn commit_end(brokers: &str, group: &str, topic: String) {
    let consumer = observer(brokers, group);
    let commit = move || {
        let mut ends = TopicPartitionList::new();
        for partition in partitions(&consumer, &topic) {
            let (_, end) = consumer.fetch_watermarks(&topic, partition, PATIENCE).unwrap();
            ends.add_partition_offset(&topic, partition, Offset::Offset(end)).unwrap();
        }
        consumer.commit(&ends, rdkafka::consumer::CommitMode::Sync).unwrap();
    };
    tokio::task::spawn_blocking(commit).await.unwrap();
}

/// How many records of these topics a group has told Kafka to be done with.
pub(crate) async fn committed(brokers: &str, group: &str, topics: Vec<String>) -> i64 {
    let consumer = observer(brokers, group);
    let ask = move || {
        let mut all = TopicPartitionList::new();
        for topic in &topics {
            for partition in partitions(&consumer, topic) {
                all.add_partition(topic, partition);
            }
        }
        let committed = consumer.committed_offsets(all, Duration::from_secs(10)).unwrap();
        let offsets = committed.elements();
        offsets.iter().filter_map(|element| element.offset().to_raw()).map(|raw| raw.max(0)).sum()
    };
    tokio::task::spawn_blocking(ask).await.unwrap()
}

/// Deletes a topic, and returns when it is gone.
pub(crate) async fn delete(brokers: &str, topic: &str) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    let deleted = admin.delete_topics(&[topic], &AdminOptions::new()).await.unwrap();
    for one in deleted {
        one.unwrap();
    }
    let gone = || async {
        let metadata = admin.inner().fetch_metadata(None, PATIENCE).unwrap();
        (!metadata.topics().iter().any(|there| there.name() == topic)).then_some(())
    };
    eventually("the topic is gone", PATIENCE, gone).await;
}
