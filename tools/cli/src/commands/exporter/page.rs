use axum::Router;
use axum::routing::get;
use runtime::telemetry::Metrics;

/// What Prometheus reads at `/metrics`; `/health/live` says that the exporter is there.
pub(super) fn page(metrics: Metrics) -> Router {
    Router::new()
        .route("/metrics", get(async move || metrics.answer()))
        .route("/health/live", get(|| async { "live" }))
}
