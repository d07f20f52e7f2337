//! HTTP basics: what every service's listener does around its own API.
//!
//! Every answer of a router made here carries `x-correlation-id`, and every error is a
//! [`Problem`]. (What is not HTTP, or has a head of more than twice what it may have, never gets this
//! far: hyper answers 400, 414 or 431 and closes the connection.)
//!
//! A handler is dropped, at any of its awaits, when its time is up, and one that only asks (GET,
//! HEAD) also when its client breaks the connection. Work that must not stop half way belongs into a
//! task of its own, which the handler awaits.

mod body;
mod cause;
mod describe;
mod head;
mod idempotency;
mod limits;
mod money;
mod observe;
mod parameters;
mod preconditions;
pub mod schema;
mod seats;
mod server;
mod strict;
mod words;

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use futures::FutureExt as _;
use tower::ServiceExt as _;
use tracing::{Instrument as _, field};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::SwaggerUi;
use uuid::Uuid;

pub use body::{Hashed, Json, NoBody, parse};
pub use cause::RequestCause;
pub use head::AllowedHosts;
pub use idempotency::{IdempotencyKey, replayed};
pub use limits::HttpLimits;
pub use money::MoneyBody;
pub use parameters::{Id, Parsed, Path, Query};
pub use preconditions::{Current, EntityTag, Preconditions, Tagged};
pub use server::{PeerAddress, serve};

use self::describe::describe;
pub(crate) use self::describe::operations;
use self::head::Rules;
use self::observe::{note_route, observe};
use crate::declaration::DeclarationPage;
use crate::health::Health;
use crate::problem::Problem;
use crate::telemetry::Metrics;

const X_CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// Enough for a UUID, a trace id or a path of hops; short enough to go into every log line.
const CORRELATION_ID_MAX_LENGTH: usize = 128;

/// No page may show an answer in a frame of its own, and an answer that is taken for a page may load
/// nothing.
const ANSWERS_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
/// The same for the page that shows the API, which is made of what is served beside it.
const DOCS_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; frame-ancestors 'none'";

/// How soon a client may try again while the service starts: dependencies take seconds to come up.
const RETRY_AFTER_S: u32 = 1;

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

/// What a service answers.
#[derive(Clone)]
pub struct Site {
    /// Its API, once it is there.
    pub api: ApiSlot,
    /// How it is.
    pub health: Health,
    /// What it declares.
    pub declaration: DeclarationPage,
    /// The description of its API, as far as it is its own; what all have in common is added.
    pub openapi: OpenApi,
    /// What is asked of requests.
    pub limits: HttpLimits,
    /// The names under which the service may be asked for.
    pub hosts: AllowedHosts,
}

impl Site {
    /// All on one listener: what [`Site::public`] and [`Site::probes`] have.
    pub fn whole(self, metrics: Metrics) -> Router {
        let (probes, rules) = (self.probe_routes(metrics), self.rules());
        let gate = self.gate();
        finished(self.docs().merge(probes).fallback_service(gate), rules)
    }

    /// `/openapi.json` and `/docs` from the start, and everything else by the API, as soon as there is
    /// one; but neither probes nor metrics.
    pub fn public(self) -> Router {
        let (gate, rules) = (self.gate(), self.rules());
        finished(self.docs().fallback_service(gate), rules)
    }

    /// `/health/live`, `/health/ready`, `/metrics` and `/declaration`, for a listener of their own.
    pub fn probes(&self, metrics: Metrics, limits: HttpLimits) -> Router {
        let rules = Rules { limits, hosts: AllowedHosts::default() };
        finished(self.probe_routes(metrics).fallback(not_found), rules)
    }

    fn probe_routes(&self, metrics: Metrics) -> Router {
        let health = self.health.clone();
        health_router(self.health.clone())
            .merge(self.declaration.clone().routes())
            .route("/metrics", get(|| async move { metrics.answer_with(&health) }))
    }

    fn rules(&self) -> Rules {
        Rules { limits: self.limits, hosts: self.hosts.clone() }
    }

    fn docs(&self) -> Router {
        let document = describe(&self.openapi);
        Router::new()
            .merge(SwaggerUi::new("/docs").external_url_unchecked("/openapi.json", document))
            .layer(from_fn(async |request: Request, next: Next| {
                let mut response = next.run(request).await;
                let policy = HeaderValue::from_static(DOCS_POLICY);
                response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
                response
            }))
    }

    fn gate(&self) -> Router {
        let limits = self.limits;
        Router::new()
            .fallback(gate)
            .with_state((self.api.clone(), self.health.clone()))
            .layer((Extension(limits), DefaultBodyLimit::max(limits.body_bytes)))
            .layer(from_fn_with_state(limits, contain))
            .layer(from_fn(observe))
    }
}

/// What all requests go through, and all answers come out of.
fn finished(router: Router, rules: Rules) -> Router {
    let router = router.method_not_allowed_fallback(method_not_allowed);
    // Around the whole router: layers of its own would not see the Allow that it adds.
    Router::new()
        .fallback_service(router)
        .layer(from_fn_with_state(rules, head::check))
        .layer(from_fn(harden))
        .layer(from_fn(correlate))
}

pub(crate) fn health_router(health: Health) -> Router {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .with_state(health)
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

/// The header `Allow` is added by the router.
async fn method_not_allowed(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let detail = format!("{method} is not possible here; see the header Allow");
    Problem::method_not_allowed(detail).into_response()
}

/// Tells browsers and caches what not to do with an answer, unless its route has said so itself. Answers
/// are about customers; what may be kept says that.
async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, ANSWERS_POLICY),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    // The router knows the methods that have a handler. What the others are answered with is the one
    // that is possible everywhere.
    let allowed = headers.get(ALLOW).and_then(|allowed| allowed.to_str().ok());
    let allowed = allowed.filter(|it| !it.is_empty()).map(|it| format!("{it},OPTIONS"));
    if let Some(Ok(allowed)) = allowed.map(HeaderValue::try_from) {
        headers.insert(ALLOW, allowed);
    }
    response
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
