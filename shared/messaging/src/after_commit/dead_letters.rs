//! Moves records that are given up from the retry queue to the dead-letter topic.

use std::sync::Arc;
use std::time::Duration;

use contracts::{dead_letter_headers as headers, headers as event_headers};
use jiff::Timestamp;
use kafka::{Producer, PublishError, Record, header};
use kernel::error_chain;
use rdkafka::message::{Header, OwnedHeaders};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::housekeeping::Housekeeping;
use crate::failure::Failure;
use crate::instruments::DEAD_LETTERS;
use crate::tables::parked::Parked;
use crate::tables::retry;

/// How often the queue is looked through for dead records that nobody announced.
const SCAN_EVERY: Duration = Duration::from_secs(2);
/// The longest header that is logged, in bytes: whoever can write into a topic makes them up.
const SAID_MAX: usize = 128;
/// How long this instance has claimed records to itself, in seconds: longer than Kafka may take to
/// acknowledge them. It is also how long a record that Kafka refuses waits.
const LEASE_S: u32 = 60;

/// Moves dead records from the retry queue to the dead-letter topic.
pub(crate) struct DeadLetterMover {
    pub(crate) database: Housekeeping,
    pub(crate) producer: Arc<Producer>,
    pub(crate) topic: String,
    pub(crate) group: String,
    pub(crate) wake: Arc<Notify>,
}

impl DeadLetterMover {
    /// Works until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        loop {
            match self.move_some().await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(failure) => warn!(error = %failure, "cannot move dead letters, trying again"),
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(SCAN_EVERY) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Moves some records. They are claimed for a time, so that two instances don't move the same
    /// ones, and taken off the queue when the log has them. Says whether more may be there.
    async fn move_some(&self) -> Result<bool, Failure> {
        let dead = retry::claim_dead(&mut *self.database.session().await, LEASE_S).await?;
        if dead.is_empty() {
            return Ok(false);
        }
        let (moved, stuck) = self.publish(&dead).await;
        let (refused, away): (Vec<_>, Vec<_>) =
            stuck.into_iter().partition(|(_, error)| error.refused);
        if let Some((_, PublishError { reason, .. })) = away.first() {
            warn!(reason, records = away.len(), "cannot move dead letters, trying again");
            let away: Vec<&Parked> = away.iter().map(|(parked, _)| *parked).collect();
            retry::release(&mut *self.database.session().await, &away).await?;
        }
        for (parked, error) in refused {
            self.move_without_payload(parked, &error).await?;
        }
        if !moved.is_empty() {
            retry::moved(&mut *self.database.session().await, &moved).await?;
        }
        for parked in &moved {
            self.report(parked);
        }
        Ok(!moved.is_empty())
    }

    /// Kafka refuses a letter, as a rule for its size. What is known of it goes to the dead-letter
    /// topic, so that it is listed and can be discarded, and the payload stays here.
    async fn move_without_payload(
        &self,
        parked: &Parked,
        PublishError { reason, .. }: &PublishError,
    ) -> Result<(), Failure> {
        let length = parked.payload.as_ref().map_or(0, Vec::len);
        let cut = parked.cut.unwrap_or_else(|| i64::try_from(length).unwrap_or(i64::MAX));
        let bare = Parked { payload: None, cut: Some(cut), ..parked.clone() };
        let moved = self.producer.publish_letters([self.record(&bare)].into_iter()).await;
        let Parked { topic, partition, offset, .. } = parked;
        if let Some(Err(error)) = moved.first() {
            error!(
                topic,
                partition,
                offset,
                error = error.reason,
                "a dead record cannot be moved to the dead-letter topic; it stays in retry_queue"
            );
            return Ok(());
        }
        retry::kept(&mut *self.database.session().await, parked).await?;
        warn!(
            topic,
            partition,
            offset,
            reason,
            bytes = cut,
            "the payload of a dead letter is too large for the dead-letter topic and stays in \
             retry_queue"
        );
        self.report(parked);
        Ok(())
    }

    /// Publishes records: all at once, then each of those that failed by itself, for a batch may
    /// be refused because of one. Returns those that Kafka has, and those that it has not.
    async fn publish<'d>(
        &self,
        dead: &'d [Parked],
    ) -> (Vec<&'d Parked>, Vec<(&'d Parked, PublishError)>) {
        let (mut moved, mut stuck) = (Vec::new(), Vec::new());
        let results = self.producer.publish_letters(dead.iter().map(|one| self.record(one))).await;
        for (parked, result) in dead.iter().zip(results) {
            let result = match result {
                Err(error) if error.refused => {
                    self.producer.publish_letters([self.record(parked)].into_iter()).await.remove(0)
                }
                result => result,
            };
            match result {
                Ok(()) => moved.push(parked),
                Err(error) => stuck.push((parked, error)),
            }
        }
        (moved, stuck)
    }

    fn record<'d>(&'d self, parked: &'d Parked) -> Record<'d> {
        Record {
            topic: &self.topic,
            key: parked.key.as_deref(),
            payload: parked.payload.as_deref(),
            headers: self.headers(parked),
        }
    }

    /// The record's own headers, then what is to be known about its failure.
    fn headers(&self, parked: &Parked) -> OwnedHeaders {
        let own = parked.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: value.as_ref() })
        });
        let time = |at: Option<Timestamp>| at.map_or_else(String::new, |at| at.to_string());
        let errors =
            serde_json::to_string(&parked.errors).unwrap_or_else(|error| error_chain(&error));
        let cut = parked.cut.map(|bytes| (headers::CUT, bytes.to_string()));
        let ours = [
            (headers::ERRORS, errors),
            (headers::ATTEMPTS, parked.attempts.to_string()),
            (headers::TOPIC, parked.topic.clone()),
            (headers::PARTITION, parked.partition.to_string()),
            (headers::OFFSET, parked.offset.to_string()),
            (headers::GROUP, self.group.clone()),
            (headers::FIRST_FAILED_AT, time(parked.first_failed_at)),
            (headers::LAST_FAILED_AT, time(parked.last_failed_at)),
        ];
        ours.iter()
            .chain(&cut)
            .fold(own, |headers, (name, value)| header(headers, name, value.as_bytes()))
    }

    fn report(&self, parked: &Parked) {
        DEAD_LETTERS.of([&parked.topic]).increment(1);
        let said = |wanted: &str| {
            let value = parked.headers().find(|(name, _)| *name == wanted)?.1?;
            std::str::from_utf8(value).ok().filter(|value| value.len() <= SAID_MAX)
        };
        error!(
            topic = parked.topic,
            partition = parked.partition,
            offset = parked.offset,
            saga = parked.saga.map(tracing::field::display),
            r#type = said(event_headers::TYPE),
            event_id = said(event_headers::ID),
            correlation_id = said(event_headers::CORRELATION_ID),
            consumer = self.group,
            attempts = parked.attempts,
            error = parked.errors.last(),
            "record moved to the dead-letter topic: see farandole dlq show"
        );
    }
}
