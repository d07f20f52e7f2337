use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use runtime::telemetry::Metrics;

/// What Prometheus reads at `/metrics`; `/health/live` says that the exporter is there.
pub(super) fn page(metrics: Metrics) -> Router {
    let text = move || async move {
        ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.text())
    };
    Router::new().route("/metrics", get(text)).route("/health/live", get(|| async { "live" }))
}
