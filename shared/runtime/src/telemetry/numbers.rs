//! The metrics of this process, as Prometheus reads them.

use std::time::Duration;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use contracts::{Buckets, Label, Metric, MetricKind, Values};
use meter::{CounterMetric, GaugeMetric, HistogramMetric, KnownValues};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::health::{Component, Health};
use crate::http::operations;

/// Observations are held one by one until this comes round (or somebody reads the metrics), so it
/// bounds the memory they take.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

// A counter of the metrics crate is whole, and seconds of CPU are not, so that they are told as a gauge.
const CPU_AS_GAUGE: &str = "# TYPE process_cpu_seconds_total gauge";
const CPU_AS_COUNTER: &str = "# TYPE process_cpu_seconds_total counter";

const METHOD: Label = Label::new("method", Values::Open("the request's method"));
const ROUTE: Label = Label::new("route", Values::Open("the path's pattern, or unmatched"));
const STATUS: Label = Label::new("status", Values::Open("the answer's status"));
const NAME: Label = Label::new("service", Values::Open("the service's name"));
const VERSION: Label = Label::new("version", Values::Open("the program's version"));
/// What stands for all parts of readiness.
const ALL: &str = "all";
const PARTS: &[&str] =
    &[ALL, "api", "kafka", "postgres", "processing", "publishing", "schema registry"];

static BUILD_INFO: GaugeMetric<2> = GaugeMetric::new(
    "farandole_build_info",
    "1",
    "Always 1; the labels say what runs.",
    &[NAME, VERSION],
);
static READY: GaugeMetric<1> = GaugeMetric::new(
    "farandole_ready",
    "0 or 1",
    "Whether a part of the service is ready, and whether all are.",
    &[Label::new("part", Values::These(PARTS))],
);
pub(crate) static REQUESTS: CounterMetric<3> = CounterMetric::new(
    "farandole_http_requests_total",
    "requests",
    "Requests to the API that were answered.",
    &[METHOD, ROUTE, STATUS],
);
pub(crate) static REQUEST_DURATION: HistogramMetric<2> = HistogramMetric::new(
    "farandole_http_request_duration_seconds",
    Buckets::Seconds,
    "Time to answer a request to the API.",
    &[METHOD, ROUTE],
);

/// The definitions of all that any service tells by numbers, beside what is its own. Those of the process,
/// `process_…`, are as Prometheus' clients have them.
pub fn instruments() -> Vec<Metric> {
    let own = [BUILD_INFO.metric(), READY.metric(), REQUESTS.metric(), REQUEST_DURATION.metric()];
    own.into_iter().chain(messaging::instruments::instruments()).collect()
}

/// The metrics of this process, in the text format of Prometheus.
#[derive(Debug, Clone)]
pub struct Metrics {
    recorder: PrometheusHandle,
    process: metrics_process::Collector,
}

impl Metrics {
    /// Collects from now on, once per process, all that it tells by numbers; `metrics` are the definitions.
    ///
    /// # Errors
    /// When called twice.
    pub fn install(metrics: &[Metric]) -> Result<Self, BuildError> {
        let mut builder = PrometheusBuilder::new();
        for metric in metrics {
            if let Some(buckets) = metric.buckets {
                let name = Matcher::Full(metric.name.to_owned());
                builder = builder.set_buckets_for_metric(name, buckets.bounds())?;
            }
        }
        let recorder = builder.install_recorder()?;
        let process = metrics_process::Collector::default();
        process.describe();
        metrics.iter().for_each(describe);
        Ok(Self { recorder, process })
    }

    /// All metrics of a service as they are now, and how it is, for Prometheus.
    pub(crate) fn answer_with(&self, health: &Health) -> Response {
        let health = health.snapshot();
        READY.count([ALL], u64::from(health.ready));
        for (part, component) in &health.components {
            READY.count([part], u64::from(*component == Component::Ready));
        }
        self.answer()
    }

    /// All metrics as they are now, those of the process (CPU, memory, open files) among them, for Prometheus.
    pub fn answer(&self) -> Response {
        self.process.collect();
        let text = self.recorder.render().replacen(CPU_AS_GAUGE, CPU_AS_COUNTER, 1);
        ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
    }

    pub(super) async fn upkeep(self) {
        let mut interval = tokio::time::interval(UPKEEP_INTERVAL);
        loop {
            interval.tick().await;
            self.recorder.run_upkeep();
        }
    }
}

/// Takes note of which program this is.
pub(super) fn tell_build(service: &str) {
    BUILD_INFO.count([service, env!("CARGO_PKG_VERSION")], 1);
}

fn describe(metric: &Metric) {
    let help = metric.help;
    match metric.kind {
        MetricKind::Counter => metrics::describe_counter!(metric.name, help),
        MetricKind::Gauge => metrics::describe_gauge!(metric.name, help),
        MetricKind::Histogram => metrics::describe_histogram!(metric.name, help),
    }
}

/// Sees to it that all series are there that can be foreseen: from the definitions, and, of requests, from
/// the API's description.
pub(super) fn begin(metrics: &[Metric], known: &KnownValues, api: &utoipa::openapi::OpenApi) {
    for metric in metrics {
        meter::begin(metric, known);
    }
    for (method, path, statuses) in operations(api) {
        drop(REQUEST_DURATION.of([&method, &path]));
        for status in statuses {
            REQUESTS.of([&method, &path, &status]).increment(0);
        }
    }
}
