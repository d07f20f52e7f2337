use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{CodecError, WriterSchema};

/// What a service writes. Usually an enum with one variant per type, serialized untagged.
pub trait Event: Serialize + Send + Sync + 'static {
    /// The `ce_type`, such as `OrderPlaced`.
    fn event_type(&self) -> &'static str;
}

/// All that a service says about itself to the others, as data: checked against `schemas/` by
/// tests, resolved against the registry at start, drawn as a graph by tools.
pub struct Declaration<I> {
    /// The service's name: of its topic, its consumer group, its database.
    pub service: &'static str,
    /// What it reads, and what each may lead it to emit.
    pub consumes: Vec<Consumes<I>>,
    /// What it writes.
    pub emits: Vec<Emits>,
    /// Which of its events undo which of its others.
    pub compensates: Vec<Compensates>,
}

type Decode<I> = Box<dyn Fn(&WriterSchema, &[u8]) -> Result<I, CodecError> + Send + Sync>;

/// One event type that a service reads.
pub struct Consumes<I> {
    /// The `ce_type`.
    pub event_type: &'static str,
    /// Who emits it.
    pub from: &'static str,
    /// The reader schema: only the fields used.
    pub reader_schema: &'static str,
    /// What it may lead this service to emit, now or once more has arrived.
    pub leads_to: &'static [&'static str],
    /// Whether it may wait a moment for something more urgent, and share a transaction with it.
    pub may_linger: bool,
    decode: Decode<I>,
}

impl<I: 'static> Consumes<I> {
    /// Reads `event_type` of service `from` as `T`, which becomes an input by `input`.
    pub fn new<T: DeserializeOwned + 'static>(
        from: &'static str,
        event_type: &'static str,
        reader_schema: &'static str,
        input: fn(T) -> I,
    ) -> Self {
        let decode: Decode<I> = Box::new(move |writer, payload| writer.decode(payload).map(input));
        Self { event_type, from, reader_schema, leads_to: &[], may_linger: false, decode }
    }

    /// Names the events that this one may lead to.
    #[must_use]
    pub fn leads_to(mut self, events: &'static [&'static str]) -> Self {
        self.leads_to = events;
        self
    }

    /// Says that nobody waits for what it leads to, as a rule because that takes another event,
    /// too: it is only remembered. At low rates it then waits a moment for that other event.
    #[must_use]
    pub fn may_linger(mut self) -> Self {
        self.may_linger = true;
        self
    }

    /// The input that a framed payload is, by the schema that wrote it.
    pub fn decode(&self, writer: &WriterSchema, payload: &[u8]) -> Result<I, CodecError> {
        (self.decode)(writer, payload)
    }
}

/// One event type that a service writes.
#[derive(Debug, Clone, Copy)]
pub struct Emits {
    /// The `ce_type`.
    pub event_type: &'static str,
    /// The schema it is written with: the newest version in `schemas/`.
    pub schema: &'static str,
}

/// `event` undoes `undoes`; both are the same service's.
#[derive(Debug, Clone, Copy)]
pub struct Compensates {
    /// Such as `PaymentRefunded`.
    pub event: &'static str,
    /// Such as `PaymentCharged`.
    pub undoes: &'static str,
}
