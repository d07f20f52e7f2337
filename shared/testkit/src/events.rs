use std::time::Duration;

use kafka::{EventReader, EventRecord, ReadEvent, ReadFrom, Registry};
use stack::fleet::SERVICES;

use crate::Sandbox;

/// How long a record that is there may take to come.
const PATIENCE: Duration = Duration::from_secs(20);

impl Sandbox {
    /// All events of the fleet so far, by the schemas that they were written with; those of one
    /// order from one service in sequence.
    pub async fn events(&self) -> Vec<ReadEvent> {
        let records = self.event_records().await;
        records.into_iter().map(|record| record.event.unwrap()).collect()
    }

    /// The same with what cannot be read.
    pub async fn event_records(&self) -> Vec<EventRecord> {
        self.records(SERVICES.iter().map(|service| self.topics.events(service)).collect()).await
    }

    /// All dead letters of the fleet so far.
    pub async fn dead_letters(&self) -> Vec<EventRecord> {
        let topics = SERVICES.iter().map(|service| self.topics.dead_letters(service)).collect();
        self.records(topics).await
    }

    /// All that these topics hold now.
    pub async fn records(&self, topics: Vec<String>) -> Vec<EventRecord> {
        let registry = Registry::new(&self.stack.schema_registry_url.parse().unwrap()).unwrap();
        let brokers = &self.stack.kafka_brokers;
        let mut reader =
            EventReader::open(brokers, registry, topics, ReadFrom::Beginning).await.unwrap();
        let mut records = Vec::new();
        while !reader.caught_up() {
            records.push(reader.next(PATIENCE).await.unwrap().expect("the record comes"));
        }
        records
    }
}
