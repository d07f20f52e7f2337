//! The log of what operators did about dead letters, lost events and quotas. A topic, for Kafka
//! cannot strike single records out of another.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;

use contracts::headers;
use contracts::operations::{
    Acknowledged, Decided, Done, Ended, Entry, Number, PER_ENTRY_MAX, Said, Subject,
};
pub use contracts::operations::{Began, Handled, Kind, Revealed};
use jiff::Timestamp;
use kafka::{AdminError, Bounds, PlainRecord, Publisher, scan, windows};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::connections::Connections;
use crate::decisions::Decisions;

/// An operation as the log tells it.
#[derive(Debug, Clone)]
pub struct Operation {
    /// What was to be done, by whom, and why.
    pub began: Began,
    /// How many letters it was done to.
    pub done: usize,
    /// When that was written last.
    pub last_at: Timestamp,
    /// What came of it, once it has ended.
    pub ended: Option<Ended>,
}

/// What was done about a letter.
#[derive(Debug, Clone, Copy)]
pub struct Act<'l> {
    /// The operation.
    pub operation: &'l Operation,
    /// When it was done to this letter.
    pub at: Timestamp,
}

/// The log, read to its end.
#[derive(Debug, Default)]
pub struct OperationLog {
    operations: Vec<Operation>,
    by_id: HashMap<Uuid, usize>,
    /// The latest act on each letter, by its redrive id.
    acts: HashMap<Uuid, (usize, Timestamp)>,
    /// The letters that are discarded, by their redrive ids.
    discarded: HashMap<Uuid, Handled>,
    /// Those for which nobody is called, by their redrive ids.
    silenced: HashSet<Uuid>,
    /// The events that are known to be missing for good.
    acknowledged: BTreeSet<Number>,
    /// How many records are none of ours.
    pub unreadable: usize,
}

impl OperationLog {
    /// Reads it.
    pub async fn read(connections: &Connections) -> Result<Self, AdminError> {
        let brokers = connections.kafka_brokers.clone();
        let topic = connections.topic_prefix.operations();
        let reading = spawn_blocking(move || {
            let mut log = Self::default();
            let windows = windows(&brokers, &[topic], Bounds::Everything)?;
            scan(&brokers, &windows, |record| {
                match Entry::parse(record.key, record.payload) {
                    Ok(Entry::Unknown) | Err(_) => log.unreadable += 1,
                    Ok(entry) => log.take(entry),
                }
                ControlFlow::Continue(())
            })?;
            Ok(log)
        });
        reading.await.map_err(|error| AdminError::Refused(error.to_string()))?
    }

    fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Began(began) => {
                self.by_id.insert(began.operation, self.operations.len());
                let last_at = began.at;
                self.operations.push(Operation { began, done: 0, last_at, ended: None });
            }
            Entry::Done(Done { operation, at, letters }) => {
                let Some(&index) = self.by_id.get(&operation) else { return };
                let operation = &mut self.operations[index];
                operation.done += letters.len();
                operation.last_at = at;
                let kind = operation.began.kind;
                for one in letters {
                    let id = one.redrive;
                    match kind {
                        // What is done about a letter is another thing.
                        Kind::Silence => _ = self.silenced.insert(id),
                        Kind::Unsilence => _ = self.silenced.remove(&id),
                        Kind::Discard => _ = self.discarded.insert(id, one),
                        _ => _ = self.discarded.remove(&id),
                    }
                    if !matches!(kind, Kind::Silence | Kind::Unsilence) {
                        self.acts.insert(id, (index, at));
                    }
                }
            }
            Entry::Acknowledged(Acknowledged { operation, at, event }) => {
                let Some(&index) = self.by_id.get(&operation) else { return };
                let operation = &mut self.operations[index];
                operation.done += 1;
                operation.last_at = at;
                self.acknowledged.insert(event);
            }
            Entry::Decided(Decided { operation, at, subjects, .. }) => {
                let Some(&index) = self.by_id.get(&operation) else { return };
                let operation = &mut self.operations[index];
                operation.done += subjects.len();
                operation.last_at = at;
            }
            Entry::Ended(ended) => {
                let Some(&index) = self.by_id.get(&ended.operation) else { return };
                self.operations[index].ended = Some(ended);
            }
            Entry::Revealed(Revealed { operation, at, by, reason, what }) => {
                let (kind, reason, letters) = (Kind::Reveal, Some(reason), 1);
                let began = Began { operation, kind, at, by, reason, asked_for: what, letters };
                let ended = Some(Ended { operation, at, outcome: "shown".to_owned() });
                self.by_id.insert(operation, self.operations.len());
                self.operations.push(Operation { began, done: 1, last_at: at, ended });
            }
            Entry::Unknown => {}
        }
    }

    /// All operations, oldest first.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// What operators have decided about events that were not processed.
    pub fn decisions(&self) -> Decisions {
        let mut decisions = Decisions::default();
        for number in &self.acknowledged {
            decisions.acknowledge(number.clone());
        }
        for Handled { letter, event, .. } in self.discarded.values() {
            decisions.discard(&letter.service, letter.to_string(), event.clone());
        }
        decisions
    }

    /// Whether nobody is called for the letter with this redrive id, and its copies.
    pub(super) fn is_silenced(&self, redrive: Uuid) -> bool {
        self.silenced.contains(&redrive)
    }

    /// Whether there is such a letter.
    pub(super) fn has_silenced(&self) -> bool {
        !self.silenced.is_empty()
    }

    /// What was done last about the letter with this redrive id, and its copies.
    pub fn act(&self, redrive: Uuid) -> Option<Act<'_>> {
        let (index, at) = *self.acts.get(&redrive)?;
        Some(Act { operation: &self.operations[index], at })
    }
}

/// Writes one operation into the log.
pub struct Recorder<'p> {
    publisher: &'p Publisher,
    topic: String,
    operation: Uuid,
}

impl<'p> Recorder<'p> {
    /// Writes that an operation has begun.
    pub async fn begin(
        publisher: &'p Publisher,
        topic: String,
        began: Began,
    ) -> Result<Self, AdminError> {
        let recorder = Self { publisher, topic, operation: began.operation };
        recorder.write([Entry::Began(began)]).await?;
        Ok(recorder)
    }

    /// Takes note that it was done to these letters.
    pub async fn done(&self, letters: &[Handled]) -> Result<(), AdminError> {
        let entries = letters.chunks(PER_ENTRY_MAX).map(|letters| {
            let (operation, at) = (self.operation, Timestamp::now());
            Entry::Done(Done { operation, at, letters: letters.to_vec() })
        });
        self.write(entries).await
    }

    /// Takes note that this event is known to be lost for good.
    pub async fn acknowledged(&self, event: Number) -> Result<(), AdminError> {
        let (operation, at) = (self.operation, Timestamp::now());
        self.write([Entry::Acknowledged(Acknowledged { operation, at, event })]).await
    }

    /// Has a service do it to these calls or orders; `said` is what has become of them, if that is
    /// what it is about.
    pub async fn decided(
        &self,
        service: &str,
        subjects: &[Subject],
        said: Option<&Said>,
    ) -> Result<(), AdminError> {
        let entries = subjects.chunks(PER_ENTRY_MAX).map(|subjects| {
            Entry::Decided(Decided {
                operation: self.operation,
                at: Timestamp::now(),
                service: service.to_owned(),
                subjects: subjects.to_vec(),
                said: said.cloned(),
            })
        });
        self.write(entries).await
    }

    /// Writes what came of it.
    pub async fn end(self, outcome: String) -> Result<(), AdminError> {
        let (operation, at) = (self.operation, Timestamp::now());
        self.write([Entry::Ended(Ended { operation, at, outcome })]).await
    }

    /// Writes that somebody looks at what is personal; only then may it be shown.
    pub async fn revealed(
        publisher: &'p Publisher,
        topic: String,
        revealed: Revealed,
    ) -> Result<(), AdminError> {
        let recorder = Self { publisher, topic, operation: revealed.operation };
        recorder.write([Entry::Revealed(revealed)]).await
    }

    async fn write(&self, entries: impl IntoIterator<Item = Entry>) -> Result<(), AdminError> {
        let records: Result<Vec<PlainRecord>, serde_json::Error> =
            entries.into_iter().map(|entry| self.record(&entry)).collect();
        let records = records.map_err(|error| AdminError::Refused(error.to_string()))?;
        self.publisher.publish_all(&records).await
    }

    fn record(&self, entry: &Entry) -> Result<PlainRecord, serde_json::Error> {
        let content_type = (headers::CONTENT_TYPE.to_owned(), Some(b"application/json".to_vec()));
        Ok(PlainRecord {
            topic: self.topic.clone(),
            key: Some(self.operation.to_string().into_bytes()),
            payload: Some(serde_json::to_vec(entry)?),
            headers: vec![content_type],
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A log in which this was done to these letters.
    pub(crate) fn log(kind: Kind, letters: &[(&str, Uuid)]) -> OperationLog {
        let operation = Uuid::now_v7();
        let at = "2026-01-03T00:00:00Z".parse().unwrap();
        let mut log = OperationLog::default();
        log.take(Entry::Began(Began {
            operation,
            kind,
            at,
            by: "ada@desk".to_owned(),
            reason: None,
            asked_for: "--all-open".to_owned(),
            letters: letters.len(),
        }));
        let handled = |(letter, redrive): &(&str, Uuid)| Handled {
            letter: letter.parse().unwrap(),
            redrive: *redrive,
            event: None,
        };
        let letters = letters.iter().map(handled).collect();
        log.take(Entry::Done(Done { operation, at, letters }));
        log
    }

    #[test]
    fn the_log_tells_what_was_done_and_what_was_interrupted() {
        let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
        let mut log = log(Kind::Redrive, &[("payment/0/1", one)]);
        assert_eq!(log.act(one).unwrap().operation.began.kind, Kind::Redrive);
        assert!(log.act(other).is_none());
        assert_eq!(log.operations()[0].done, 1);
        assert!(log.operations()[0].ended.is_none(), "interrupted");
        let operation = log.operations()[0].began.operation;
        let ended = Ended { operation, at: Timestamp::now(), outcome: "1 applied".to_owned() };
        log.take(Entry::Ended(ended));
        assert!(log.operations()[0].ended.is_some());
        // Of an operation whose beginning is not there.
        let letters =
            vec![Handled { letter: "payment/0/2".parse().unwrap(), redrive: other, event: None }];
        log.take(Entry::Done(Done { operation: other, at: Timestamp::now(), letters }));
        assert!(log.act(other).is_none());
    }

    #[test]
    fn what_was_revealed_is_in_the_log_and_decides_nothing() {
        let mut log = OperationLog::default();
        let revealed = Revealed {
            operation: Uuid::now_v7(),
            at: Timestamp::now(),
            by: "ada".to_owned(),
            reason: "the parcel came back".to_owned(),
            what: "payment/0/17".to_owned(),
        };
        log.take(Entry::Revealed(revealed));
        let [Operation { began, done: 1, ended: Some(_), .. }] = log.operations() else {
            panic!("{:?}", log.operations())
        };
        assert_eq!((began.kind, &*began.asked_for), (Kind::Reveal, "payment/0/17"));
        assert_eq!(log.decisions(), Decisions::NONE);
    }
}
