//! Logs, metrics and traces.

mod numbers;

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use contracts::Metric;
use meter::KnownValues;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use thiserror::Error;
use tokio_util::task::AbortOnDropHandle;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

pub use messaging::tracing_enabled;

pub use self::numbers::{Metrics, instruments};
pub(crate) use self::numbers::{REQUEST_DURATION, REQUESTS};

/// The last spans may take this long to leave; a shutdown as a whole has 10 s.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(3);

/// Logs, metrics and traces of this process. Keep it for as long as the service runs.
#[derive(Debug)]
pub struct Telemetry {
    metrics: Metrics,
    /// What the process tells by numbers.
    definitions: Vec<Metric>,
    tracer_provider: Option<SdkTracerProvider>,
    _upkeep: AbortOnDropHandle<()>,
}

/// Why telemetry could not be set up.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// An environment variable has a value that cannot be used.
    #[error("{name}={value} cannot be used: {wanted}")]
    Setting {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What would be right.
        wanted: String,
    },
    /// Something else in this process writes the logs already.
    #[error("logs are set up already: call Telemetry::init once, before anything else does")]
    Logs(#[from] TryInitError),
    /// Something else in this process collects the metrics already.
    #[error("metrics are set up already: call Telemetry::init once, before anything else does")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    /// The standard `OTEL_*` variables ask for what cannot be done.
    #[error("traces cannot be sent, check the OTEL_EXPORTER_OTLP_* variables: {0}")]
    Traces(#[from] opentelemetry_otlp::ExporterBuildError),
}

impl Telemetry {
    /// Sets up, once per process, for a service that tells by numbers what all do, and `own`:
    /// - logs on standard output, in lines of JSON, or for people when that is a terminal
    ///   (`LOG_FORMAT=json|human` overrides); `RUST_LOG` filters them, `info` by default;
    /// - metrics, to be read with [`Metrics::answer`];
    /// - traces, only if `OTEL_EXPORTER_OTLP_ENDPOINT` (or its `_TRACES_` variant) names a
    ///   collector: OTLP as protobuf over plain HTTP, with the standard `OTEL_*` variables.
    ///   `OTEL_SERVICE_NAME` goes before `service`.
    ///
    /// # Errors
    /// When a variable has a value that cannot be used, or when called twice.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn init(service: &'static str, own: &[Metric]) -> Result<Self, TelemetryError> {
        init_logs()?;
        let definitions: Vec<Metric> =
            instruments().into_iter().chain(own.iter().copied()).collect();
        let metrics = Metrics::install(&definitions)?;
        numbers::tell_build(service);
        let tracer_provider = collector_is_named()?.then(|| init_traces(service)).transpose()?;
        let upkeep = AbortOnDropHandle::new(tokio::spawn(metrics.clone().upkeep()));
        Ok(Self { metrics, definitions, tracer_provider, _upkeep: upkeep })
    }

    /// Sees to it that all series are there that can be foreseen, by what is known of the service's labels
    /// and from the description of its API.
    pub(crate) fn begin(&self, known: &KnownValues, api: &utoipa::openapi::OpenApi) {
        numbers::begin(&self.definitions, known, api);
    }

    /// The metrics of this process.
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Sends the last spans, for at most 3 s.
    pub async fn shutdown(self) {
        let Some(provider) = self.tracer_provider else { return };
        // It blocks until the collector has answered.
        let flushed =
            tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(SHUTDOWN_LIMIT));
        match tokio::time::timeout(SHUTDOWN_LIMIT, flushed).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "the last spans were lost"),
            Ok(Err(_)) | Err(_) => tracing::warn!("the last spans were lost"),
        }
    }
}

fn init_logs() -> Result<(), TelemetryError> {
    let filter = variable("RUST_LOG").unwrap_or_else(|| "info".to_owned());
    // Below info the Postgres client logs the parameters of statements, and personal data with
    // them; the last directive wins.
    let filter = EnvFilter::builder().parse(format!("{filter},sqlx=warn")).map_err(|error| {
        TelemetryError::Setting {
            name: "RUST_LOG",
            value: filter,
            wanted: format!("{error}; info, or info,farandole_messaging=debug, would be right"),
        }
    })?;
    let human = match variable("LOG_FORMAT").as_deref() {
        None => io::stdout().is_terminal(),
        Some("human") => true,
        Some("json") => false,
        Some(other) => {
            return Err(TelemetryError::Setting {
                name: "LOG_FORMAT",
                value: other.to_owned(),
                wanted: "json or human would be right".to_owned(),
            });
        }
    };
    let lines = tracing_subscriber::fmt::layer();
    let lines = if human {
        lines.with_ansi(io::stdout().is_terminal()).boxed()
    } else {
        lines.json().flatten_event(true).with_span_list(false).boxed()
    };
    tracing_subscriber::registry().with(filter).with(lines).try_init()?;
    Ok(())
}

/// Whether a collector is named, and one that can be reached.
fn collector_is_named() -> Result<bool, TelemetryError> {
    let endpoint = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
    let Some((name, value)) = first_of(endpoint) else { return Ok(false) };
    if variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Ok(false);
    }
    if !value.starts_with("http://") {
        let wanted =
            "http://host:4318 would be right (no TLS here: let a collector near by add it)";
        return Err(TelemetryError::Setting { name, value, wanted: wanted.to_owned() });
    }
    let protocol = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
    match first_of(protocol) {
        Some((name, value)) if value != "http/protobuf" => {
            let wanted = "http/protobuf is the only protocol spoken here".to_owned();
            Err(TelemetryError::Setting { name, value, wanted })
        }
        _ => Ok(true),
    }
}

fn init_traces(service: &'static str) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter =
        SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary).build()?;
    let resource = Resource::builder();
    let resource = match variable("OTEL_SERVICE_NAME") {
        Some(_) => resource,
        None => resource.with_service_name(service),
    };
    // The batch processor has a thread of its own; it drops spans rather than wait or grow.
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource.build())
        .build();
    opentelemetry::global::set_tracer_provider(provider.clone());
    messaging::enable_tracing();
    Ok(provider)
}

/// The first of these variables that is set.
fn first_of(names: [&'static str; 2]) -> Option<(&'static str, String)> {
    names.into_iter().find_map(|name| Some((name, variable(name)?)))
}

/// An environment variable; an empty one is as none.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
