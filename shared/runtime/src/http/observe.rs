//! What is measured of a request, and how it becomes part of its trace.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::Extension;
use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use tracing::{Span, field};

use crate::telemetry::{REQUEST_DURATION, REQUESTS};
use crate::trace::{ServerSpan, parent_of};

/// The route that a request took, known only further in than where it is measured.
#[derive(Debug, Clone, Default)]
pub(super) struct Route(Arc<OnceLock<MatchedPath>>);

impl Route {
    fn as_str(&self) -> &str {
        self.0.get().map_or("unmatched", MatchedPath::as_str)
    }
}

pub(super) async fn note_route(
    Extension(route): Extension<Route>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    if let Some(path) = path {
        Span::current().record("route", path.as_str());
        // Set at most once: a request takes one route.
        let _ = route.0.set(path);
    }
    next.run(request).await
}

/// Measures a request and makes it part of its trace.
pub(super) async fn observe(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = Route::default();
    request.extensions_mut().insert(route.clone());

    let given = parent_of(request.headers());
    let server_span = ServerSpan::open(&method, given);
    if let Some(parent) = server_span.as_ref().and_then(ServerSpan::trace_parent).or(given) {
        Span::current()
            .record("trace_id", field::display(format_args!("{:032x}", parent.trace_id())));
        request.extensions_mut().insert(parent);
    }

    let response = next.run(request).await;

    let (label, status) = (method_label(&method), response.status());
    REQUEST_DURATION.of([label, route.as_str()]).record(started.elapsed());
    REQUESTS.of([label, route.as_str(), status.as_str()]).increment(1);
    if let Some(span) = server_span {
        span.close(&method, route.as_str(), response.status());
    }
    response
}

/// A label has few values, and a client may send any method it likes.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "DELETE" => "DELETE",
        "GET" => "GET",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        "PATCH" => "PATCH",
        "POST" => "POST",
        "PUT" => "PUT",
        _ => "other",
    }
}
