use contracts::Envelope;
use kernel::SagaKey;
use rdkafka::Message as _;
use rdkafka::message::BorrowedMessage;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::cause::Cause;
use crate::failure::Failure;
use crate::tables::decisions::OperatorDecision;
use crate::tables::intents::{GivenUp, IntentId};
use crate::tables::parked::Parked;

/// One input on its way into a batch.
pub(crate) struct Message<'c, I> {
    pub(crate) saga: SagaKey,
    pub(crate) input: I,
    pub(crate) cause: Cause,
    /// The event's type, or what else it is; for traces and logs.
    pub(crate) name: &'static str,
    pub(crate) origin: Origin<'c>,
}

/// An input that comes from within the service: the outcome of a call, or a command.
pub(crate) type Local<I> = Message<'static, I>;

/// How a message is kept from happening twice, and from being lost.
pub(crate) enum Origin<'c> {
    /// From the log.
    Event { event: EventId, record: LogRecord<'c> },
    /// From the retry queue, where its row goes when it succeeds.
    Parked { event: EventId, row: Box<Parked> },
    /// What came of a call; its intent is closed in the same transaction. One that is given up by
    /// that is kept as it was.
    Effect { intent: IntentId, given_up: Option<Box<GivenUp>> },
    /// What an operator has decided on a call; its intent is closed in the same transaction, which
    /// also takes note of the decision. If the call is open no more, nothing happens.
    Decided {
        intent: IntentId,
        decision: OperatorDecision,
        done: oneshot::Sender<Result<(), Failure>>,
    },
    /// Somebody asked for it and waits for the commit. Harmless when repeated.
    Command { done: oneshot::Sender<Result<(), Failure>> },
}

/// The record that an event came as.
pub(crate) enum LogRecord<'c> {
    /// In the client's memory.
    Borrowed(BorrowedMessage<'c>),
    /// A copy.
    Copied(Box<Parked>),
}

impl LogRecord<'_> {
    pub(crate) fn topic(&self) -> &str {
        match self {
            Self::Borrowed(record) => record.topic(),
            Self::Copied(record) => &record.topic,
        }
    }

    pub(crate) fn partition(&self) -> i32 {
        match self {
            Self::Borrowed(record) => record.partition(),
            Self::Copied(record) => record.partition,
        }
    }

    /// When it was written, in milliseconds since 1970, if it says so.
    pub(crate) fn written_ms(&self) -> Option<i64> {
        match self {
            Self::Borrowed(record) => record.timestamp().to_millis(),
            Self::Copied(record) => Some(record.written_ms),
        }
    }

    /// As it goes into the retry queue.
    pub(crate) fn parked(&self, saga: SagaKey) -> Parked {
        match self {
            Self::Borrowed(record) => Parked::from_record(record, Some(saga)),
            Self::Copied(record) => Parked { saga: Some(saga), ..Parked::clone(record) },
        }
    }
}

/// What tells an event from all others.
#[derive(Debug, Clone)]
pub(crate) struct EventId {
    /// Its id.
    pub(crate) id: Uuid,
    /// If it is a redriven dead letter: what it is known by beside that, for as long as its topic has
    /// it. The letter can be older than what the inbox remembers.
    pub(crate) redrive: Option<Uuid>,
    /// Who emitted it.
    pub(crate) source: String,
    /// Its number among its saga's events from this source.
    pub(crate) sequence: u32,
}

/// What a record says.
pub(crate) struct ReadRecord<I> {
    pub(crate) envelope: Envelope,
    /// Of a redriven dead letter: what it is known by beside its id.
    pub(crate) redrive: Option<Uuid>,
    pub(crate) event_type: &'static str,
    pub(crate) input: I,
}

impl<'c, I> Message<'c, I> {
    /// What a record says, on its way.
    pub(crate) fn new(read: ReadRecord<I>, origin: impl FnOnce(EventId) -> Origin<'c>) -> Self {
        let ReadRecord { envelope, redrive, event_type, input } = read;
        let (id, sequence) = (envelope.id, envelope.sequence);
        let event = EventId { id, redrive, source: envelope.source, sequence };
        Self {
            saga: envelope.saga,
            input,
            name: event_type,
            origin: origin(event),
            cause: Cause {
                causation_id: id.to_string(),
                correlation_id: envelope.correlation_id,
                traceparent: envelope.traceparent,
            },
        }
    }

    /// Which event it is, if it is one.
    pub(crate) fn event(&self) -> Option<&EventId> {
        match &self.origin {
            Origin::Event { event, .. } | Origin::Parked { event, .. } => Some(event),
            Origin::Effect { .. } | Origin::Decided { .. } | Origin::Command { .. } => None,
        }
    }

    /// The topic that it was read from, if it is an event.
    pub(crate) fn topic(&self) -> Option<&str> {
        match &self.origin {
            Origin::Event { record, .. } => Some(record.topic()),
            Origin::Parked { row, .. } => Some(&row.topic),
            Origin::Effect { .. } | Origin::Decided { .. } | Origin::Command { .. } => None,
        }
    }

    /// Which call it is the outcome of, if it is one.
    pub(crate) fn intent(&self) -> Option<IntentId> {
        match self.origin {
            Origin::Effect { intent, .. } | Origin::Decided { intent, .. } => Some(intent),
            _ => None,
        }
    }
}
