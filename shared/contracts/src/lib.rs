//! The wire, as every service agrees on it: the envelope (`CloudEvents` in Kafka headers), the
//! codec (Confluent framing, Avro, writer resolved onto reader), the trace context, the topics'
//! names, the log of what operators decide, and the declaration by which a service says what it
//! consumes, emits and compensates.
//!
//! No event type lives here. Services are coupled by `schemas/` alone: who writes an event owns
//! its type, who reads it owns a type with the fields it uses.

mod codec;
mod declaration;
mod declared;
mod envelope;
mod metric;
pub mod operations;
mod topics;
mod trace_parent;
mod values;

pub use codec::{CodecError, Encoder, WriterSchema, frame_schema_id};
pub use declaration::{Compensates, Consumes, Declaration, Emits, Event};
pub use declared::{
    Begins, Book, Declared, DeclaredCompensation, DeclaredConsumption, DeclaredEvent,
    DeclaredStatus, Holds, status_of,
};
pub use envelope::{
    DEAD_HISTORY, Envelope, InvalidEnvelope, REDRIVE, TARGET_GROUP, dead_letter_headers, headers,
};
pub use metric::{Buckets, DeclaredLabel, DeclaredMetric, Label, Metric, MetricKind, Values};
pub use topics::{COMPATIBILITY, InvalidPrefix, Topics};
pub use trace_parent::{InvalidTraceParent, TraceParent};
pub use values::{GeneratedValue, generated_values};
