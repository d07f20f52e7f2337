//! Spans around what the loop does, and the trace context that events carry.
//!
//! Context is carried always; spans are made only when [`enable`] was called.

use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::global::{self, BoxedSpan};
use opentelemetry::trace::{
    Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, TraceState, Tracer as _,
};
use opentelemetry::{Context, KeyValue};

use crate::message::Cause;

static ENABLED: AtomicBool = AtomicBool::new(false);

/// From now on spans are made; a tracer provider has been installed.
pub(crate) fn enable() {
    ENABLED.store(true, Ordering::Relaxed);
}

/// A span that may be going on.
pub(crate) struct Open(Option<BoxedSpan>);

impl Open {
    /// The context to hand on: this span's, or what came in when there is none.
    pub(crate) fn traceparent(&self, incoming: Option<&str>) -> Option<String> {
        match &self.0 {
            Some(span) => Some(format(span.span_context())),
            None => incoming.map(str::to_owned),
        }
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
pub(crate) fn process(name: &'static str, order: impl std::fmt::Display, cause: &Cause) -> Open {
    start("process", name, SpanKind::Consumer, cause, Some(order.to_string()))
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
    order: Option<String>,
) -> Open {
    if !ENABLED.load(Ordering::Relaxed) {
        return Open(None);
    }
    let parent = cause
        .traceparent
        .as_deref()
        .and_then(parse)
        .map_or_else(Context::new, |remote| Context::new().with_remote_span_context(remote));
    let tracer = global::tracer("farandole");
    let mut attributes = vec![
        KeyValue::new("messaging.system", "kafka"),
        KeyValue::new("farandole.causation_id", cause.causation_id.clone()),
        KeyValue::new("farandole.correlation_id", cause.correlation_id.clone()),
    ];
    attributes.extend(order.map(|order| KeyValue::new("farandole.order_id", order)));
    let builder =
        tracer.span_builder(format!("{verb} {name}")).with_kind(kind).with_attributes(attributes);
    Open(Some(tracer.build_with_context(builder, &parent)))
}

/// W3C Trace Context, `version-trace_id-parent_id-flags`.
fn parse(text: &str) -> Option<SpanContext> {
    let mut parts = text.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if version.len() != 2 || version == "ff" || trace.len() != 32 || span.len() != 16 {
        return None;
    }
    let context = SpanContext::new(
        opentelemetry::TraceId::from_hex(trace).ok()?,
        opentelemetry::SpanId::from_hex(span).ok()?,
        opentelemetry::TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
        true,
        TraceState::default(),
    );
    context.is_valid().then_some(context)
}

fn format(context: &SpanContext) -> String {
    format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_context_is_read_and_written_alike() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(format(&parse(text).unwrap()), text);
        for bad in ["", "00-0-0-0", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"] {
            assert!(parse(bad).is_none(), "{bad:?}");
        }
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
