//! What the loop takes in at once, and how far that reaches.

use std::collections::HashMap;

use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use tracing::info;

use super::listener::Listener;
use crate::never::never;
use crate::record::message::Local;
use crate::service::Service;

/// What a turn of the loop is about.
pub(super) struct Polled<'c, S: Service> {
    pub(super) records: Vec<BorrowedMessage<'c>>,
    pub(super) locals: Vec<Local<S::Input>>,
    /// What came before is processed all the same.
    pub(super) fenced: Option<RDKafkaErrorCode>,
}

impl<'c, S: Service> Polled<'c, S> {
    pub(super) fn len(&self) -> usize {
        self.records.len() + self.locals.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes what polling gave, and gives back an error that may or may not pass by itself. One that
    /// fences the consumer is taken.
    pub(super) fn take(
        &mut self,
        polled: Result<BorrowedMessage<'c>, KafkaError>,
    ) -> Option<KafkaError> {
        match polled {
            Ok(record) => self.records.push(record),
            Err(KafkaError::MessageConsumptionFatal(code)) => self.fenced = Some(code),
            Err(error) => return Some(error),
        }
        None
    }
}

/// How far a batch's records reach: the last one's offset and time, by topic and partition.
pub(super) struct Offsets(HashMap<(String, i32), (i64, Option<i64>)>);

impl Offsets {
    pub(super) fn of(records: &[BorrowedMessage<'_>]) -> Self {
        let mut last: HashMap<(&str, i32), &BorrowedMessage<'_>> = HashMap::new();
        for record in records {
            last.insert((record.topic(), record.partition()), record);
        }
        let reached = last.into_iter().map(|((topic, partition), record)| {
            ((topic.to_owned(), partition), (record.offset(), record.timestamp().to_millis()))
        });
        Self(reached.collect())
    }

    /// Lets Kafka know that all up to here is done. `unfinished` says how many messages are not.
    pub(super) fn store(self, consumer: &StreamConsumer<Listener>, unfinished: usize) {
        if self.0.is_empty() {
            return;
        }
        if unfinished > 0 {
            never("offsets were to be stored before what they cover was done");
            return;
        }
        let mut offsets = TopicPartitionList::with_capacity(self.0.len());
        for ((topic, partition), (offset, _)) in &self.0 {
            // Fails only for an offset below zero.
            let _ = offsets.add_partition_offset(topic, *partition, Offset::Offset(offset + 1));
        }
        if let Err(error) = consumer.store_offsets(&offsets) {
            // A partition went to another instance meanwhile; its inbox knows these records.
            info!(%error, "offsets not stored");
        }
        let times = self.0.into_iter().filter_map(|(place, (_, time))| Some((place, time?)));
        consumer.context().reached(times);
    }
}
