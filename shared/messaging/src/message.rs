use kernel::OrderId;
use rdkafka::message::BorrowedMessage;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::Failure;
use crate::readers::Read;
use crate::retry::Parked;

/// Where something came from, to be handed on to what it causes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The id of the event or request.
    pub causation_id: String,
    /// Follows one request through the whole fleet.
    pub correlation_id: String,
    /// W3C trace context.
    pub traceparent: Option<String>,
}

/// One input on its way into a batch.
pub(crate) struct Message<'c, I> {
    pub(crate) order: OrderId,
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
    /// From the log; the inbox knows its id.
    Event { id: Uuid, record: BorrowedMessage<'c> },
    /// From the retry queue, where its row goes when it succeeds; the inbox knows its id.
    Parked { id: Uuid, row: Box<Parked> },
    /// What came of a call; its row in `effects` goes in the same transaction.
    Effect { step: String },
    /// Somebody asked for it and waits for the commit. Harmless when repeated.
    Command { done: oneshot::Sender<Result<(), Failure>> },
}

impl<'c, I> Message<'c, I> {
    /// What a record says, on its way.
    pub(crate) fn new(read: Read<I>, origin: impl FnOnce(Uuid) -> Origin<'c>) -> Self {
        let Read { envelope, event_type, input } = read;
        Self {
            order: envelope.order,
            input,
            name: event_type,
            origin: origin(envelope.id),
            cause: Cause {
                causation_id: envelope.id.to_string(),
                correlation_id: envelope.correlation_id,
                traceparent: envelope.traceparent,
            },
        }
    }

    /// The id that the inbox remembers, if it is an event.
    pub(crate) fn event_id(&self) -> Option<Uuid> {
        match &self.origin {
            Origin::Event { id, .. } | Origin::Parked { id, .. } => Some(*id),
            Origin::Effect { .. } | Origin::Command { .. } => None,
        }
    }
}
