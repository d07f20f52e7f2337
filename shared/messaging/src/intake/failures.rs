//! What becomes of records that fail: they are parked, tried again, and buried.

use std::time::Duration;

use contracts::headers;
use rdkafka::consumer::StreamConsumer;
use tokio::time::Instant;
use tracing::warn;

use super::consumer_loop::{ConsumerLoop, Interrupted, RETRY_TURN, assigned};
use super::listener::Listener;
use crate::failure::Failure;
use crate::instruments::{OUTCOMES_REFUSED, RETRIES};
use crate::record::message::{Message, Origin};
use crate::record::readers::Unreadable;
use crate::service::Service;
use crate::settings::RetryPolicy;
use crate::tables::intents::{self, Deferral, IntentId};
use crate::tables::parked::Parked;
use crate::tables::retry::{self, Fate};

/// How long a message whose rows somebody has locked waits before it is tried again.
const LOCKED_FOR: Duration = Duration::from_secs(3);

impl<S: Service> ConsumerLoop<S> {
    /// Keeps a message that failed.
    pub(super) async fn park(
        &mut self,
        message: Message<'_, S::Input>,
        error: String,
    ) -> Result<(), Interrupted> {
        self.warn(&message, &error, "a message failed and is parked");
        let Message { saga, name, .. } = message;
        self.unfinished -= 1;
        match message.origin {
            Origin::Event { record, .. } => {
                self.retry_or_bury(record.parked(saga).failed(&error)).await
            }
            Origin::Parked { row, .. } => self.retry_or_bury(row.failed(&error)).await,
            Origin::Effect { intent, .. } => {
                // The intent stays, so the call is repeated and its outcome comes again.
                OUTCOMES_REFUSED.of([name]).increment(1);
                let error = format!("its outcome cannot be taken: {error}");
                self.defer_call(intent, self.settings.retry.cap, error).await
            }
            Origin::Command { done } | Origin::Decided { done, .. } => {
                let _ = done.send(Err(Failure::Poison(error)));
                Ok(())
            }
        }
    }

    fn warn(&self, message: &Message<'_, S::Input>, error: &str, what: &'static str) {
        let Message { saga, name, cause, .. } = message;
        warn!(
            %saga,
            r#type = name,
            event_id = cause.causation_id,
            correlation_id = cause.correlation_id,
            consumer = self.processor.outbox.service(),
            error,
            "{what}"
        );
    }

    /// Has a call repeated after a while.
    async fn defer_call(
        &mut self,
        intent: IntentId,
        wait: Duration,
        error: String,
    ) -> Result<(), Interrupted> {
        let deferral = Deferral::refused(intent, wait, error);
        let processor = &mut self.processor;
        let deferred = intents::defer(&mut processor.session, &processor.outbox, vec![deferral]);
        if let Err(failure) = deferred.await {
            warn!(error = %failure, "cannot defer a call; it is repeated after its lease");
        }
        Ok(())
    }

    /// Keeps a message whose rows somebody has locked. That is not its fault, so it does not count as
    /// a failed try.
    pub(super) async fn postpone(
        &mut self,
        message: Message<'_, S::Input>,
        error: String,
    ) -> Result<(), Interrupted> {
        self.warn(&message, &error, "a message is postponed");
        let Message { saga, .. } = message;
        self.unfinished -= 1;
        match message.origin {
            Origin::Event { record, .. } => {
                self.keep(&record.parked(saga), Fate::Retry(LOCKED_FOR)).await
            }
            Origin::Parked { row, .. } => {
                let session = &mut self.processor.session;
                if let Err(failure) = retry::postpone(session, &row, LOCKED_FOR).await {
                    warn!(error = %failure, "cannot postpone a record of the retry queue");
                }
                Ok(())
            }
            Origin::Effect { intent, .. } => self.defer_call(intent, LOCKED_FOR, error).await,
            Origin::Command { done } | Origin::Decided { done, .. } => {
                let _ = done.send(Err(Failure::Locked(error)));
                Ok(())
            }
        }
    }

    pub(super) async fn retry_or_bury(&mut self, parked: Parked) -> Result<(), Interrupted> {
        match self.policy(&parked).next(parked.attempts, parked.age) {
            None => self.bury(&parked).await,
            Some(wait) => {
                RETRIES.of([]).increment(1);
                self.keep(&parked, Fate::Retry(wait)).await
            }
        }
    }

    /// How a record of this type is to be retried.
    fn policy(&self, parked: &Parked) -> RetryPolicy {
        let event_type = parked.headers().find(|(name, _)| *name == headers::TYPE);
        event_type
            .and_then(|(_, value)| std::str::from_utf8(value?).ok())
            .and_then(|event_type| self.settings.retry_by_type.get(event_type))
            .copied()
            .unwrap_or(self.settings.retry)
    }

    pub(super) async fn bury(&mut self, parked: &Parked) -> Result<(), Interrupted> {
        self.keep(parked, Fate::Dead).await?;
        self.dead.notify_one();
        Ok(())
    }

    /// Writes a record into the retry queue, however long that takes.
    async fn keep(&mut self, parked: &Parked, fate: Fate) -> Result<(), Interrupted> {
        for attempt in 1.. {
            match self.write(parked, fate).await {
                Ok(()) => break,
                Err(failure) => self.pause("postgres", &failure.to_string(), attempt).await?,
            }
        }
        Ok(())
    }

    /// What is said of the record gives way if the database does not take it, as one may that
    /// cannot hold every character.
    async fn write(&mut self, parked: &Parked, fate: Fate) -> Result<(), Failure> {
        let session = &mut self.processor.session;
        match retry::park(session, parked, fate).await {
            Err(Failure::Poison(error)) => {
                warn!(error, "a record that is parked is kept with plain texts");
                retry::park(session, &parked.clone().in_ascii(), fate).await
            }
            done => done,
        }
    }

    /// Tries records of the retry queue that are due, one by one, for a while: new records don't
    /// wait until all that failed has been tried. Says whether more may be due.
    pub(super) async fn retry_what_is_due(&mut self, consumer: &StreamConsumer<Listener>) -> bool {
        let due = match retry::due(&mut self.processor.session, assigned(consumer)).await {
            Ok(due) => due,
            Err(failure) => {
                self.monitor.down("postgres", &failure.to_string());
                return false;
            }
        };
        self.monitor.up("postgres");
        let end = Instant::now() + RETRY_TURN;
        let more = !due.is_empty();
        for parked in due {
            if Instant::now() >= end || self.retry(parked).await.is_err() {
                break;
            }
        }
        more
    }

    async fn retry(&mut self, parked: Parked) -> Result<(), Interrupted> {
        let (key, payload) = (parked.key.as_deref(), parked.payload.as_deref());
        let read = self.readers.read(&parked.topic, parked.headers(), key, payload);
        match read.await {
            Ok(read) => {
                let row = Box::new(parked);
                let message = Message::new(read, |event| Origin::Parked { event, row });
                self.process(vec![message]).await
            }
            Err(Unreadable::Garbage(error)) => self.bury(&parked.failed(&error)).await,
            Err(Unreadable::NotYet { reason, .. }) => {
                self.retry_or_bury(parked.failed(&reason)).await
            }
            Err(Unreadable::RegistryAway(error)) => self.pause("schema registry", &error, 1).await,
        }
    }
}
