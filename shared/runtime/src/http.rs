//! HTTP basics: what every service's listener does around its own API.
//!
//! Every answer of a router made here carries `x-correlation-id`, and every error is a
//! [`Problem`]. (What is not HTTP, or has too large a head, never gets this far: hyper answers 400,
//! 414 or 431 and closes the connection.)
//!
//! A handler is dropped, at any of its awaits, when its time is up, and one that only asks (GET,
//! HEAD) also when its client goes away. Work that must not stop half way belongs into a task of
//! its own, which the handler awaits.

mod cause;
mod extract;
mod server;

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use futures::FutureExt as _;
use tower::ServiceExt as _;
use tracing::{Instrument as _, Span, field};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::SwaggerUi;
use uuid::Uuid;

pub use cause::RequestCause;
pub use extract::{Json, Path, Query};
pub use server::{PeerAddress, serve};

use crate::health::Health;
use crate::problem::Problem;
use crate::telemetry::Metrics;
use crate::trace::{ServerSpan, parent_of};

const X_CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// Enough for a UUID, a trace id or a path of hops; short enough to go into every log line.
const CORRELATION_ID_MAX_LENGTH: usize = 128;

const REQUEST_DURATION: &str = "farandole_http_request_duration_seconds";

/// How soon a client may try again while the service starts: dependencies take seconds to come up.
const RETRY_AFTER_S: u32 = 1;

/// How much and how long a client may ask for.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// Bytes of a request's body, 64 KiB by default: the largest honest order has a few hundred
    /// lines and takes about 30 KiB.
    pub body_bytes: usize,
    /// Time for the whole body to arrive, 10 s by default: 64 KiB pass any usable line in that.
    pub body_read_timeout: Duration,
    /// Time to answer a request, 75 s by default: a long poll may ask for 60 s (`Prefer: wait=60`)
    /// and the database gets a share on top.
    pub request_timeout: Duration,
    /// Time for a request's head to arrive, 10 s by default, so that slow clients cannot hold the
    /// connections. It counts from the answer before: an idle connection is closed after it too.
    pub header_read_timeout: Duration,
    /// Bytes of a request's head, 16 KiB by default: room for cookies and long traces.
    pub header_bytes: usize,
    /// Time without progress in writing an answer, 10 s by default: who asks and doesn't read
    /// cannot hold the connections either.
    pub write_timeout: Duration,
    /// Open connections, 4096 by default: each costs a file descriptor and some 20 KiB. Further
    /// ones wait in the listener's backlog.
    pub connections: usize,
    /// Time for requests under way to finish at shutdown, 5 s by default: half of what the whole
    /// service has.
    pub drain_timeout: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            body_bytes: 64 * 1024,
            body_read_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(75),
            header_read_timeout: Duration::from_secs(10),
            header_bytes: 16 * 1024,
            write_timeout: Duration::from_secs(10),
            connections: 4096,
            drain_timeout: Duration::from_secs(5),
        }
    }
}

/// The place for a service's API, which can be installed once its dependencies are there. Until
/// then its routes answer 503. Clones are one and the same.
#[derive(Debug, Clone, Default)]
pub struct ApiSlot(Arc<OnceLock<Router>>);

impl ApiSlot {
    /// Opens the API. Its unknown paths and methods become problems. Only the first call counts.
    pub fn install(&self, api: Router) {
        let api = api
            .method_not_allowed_fallback(method_not_allowed)
            .fallback(not_found)
            .layer(from_fn(note_route));
        if self.0.set(api).is_err() {
            tracing::warn!("the API is installed already; the second one is ignored");
        }
    }
}

/// The router of a service: `/health/live`, `/health/ready`, `/metrics`, `/openapi.json` and
/// `/docs` from the start, and everything else by the API, as soon as `api` has one.
pub fn service_router(
    api: ApiSlot,
    health: Health,
    metrics: Metrics,
    openapi: OpenApi,
    limits: HttpLimits,
) -> Router {
    let gate = Router::new()
        .fallback(gate)
        .with_state((api, health.clone()))
        .layer((Extension(limits), DefaultBodyLimit::max(limits.body_bytes)))
        .layer(from_fn_with_state(limits, contain))
        .layer(from_fn(observe));
    health_router(health)
        .route("/metrics", get(|| async move { render(&metrics) }))
        .merge(SwaggerUi::new("/docs").url("/openapi.json", openapi))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback_service(gate)
        .layer(from_fn(correlate))
}

pub(crate) fn health_router(health: Health) -> Router {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .with_state(health)
}

pub(crate) fn describe_metrics() {
    metrics::describe_histogram!(
        REQUEST_DURATION,
        metrics::Unit::Seconds,
        "Time to answer a request to the API, by method, route and status."
    );
}

async fn live(State(health): State<Health>) -> Response {
    if health.is_live() {
        Json(serde_json::json!({"status": "live"})).into_response()
    } else {
        let body = Json(serde_json::json!({"status": "stalled"}));
        (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
    }
}

async fn ready(State(health): State<Health>) -> Response {
    let snapshot = health.snapshot();
    let status = if snapshot.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(snapshot)).into_response()
}

fn render(metrics: &Metrics) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render()).into_response()
}

async fn gate(State((api, health)): State<(ApiSlot, Health)>, request: Request) -> Response {
    if let Some(api) = api.0.get() {
        let Ok(response) = api.clone().oneshot(request).await;
        return response;
    }
    let detail = format!("the service is starting ({})", health.snapshot().reasons());
    Problem::unavailable(detail, RETRY_AFTER_S).into_response()
}

async fn not_found() -> Problem {
    Problem::not_found("there is nothing at this path; /openapi.json lists what there is")
}

async fn method_not_allowed(method: Method) -> Problem {
    Problem::method_not_allowed(format!("{method} is not possible here; see the header Allow"))
}

/// Names a chain of requests and events: given by the client, or else a new `UUIDv7`. In the
/// extensions of every request, the headers of every answer, and the span of every log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorrelationId(pub String);

impl CorrelationId {
    fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(X_CORRELATION_ID).and_then(|value| value.to_str().ok());
        let fits = |id: &&str| {
            (1..=CORRELATION_ID_MAX_LENGTH).contains(&id.len())
                && id.bytes().all(|b| b.is_ascii_graphic())
        };
        Self(given.filter(fits).map_or_else(|| Uuid::now_v7().to_string(), str::to_owned))
    }
}

async fn correlate(mut request: Request, next: Next) -> Response {
    let id = CorrelationId::of(request.headers());
    // Neither path nor query: they may hold what must not be logged.
    let span = tracing::info_span!(
        "request",
        correlation_id = id.0,
        method = %request.method(),
        route = field::Empty,
        trace_id = field::Empty,
    );
    let header = HeaderValue::try_from(&id.0);
    request.extensions_mut().insert(id);
    let mut response = next.run(request).instrument(span).await;
    if let Ok(header) = header {
        response.headers_mut().insert(X_CORRELATION_ID, header);
    }
    response
}

/// The route that a request took, known only further in than where it is measured.
#[derive(Debug, Clone, Default)]
struct Route(Arc<OnceLock<MatchedPath>>);

impl Route {
    fn as_str(&self) -> &str {
        self.0.get().map_or("unmatched", MatchedPath::as_str)
    }
}

async fn note_route(
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
async fn observe(mut request: Request, next: Next) -> Response {
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

    metrics::histogram!(
        REQUEST_DURATION,
        "method" => method_label(&method),
        "route" => route.as_str().to_owned(),
        "status" => response.status().as_str().to_owned(),
    )
    .record(started.elapsed());
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

/// Turns a handler's panic, and one that doesn't come to an end, into an answer.
async fn contain(State(limits): State<HttpLimits>, request: Request, next: Next) -> Response {
    let handling = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(limits.request_timeout, handling).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => Problem::internal(&"the handler panicked").into_response(),
        Err(_) => {
            tracing::warn!("a request took too long");
            let detail = "the request took too long and was given up";
            Problem::unavailable(detail, RETRY_AFTER_S).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correlation_id_is_kept_if_it_is_fit_for_a_log_line() {
        let of = |value: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(X_CORRELATION_ID, HeaderValue::from_bytes(value).unwrap());
            CorrelationId::of(&headers).0
        };
        assert_eq!(of(b"checkout:42"), "checkout:42");
        assert_eq!(of(&[b'x'; 128]), "x".repeat(128));
        for unfit in [&b""[..], b"a b", &[b'x'; 129], "é".as_bytes()] {
            assert!(of(unfit).parse::<Uuid>().is_ok(), "{unfit:?}");
        }
        assert_eq!(CorrelationId::of(&HeaderMap::new()).0.len(), 36);
    }
}
