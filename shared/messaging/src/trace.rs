//! Spans around what the loop does, and the trace context that events carry.
//!
//! Context is carried always; spans are made only when [`enable_tracing`] was called.

use std::sync::atomic::{AtomicBool, Ordering};

use contracts::TraceParent;
use opentelemetry::global::{self, BoxedSpan};
use opentelemetry::trace::{
    Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceState,
    Tracer as _,
};
use opentelemetry::{Context, KeyValue};

use crate::cause::Cause;

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
                span.set_status(Status::error(""));
            }
            span.end();
        }
    }
}

/// A span for the processing of one message.
pub(crate) fn process(name: &'static str, saga: impl std::fmt::Display, cause: &Cause) -> Open {
    start("process", name, SpanKind::Consumer, cause, Some(saga.to_string()))
}

/// A span for one call to the outside.
pub(crate) fn client(step: &'static str, cause: &Cause) -> Open {
    start("call", step, SpanKind::Client, cause, None)
}

fn start(
    verb: &str,
    name: &'static str,
    kind: SpanKind,
    cause: &Cause,
    saga: Option<String>,
) -> Open {
    if !tracing_enabled() {
        return Open(None);
    }
    let parent = cause.traceparent.as_deref().and_then(|text| text.parse().ok());
    let parent = parent.map_or_else(Context::new, remote_context);
    let tracer = global::tracer("farandole");
    let mut attributes = vec![
        KeyValue::new("messaging.system", "kafka"),
        KeyValue::new("farandole.causation_id", cause.causation_id.clone()),
        KeyValue::new("farandole.correlation_id", cause.correlation_id.clone()),
    ];
    attributes.extend(saga.map(|saga| KeyValue::new("farandole.saga", saga)));
    let builder =
        tracer.span_builder(format!("{verb} {name}")).with_kind(kind).with_attributes(attributes);
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
        let span = process("OrderPlaced", "o", &cause);
        assert_eq!(span.traceparent(cause.traceparent.as_deref()).as_deref(), Some("x"));
    }
}
