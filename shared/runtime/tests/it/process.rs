//! What only a whole process shows: logs, signals, and traces that reach a collector. The process
//! is this test binary once more, running nothing but `service`.

use std::process::{ExitStatus, Stdio};

use axum::Router;
use axum::http::{HeaderMap, Uri};
use axum::routing::any;
use bytes::Bytes;
use farandole_runtime::http::{AllowedHosts, ApiSlot, HttpLimits, Site, serve};
use farandole_runtime::{DeclarationPage, Health, Telemetry, shutdown, telemetry};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::support::{Hold, PATIENCE, api};

#[tokio::test]
#[ignore = "a process for the other tests to start"]
async fn service() {
    let telemetry = match Telemetry::init("waiter", &[]) {
        Ok(telemetry) => telemetry,
        Err(error) => panic!("{error}"),
    };
    let shutdown = shutdown::signals().unwrap();
    let slot = ApiSlot::default();
    slot.install(api(Hold::default()));
    let limits = HttpLimits::default();
    let site = Site {
        api: slot,
        health: Health::new([]),
        declaration: DeclarationPage::default(),
        openapi: utoipa::openapi::OpenApi::default(),
        limits,
        hosts: AllowedHosts::default(),
    };
    let router = site.whole(telemetry.metrics());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tracing::info!(%address, traces = telemetry::tracing_enabled(), "listening");
    serve(listener, router, shutdown, limits).await;
    telemetry.shutdown().await;
}

struct Process {
    child: Child,
    logs: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "process::service", "--ignored", "--nocapture"])
            .env("LOG_FORMAT", "json")
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let logs = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, logs }
    }

    /// The next log line with that message.
    async fn log(&mut self, message: &str) -> Value {
        let find = async {
            while let Some(line) = self.logs.next_line().await.unwrap() {
                match serde_json::from_str::<Value>(&line) {
                    Ok(log) if log["message"] == message => return log,
                    _ => println!("{line}"),
                }
            }
            panic!("the process ended without saying {message:?}");
        };
        timeout(PATIENCE, find).await.unwrap()
    }

    async fn url(&mut self, path: &str) -> String {
        format!("http://{}{path}", self.log("listening").await["address"].as_str().unwrap())
    }

    async fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().await.unwrap().success());
    }

    async fn exit(mut self) -> ExitStatus {
        timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap()
    }

    /// How it ended, and all that it said.
    async fn output(self) -> (ExitStatus, String) {
        let mut child = self.child;
        child.stdout = Some(self.logs.into_inner().into_inner());
        let output = timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
        (output.status, String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    }
}

#[tokio::test]
async fn the_first_signal_stops_and_the_second_ends() {
    for (name, exit_code) in [("TERM", 143), ("INT", 130)] {
        let mut process = Process::start(&[]);
        let url = process.url("/held").await;
        let request = tokio::spawn(reqwest::get(url));
        process.log("held").await;
        process.signal(name).await;
        process.log("stopping; a second signal ends the process at once").await;
        process.signal(name).await;
        let status = process.exit().await.code();
        assert_eq!(status, Some(exit_code));
        assert!(request.await.unwrap().is_err());
    }
}

#[tokio::test]
async fn a_log_line_has_the_correlation_id_and_no_data() {
    let mut process = Process::start(&[]);
    let url = process.url("/panic?email=jo@example.org").await;
    let request = reqwest::Client::new().get(url).header("x-correlation-id", "checkout:42");
    assert_eq!(request.send().await.unwrap().status(), 500);
    let log = process.log("a request failed").await;
    assert_eq!(log["span"]["correlation_id"], "checkout:42");
    assert_eq!(log["span"]["route"], "/panic");
    assert!(!log.to_string().contains("example.org"), "{log}");
    process.signal("TERM").await;
    assert!(process.exit().await.success());
}

#[tokio::test]
async fn a_bad_setting_is_refused_with_its_name_and_what_would_be_right() {
    for (name, value, wanted) in [
        ("RUST_LOG", "order=loud", "info"),
        ("LOG_FORMAT", "xml", "json or human"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317", "http://host:4318"),
    ] {
        let (status, output) = Process::start(&[(name, value)]).output().await;
        assert!(output.contains(&format!("{name}={value}")), "{output}");
        assert!(output.contains(wanted), "{output}");
        assert!(!status.success());
    }
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// What a collector was sent: path, headers, body.
type Export = (Uri, HeaderMap, Bytes);

async fn collector() -> (String, mpsc::Receiver<Export>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (sender, exports) = mpsc::channel(16);
    let take = any(move |uri: Uri, headers: HeaderMap, body: Bytes| async move {
        sender.send((uri, headers, body)).await.unwrap();
    });
    let router = Router::new().fallback(take);
    tokio::spawn(serve(listener, router, CancellationToken::new(), HttpLimits::default()));
    (endpoint, exports)
}

#[tokio::test]
async fn a_trace_reaches_the_collector() {
    let (endpoint, mut exports) = collector().await;
    let mut process = Process::start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
    let url = process.url("/trace").await;
    let request = reqwest::Client::new()
        .get(url)
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let handed_on = request.send().await.unwrap().text().await.unwrap();
    assert!(handed_on.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{handed_on}");
    assert!(!handed_on.contains("00f067aa0ba902b7"), "{handed_on}");
    process.signal("TERM").await;
    assert!(process.exit().await.success());

    let (uri, headers, body) = timeout(PATIENCE, exports.recv()).await.unwrap().unwrap();
    assert_eq!(uri.path(), "/v1/traces");
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let trace_id = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes();
    for wanted in [&b"waiter"[..], b"GET /trace", &trace_id] {
        assert!(contains(&body, wanted), "{wanted:?}");
    }
}

#[tokio::test]
async fn the_standard_name_of_a_service_goes_first() {
    let (endpoint, mut exports) = collector().await;
    let variables =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_SERVICE_NAME", "night-shift")];
    let mut process = Process::start(&variables);
    reqwest::get(process.url("/trace").await).await.unwrap();
    process.signal("TERM").await;
    assert!(process.exit().await.success());
    let (_, _, body) = timeout(PATIENCE, exports.recv()).await.unwrap().unwrap();
    assert!(contains(&body, b"night-shift") && !contains(&body, b"waiter"));
}

#[tokio::test]
async fn the_standard_sampler_is_heard() {
    let (endpoint, mut exports) = collector().await;
    let variables =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_TRACES_SAMPLER", "always_off")];
    let mut process = Process::start(&variables);
    let handed_on = reqwest::get(process.url("/trace").await).await.unwrap().text().await.unwrap();
    assert!(handed_on.ends_with("-00"), "not sampled: {handed_on}");
    process.signal("TERM").await;
    assert!(process.exit().await.success());
    assert!(exports.try_recv().is_err());
}

#[tokio::test]
async fn a_collector_that_is_away_does_not_hold_up_the_end() {
    let mut process = Process::start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")]);
    let url = process.url("/trace").await;
    reqwest::get(url).await.unwrap();
    process.signal("TERM").await;
    assert!(process.exit().await.success());
}
