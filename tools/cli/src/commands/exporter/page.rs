use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use contracts::MetricKind;
use farandole_cli::instruments::instruments;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;

/// What Prometheus reads.
pub(super) struct Page(PrometheusHandle);

impl Page {
    /// From now on what is told by numbers is on the page.
    pub(super) fn install() -> anyhow::Result<Self> {
        let page = PrometheusBuilder::new().install_recorder()?;
        for metric in instruments() {
            match metric.kind {
                MetricKind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
                MetricKind::Counter => metrics::describe_counter!(metric.name, metric.help),
                MetricKind::Histogram => metrics::describe_histogram!(metric.name, metric.help),
            }
        }
        Ok(Self(page))
    }

    /// Answers at `/metrics`, and at `/health/live` that it is there.
    pub(super) async fn serve(&self, listener: TcpListener) -> std::io::Result<()> {
        let page = self.0.clone();
        let metrics = move || async move {
            ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page.render())
        };
        let router = Router::new()
            .route("/metrics", get(metrics))
            .route("/health/live", get(|| async { "live" }));
        axum::serve(listener, router).await
    }
}
