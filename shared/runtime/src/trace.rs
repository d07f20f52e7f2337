//! One trace across services: the W3C trace context, and the span of a request.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::{HeaderMap, Method, StatusCode};
use opentelemetry::global::BoxedSpan;
use opentelemetry::trace::{
    Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceState,
    Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use thiserror::Error;

/// The flags that the standard has defined so far, sampled and random; others are sent as zero.
const KNOWN_FLAGS: u8 = 0b11;

static TRACING_ENABLED: AtomicBool = AtomicBool::new(false);

/// Whether spans are recorded and sent. While they are not, they cost nothing.
pub fn tracing_enabled() -> bool {
    TRACING_ENABLED.load(Ordering::Relaxed)
}

pub(crate) fn enable_tracing() {
    TRACING_ENABLED.store(true, Ordering::Relaxed);
}

/// A place in a trace, as the header `traceparent` carries it from service to service (W3C Trace
/// Context).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    trace_id: u128,
    span_id: u64,
    flags: u8,
}

/// Text that is not a `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "not a traceparent: it is 00-<32 hex digits>-<16 hex digits>-<2 hex digits>, neither id zero"
)]
pub struct InvalidTraceParent;

impl TraceParent {
    /// The trace's id; never 0.
    pub fn trace_id(&self) -> u128 {
        self.trace_id
    }

    /// The id of the span that caused what follows; never 0.
    pub fn span_id(&self) -> u64 {
        self.span_id
    }

    /// Whether the caller records the trace.
    pub fn is_sampled(&self) -> bool {
        self.flags & 1 == 1
    }

    /// The `traceparent` of a request, if it has exactly one and a valid one. An invalid one is as
    /// none, as the standard wants it.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all("traceparent").iter();
        let value = values.next()?.to_str().ok()?;
        if values.next().is_some() { None } else { value.parse().ok() }
    }
}

impl FromStr for TraceParent {
    type Err = InvalidTraceParent;

    /// Strict, as the standard is: lower case, no white space, and nothing after the flags but in
    /// versions yet to come.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut fields = text.split('-');
        let mut field = |digits| hexadecimal(fields.next(), digits).ok_or(InvalidTraceParent);
        let version = field(2)?;
        let trace_id = field(32)?;
        let span_id = u64::try_from(field(16)?).map_err(|_| InvalidTraceParent)?;
        let flags = u8::try_from(field(2)?).map_err(|_| InvalidTraceParent)?;
        let has_more = fields.next().is_some();
        if version == 0xff || (version == 0 && has_more) || trace_id == 0 || span_id == 0 {
            return Err(InvalidTraceParent);
        }
        Ok(Self { trace_id, span_id, flags: flags & KNOWN_FLAGS })
    }
}

fn hexadecimal(field: Option<&str>, digits: usize) -> Option<u128> {
    let is_digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    let field = field.filter(|text| text.len() == digits && text.bytes().all(is_digit))?;
    u128::from_str_radix(field, 16).ok()
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

impl From<&SpanContext> for TraceParent {
    fn from(context: &SpanContext) -> Self {
        Self {
            trace_id: u128::from_be_bytes(context.trace_id().to_bytes()),
            span_id: u64::from_be_bytes(context.span_id().to_bytes()),
            flags: context.trace_flags().to_u8() & KNOWN_FLAGS,
        }
    }
}

impl From<TraceParent> for Context {
    /// A context whose spans continue the caller's trace.
    fn from(parent: TraceParent) -> Self {
        Context::new().with_remote_span_context(SpanContext::new(
            parent.trace_id.into(),
            parent.span_id.into(),
            TraceFlags::new(parent.flags),
            true,
            TraceState::default(),
        ))
    }
}

/// The span of one request; it ends when dropped, as when the client goes away.
pub(crate) struct ServerSpan(BoxedSpan);

impl ServerSpan {
    /// Opened only while spans are recorded at all.
    pub(crate) fn open(method: &Method, parent: Option<TraceParent>) -> Option<Self> {
        if !tracing_enabled() {
            return None;
        }
        let tracer = opentelemetry::global::tracer("farandole");
        let span = tracer
            .span_builder(method.to_string())
            .with_kind(SpanKind::Server)
            .with_attributes([KeyValue::new("http.request.method", method.to_string())]);
        let parent = parent.map_or_else(Context::new, Context::from);
        Some(Self(tracer.build_with_context(span, &parent)))
    }

    pub(crate) fn trace_parent(&self) -> TraceParent {
        self.0.span_context().into()
    }

    pub(crate) fn close(mut self, method: &Method, route: &str, status: StatusCode) {
        self.0.update_name(format!("{method} {route}"));
        self.0.set_attribute(KeyValue::new("http.route", route.to_owned()));
        let code = i64::from(status.as_u16());
        self.0.set_attribute(KeyValue::new("http.response.status_code", code));
        if status.is_server_error() {
            self.0.set_status(Status::error(""));
        }
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_is_read_is_written_again() {
        let parent: TraceParent = EXAMPLE.parse().unwrap();
        assert_eq!(parent.to_string(), EXAMPLE);
        assert_eq!(parent.span_id(), 0x00f0_67aa_0ba9_02b7);
        assert!(parent.is_sampled());
        let context = Context::from(parent);
        assert_eq!(TraceParent::from(context.span().span_context()), parent);
    }

    #[test]
    fn later_versions_may_say_more_and_unknown_flags_are_dropped() {
        let later = EXAMPLE.replacen("00-", "cc-", 1) + "-more";
        assert_eq!(later.parse::<TraceParent>().unwrap().to_string(), EXAMPLE);
        let flags = EXAMPLE.replace("-01", "-fd");
        assert_eq!(flags.parse::<TraceParent>().unwrap().to_string(), EXAMPLE);
    }

    #[test]
    fn the_rest_is_refused() {
        for bad in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(bad.parse::<TraceParent>(), Err(InvalidTraceParent), "{bad:?}");
        }
    }
}
