//! One trace across services: where a request stands in it, and the request's span.

use axum::http::{HeaderMap, Method, StatusCode};
use contracts::TraceParent;
use contracts::headers::TRACEPARENT;
use messaging::{remote_context, trace_parent, tracing_enabled};
use opentelemetry::global::BoxedSpan;
use opentelemetry::trace::{Span as _, SpanKind, Status, Tracer as _};
use opentelemetry::{Context, KeyValue};

/// The `traceparent` of a request, if it has exactly one and a valid one. An invalid one is as none,
/// as the standard wants it.
pub(crate) fn parent_of(headers: &HeaderMap) -> Option<TraceParent> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() { None } else { value.parse().ok() }
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
        let parent = parent.map_or_else(Context::new, remote_context);
        Some(Self(tracer.build_with_context(span, &parent)))
    }

    pub(crate) fn trace_parent(&self) -> Option<TraceParent> {
        trace_parent(self.0.span_context())
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
