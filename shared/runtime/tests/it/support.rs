//! A small service to ask.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Extension, Router};
use contracts::TraceParent;
use farandole_runtime::http::{AllowedHosts, ApiSlot, HttpLimits, Json, Path, Query, Site, serve};
use farandole_runtime::{DeclarationPage, Health, Telemetry};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi;

/// No test should come near it; it turns a hang into a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) lines: Vec<Line>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) sku: String,
    pub(crate) quantity: u32,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    #[expect(dead_code, reason = "only read into")]
    after: u32,
}

#[derive(OpenApi)]
#[openapi(info(title = "a small service"), components(schemas(farandole_runtime::Problem)))]
struct Document;

/// `held` says that a request to `/held` has come, `release` lets it go.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hold {
    pub(crate) held: Arc<Notify>,
    pub(crate) release: Arc<Notify>,
}

pub(crate) fn api(hold: Hold) -> Router {
    Router::new()
        .route(
            "/orders",
            post(|Json(order): Json<Order>| async { (StatusCode::CREATED, Json(order)) }),
        )
        .route("/orders/{id}", get(|Path(id): Path<u32>| async move { Json(id) }))
        .route("/pages", get(|Query(_): Query<Page>| async {}))
        .route(
            "/trace",
            get(|parent: Option<Extension<TraceParent>>| async move {
                parent.map(|parent| parent.0.to_string()).unwrap_or_default()
            }),
        )
        .route("/panic", get(panics))
        .route("/large", get(|| async { vec![b'x'; 64 * 1024 * 1024].into_response() }))
        .route(
            "/held",
            get(|| async move {
                tracing::info!("held");
                hold.held.notify_one();
                hold.release.notified().await;
                "released"
            }),
        )
}

async fn panics() -> &'static str {
    panic!("on purpose")
}

fn site(limits: HttpLimits, hosts: AllowedHosts) -> Site {
    let health = Health::new(["postgres", "kafka"]);
    Site {
        api: ApiSlot::default(),
        health,
        declaration: DeclarationPage::default(),
        openapi: Document::openapi(),
        limits,
        hosts,
    }
}

pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    /// Where its probes are.
    pub(crate) admin: SocketAddr,
    pub(crate) api: ApiSlot,
    pub(crate) health: Health,
    pub(crate) hold: Hold,
    pub(crate) shutdown: CancellationToken,
    pub(crate) serving: JoinHandle<()>,
}

impl Service {
    /// Not ready, and its API not installed.
    pub(crate) async fn start(limits: HttpLimits) -> Self {
        Self::start_as(limits, AllowedHosts::default()).await
    }

    /// The same, under these names.
    pub(crate) async fn start_as(limits: HttpLimits, hosts: AllowedHosts) -> Self {
        let site = site(limits, hosts);
        let router = site.clone().whole(telemetry().metrics());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let admin = listener.local_addr().unwrap();
        Self::serve(site, router, listener, admin, limits)
    }

    /// The same, with probes and metrics on a listener of their own.
    pub(crate) async fn start_with_probes_apart(limits: HttpLimits) -> Self {
        let site = site(limits, AllowedHosts::default());
        let [listener, admin] = [
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
        ];
        let at = admin.local_addr().unwrap();
        let router = site.probes(telemetry().metrics(), limits);
        tokio::spawn(serve(admin, router, CancellationToken::new(), limits));
        let router = site.clone().public();
        Self::serve(site, router, listener, at, limits)
    }

    fn serve(
        site: Site,
        router: Router,
        listener: TcpListener,
        admin: SocketAddr,
        limits: HttpLimits,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, router, shutdown.clone(), limits));
        let (api, health) = (site.api, site.health);
        Self { address, admin, api, health, hold: Hold::default(), shutdown, serving }
    }

    /// With its API.
    pub(crate) async fn open(limits: HttpLimits) -> Self {
        let service = Self::start(limits).await;
        service.api.install(api(service.hold.clone()));
        service
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        reqwest::get(self.url(path)).await.unwrap()
    }

    /// Sends bytes as they are.
    pub(crate) async fn connect(&self, bytes: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        stream
    }
}

/// All that the service sends until it closes the connection.
pub(crate) async fn read_to_close(mut stream: TcpStream) -> String {
    let mut text = String::new();
    let reading = stream.read_to_string(&mut text);
    tokio::time::timeout(PATIENCE, reading).await.expect("the connection stayed open").unwrap();
    text
}

/// Asserts that an answer is a problem of that type, and returns it.
pub(crate) async fn problem(
    response: reqwest::Response,
    status: u16,
    slug: &str,
) -> serde_json::Value {
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert!(response.headers().contains_key("x-correlation-id"));
    let document: serde_json::Value = response.json().await.unwrap();
    assert_eq!(document["type"], format!("urn:farandole:problem:{slug}"));
    assert_eq!(document["status"], status);
    document
}

/// One for all tests: a process has one.
pub(crate) fn telemetry() -> &'static Telemetry {
    static TELEMETRY: OnceLock<Telemetry> = OnceLock::new();
    TELEMETRY.get_or_init(|| Telemetry::init("a-small-service", &[]).unwrap())
}
