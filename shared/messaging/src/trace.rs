//! Spans around what the loop does, and the trace context that events carry.
//!
//! Context is carried always; spans are made only when [`enable_tracing`] was called.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use contracts::{Envelope, TraceParent};
use kernel::SagaKey;
use opentelemetry::global::{self, BoxedSpan};
use opentelemetry::trace::{
    Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceState,
    Tracer as _,
};
use opentelemetry::{Context, KeyValue};

use crate::cause::Cause;
use crate::record::message::Message;

static TRACING_ENABLED: AtomicBool = AtomicBool::new(false);

/// From now on spans are made, here and in whatever asks [`tracing_enabled`]; a tracer provider has
/// been installed.
pub fn enable_tracing() {
    TRACING_ENABLED.store(true, Ordering::Relaxed);
}

/// Whether spans are recorded and sent. While they are not, they cost nothing.
pub fn tracing_enabled() -> bool {
    TRACING_ENABLED.load(Ordering::Relaxed)
}

/// A span that may be going on.
pub(crate) struct Open(Option<BoxedSpan>);

impl Open {
    /// The context to hand on: this span's, or what came in when there is none.
    pub(crate) fn traceparent(&self, incoming: Option<&str>) -> Option<String> {
        let own = self.0.as_ref().and_then(|span| trace_parent(span.span_context()));
        own.map(|own| own.to_string()).or_else(|| incoming.map(str::to_owned))
    }

    /// Ends the span.
    pub(crate) fn end(self, failed: bool) {
        if let Some(mut span) = self.0 {
            if failed {
                span.set_attribute(KeyValue::new("error.type", "no_outcome"));
                span.set_status(Status::error(""));
            }
            span.end();
        }
    }
}

/// A span for the processing of one message by a service: of an event by the conventions for messaging
/// (OpenTelemetry, semantic conventions for messaging spans and for `CloudEvents`), of what comes from
/// within by its name.
pub(crate) fn process<I>(service: &str, message: &Message<'_, I>) -> Open {
    if !tracing_enabled() {
        return Open(None);
    }
    let Message { saga, name, cause, .. } = message;
    let Some(topic) = message.topic() else {
        let own = [KeyValue::new(SAGA, saga.to_string())];
        return start(format!("process {name}"), SpanKind::Internal, cause, own);
    };
    let own = [
        KeyValue::new("messaging.system", "kafka"),
        KeyValue::new("messaging.operation.type", "process"),
        KeyValue::new("messaging.operation.name", "process"),
        KeyValue::new("messaging.destination.name", topic.to_owned()),
        KeyValue::new("messaging.consumer.group.name", service.to_owned()),
        KeyValue::new("messaging.message.id", cause.causation_id.clone()),
        KeyValue::new("messaging.kafka.message.key", saga.to_string()),
        KeyValue::new("cloudevents.event_id", cause.causation_id.clone()),
        KeyValue::new("cloudevents.event_type", *name),
        KeyValue::new(SAGA, saga.to_string()),
    ];
    start(format!("process {topic}"), SpanKind::Consumer, cause, own)
}

/// A span for one try of a call to the outside.
pub(crate) fn client(step: &'static str, saga: SagaKey, cause: &Cause) -> Open {
    if !tracing_enabled() {
        return Open(None);
    }
    let own = [KeyValue::new("farandole.step", step), KeyValue::new(SAGA, saga.to_string())];
    start(format!("call {step}"), SpanKind::Client, cause, own)
}

/// A span for an event that the log has: since when it was on its way there.
pub(crate) fn sent(topic: &str, envelope: &Envelope, since: SystemTime) {
    let Some(parent) = envelope.traceparent.as_deref().and_then(|text| text.parse().ok()) else {
        return;
    };
    let tracer = global::tracer(TRACER);
    let attributes = vec![
        KeyValue::new("messaging.system", "kafka"),
        KeyValue::new("messaging.operation.type", "send"),
        KeyValue::new("messaging.operation.name", "send"),
        KeyValue::new("messaging.destination.name", topic.to_owned()),
        KeyValue::new("messaging.message.id", envelope.id.to_string()),
        KeyValue::new("messaging.message.conversation_id", envelope.correlation_id.clone()),
        KeyValue::new("messaging.kafka.message.key", envelope.saga.to_string()),
        KeyValue::new("cloudevents.event_id", envelope.id.to_string()),
        KeyValue::new("cloudevents.event_type", envelope.event_type.clone()),
        KeyValue::new("cloudevents.event_source", envelope.source.clone()),
        KeyValue::new(SAGA, envelope.saga.to_string()),
    ];
    let builder = tracer
        .span_builder(format!("send {topic}"))
        .with_kind(SpanKind::Producer)
        .with_start_time(since)
        .with_attributes(attributes);
    tracer.build_with_context(builder, &remote_context(parent)).end();
}

const TRACER: &str = "farandole";
const SAGA: &str = "farandole.saga";

fn start(
    name: String,
    kind: SpanKind,
    cause: &Cause,
    own: impl IntoIterator<Item = KeyValue>,
) -> Open {
    let parent = cause.traceparent.as_deref().and_then(|text| text.parse().ok());
    let parent = parent.map_or_else(Context::new, remote_context);
    let tracer = global::tracer(TRACER);
    let mut attributes = vec![
        KeyValue::new("messaging.message.conversation_id", cause.correlation_id.clone()),
        KeyValue::new("farandole.causation_id", cause.causation_id.clone()),
    ];
    attributes.extend(own);
    let builder = tracer.span_builder(name).with_kind(kind).with_attributes(attributes);
    Open(Some(tracer.build_with_context(builder, &parent)))
}

/// Where a span stands in its trace, to be handed on; `None` if nobody records spans.
pub fn trace_parent(context: &SpanContext) -> Option<TraceParent> {
    TraceParent::new(
        u128::from_be_bytes(context.trace_id().to_bytes()),
        u64::from_be_bytes(context.span_id().to_bytes()),
        context.trace_flags().to_u8(),
    )
    .ok()
}

/// A context whose spans continue the caller's trace.
pub fn remote_context(parent: TraceParent) -> Context {
    Context::new().with_remote_span_context(SpanContext::new(
        parent.trace_id().into(),
        parent.span_id().into(),
        TraceFlags::new(parent.flags()),
        true,
        TraceState::default(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_that_is_continued_is_the_same() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let parent: TraceParent = text.parse().unwrap();
        assert_eq!(trace_parent(remote_context(parent).span().span_context()), Some(parent));
        assert_eq!(trace_parent(&SpanContext::empty_context()), None);
    }

    #[test]
    fn without_a_tracer_the_context_is_passed_on() {
        let cause = Cause {
            causation_id: "c".into(),
            correlation_id: "r".into(),
            traceparent: Some("x".into()),
        };
        let span = client("charge", SagaKey(uuid::Uuid::nil()), &cause);
        assert_eq!(span.traceparent(cause.traceparent.as_deref()).as_deref(), Some("x"));
    }
}
