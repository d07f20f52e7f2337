//! The addresses, and what is answered there.

mod contents;
mod events;
mod experiments;
mod letters;
mod orders;
mod owed;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use askama::Template;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{Html, IntoResponse, Json, Response};
use axum::routing::get;
use axum::{Extension, Router};
use jiff::{SignedDuration, Timestamp};
use kafka::Registry;
use projection::Projector;
use projection::instruments::instruments;
use runtime::health::{Component, Snapshot};
use runtime::http::{HttpLimits, PeerAddress, serve};
use runtime::shutdown;
use runtime::telemetry::Metrics;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::contents::{event, letter, reveal_event, reveal_letter};
use self::events::{asyncapi, events, events_script, events_style, to_events};
use self::experiments::{break_it, experiments_json};
use self::letters::{act, do_act, letters_json, logged, operation, operations_json};
use self::orders::{compare, compare_json, find, order, orders_json, ways_json};
use self::owed::{
    acknowledge, audit_form, audit_json, calls_json, do_acknowledge, do_audit, gaps_json,
};
use crate::access::{Access, Refused};
use crate::acts::Acts;
use crate::demo::Demo;
use crate::live::{Renderings, live};
use crate::looks::{Looks, Places, start};
use crate::model::Model;
use crate::numbers::metrics;
use crate::pages::acts::{OperationPage, OperationsPage};
use crate::pages::books::BooksPage;
use crate::pages::calls::CallsPage;
use crate::pages::content::Payloads;
use crate::pages::dance::{self, DancePage};
use crate::pages::gaps::GapsPage;
use crate::pages::letters::LettersPage;
use crate::pages::now::NowPage;
use crate::pages::said::SaidPage;
use crate::pages::services::ServicePage;
use crate::pages::ways::WaysPage;
use crate::pages::{self, Frame};
use crate::proxies::Proxies;
use crate::settings::Settings;
use crate::words::spell;

const CSS: &str = include_str!("../assets/console.css");
const ICON: &str = include_str!("../assets/icon.svg");
const JS: &str = include_str!("../assets/console.js");
// htmx and its extension for server-sent events, as published, under the Zero-Clause BSD licence.
const HTMX: &str = include_str!("../assets/vendor/htmx-4.0.1.min.js");
const HX_SSE: &str = include_str!("../assets/vendor/hx-sse-4.0.1.min.js");
/// How long a page that asks databases and topics may take.
const PAGE_LIMIT: Duration = Duration::from_secs(20);
/// How many orders are looked at at once, each by some threads for some seconds.
const AT_ONCE: usize = 8;
/// How long one waits until less is looked at.
const TURN_LIMIT: Duration = Duration::from_secs(5);
/// Who has not read the topics for so long is not ready.
const BEHIND: SignedDuration = SignedDuration::from_mins(1);
/// How long what is being written may take once the console is to stop.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// What the pages are made of.
#[derive(Clone)]
pub(crate) struct Console {
    fleet: Arc<str>,
    /// Where it listens.
    address: SocketAddr,
    /// When it was started.
    pub(crate) began: Timestamp,
    pub(crate) metrics: Metrics,
    places: Arc<Places>,
    pub(crate) model: Arc<Model>,
    pub(crate) looks: Looks,
    pub(crate) renderings: Arc<Renderings>,
    /// Orders that are looked at, each by some threads for some seconds.
    turns: Arc<Semaphore>,
    access: Arc<Access>,
    /// How much is shown of what events say.
    payloads: Payloads,
    /// Whose schemas they are written with.
    registry: Registry,
    acts: Arc<Acts>,
    /// The demo whose fleet it is, if it lets it be broken.
    demo: Option<Arc<Demo>>,
    pub(crate) stop: CancellationToken,
}

/// Serves the pages until it is told to stop.
pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    settings.check().map_err(anyhow::Error::msg)?;
    let Settings {
        command: _,
        listen,
        fleet,
        every,
        audit_every,
        database_url,
        retention,
        rebuild,
        user_header,
        proxies,
        operators,
        payloads,
        privacy,
        hosts,
        demo,
        read_only,
        connections,
        databases,
        urls,
    } = settings;
    let metrics = Metrics::install(&instruments())?;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen} (--listen)"))?;
    let address = listener.local_addr()?;
    println!("http://{address}/ shows the fleet");
    let stop = shutdown::signals()?;
    let projector = database_url.clone().map(|database_url| {
        Ok::<_, anyhow::Error>(Projector::new(projection::Settings {
            brokers: connections.kafka_brokers.clone(),
            registry: connections.registry_at()?,
            topics: connections.topic_prefix.clone(),
            database_url,
            retention,
        }))
    });
    let projector = projector.transpose()?;
    if let Some(projector) = projector.as_ref().filter(|_| rebuild) {
        projector.rebuild().await.context("cannot make the read model anew")?;
    }
    let registry = connections.registry_at()?;
    let trouble = projector.as_ref().map(Projector::trouble);
    let model =
        Arc::new(Model::new(database_url, trouble.unwrap_or_else(|| watch::channel(None).1)));
    let places = Arc::new(Places { urls, connections, databases });
    let (looks, looking) = start(places.clone(), model.clone(), every, audit_every);
    let console = Console {
        fleet: fleet.into(),
        address,
        began: Timestamp::now(),
        metrics,
        places,
        model,
        looks,
        renderings: Arc::default(),
        turns: Arc::new(Semaphore::new(AT_ONCE)),
        access: Arc::new(Access {
            user_header,
            proxies: Arc::new(Proxies::new(proxies)),
            operators,
            privacy,
            hosts,
            read_only,
        }),
        payloads,
        registry,
        acts: Arc::default(),
        demo: demo.as_deref().map(Demo::at).transpose()?.map(Arc::new),
        stop: stop.clone(),
    };
    let projecting = projector.map(|projector| tokio::spawn(projector.run(stop.clone())));
    tokio::select! {
        () = serve(listener, router(console), stop, HttpLimits::default()) => {}
        () = looking => {}
    }
    if let Some(projecting) = projecting {
        let _ = timeout(STOP_LIMIT, projecting).await;
    }
    Ok(())
}

fn router(console: Console) -> Router {
    Router::new()
        .route("/", get(known))
        .route("/now.json", get(now_json))
        .route("/orders", get(known))
        .route("/orders.json", get(orders_json))
        .route("/orders/{id}", get(order))
        .route("/orders/{id}/events/{service}/{partition}/{offset}", get(event).post(reveal_event))
        .route("/ways", get(known))
        .route("/ways.json", get(ways_json))
        .route("/compare", get(compare))
        .route("/compare.json", get(compare_json))
        .route("/dead-letters", get(known))
        .route("/dead-letters.json", get(letters_json))
        .route("/dead-letters/{service}/{partition}/{offset}", get(letter).post(reveal_letter))
        .route("/act", get(act).post(do_act))
        .route("/gaps", get(known))
        .route("/gaps.json", get(gaps_json))
        .route("/gaps/acknowledge", get(acknowledge).post(do_acknowledge))
        .route("/calls", get(known))
        .route("/calls.json", get(calls_json))
        .route("/audit", get(known))
        .route("/audit.json", get(audit_json))
        .route("/audit/now", get(audit_form).post(do_audit))
        .route("/operations", get(known))
        .route("/operations.json", get(operations_json))
        .route("/operations/{id}", get(operation))
        .route("/break", get(known).post(break_it))
        .route("/break.json", get(experiments_json))
        .route("/dance", get(known))
        .route("/dance.json", get(dance_json))
        .route("/dance.svg", get(picture))
        .route("/events", get(to_events))
        .route(pages::events::PATH, get(events))
        .route("/events/asyncapi/{file}", get(asyncapi))
        .route("/services", get(known))
        .route("/services.json", get(now_json))
        .route("/services/{name}", get(known))
        .route("/live", get(live))
        .route("/go", get(find))
        .route("/assets/console.css", get(async || asset("text/css", CSS)))
        .route("/assets/console.js", get(async || asset("text/javascript", JS)))
        .route("/assets/htmx.js", get(async || asset("text/javascript", HTMX)))
        .route("/assets/hx-sse.js", get(async || asset("text/javascript", HX_SSE)))
        .route("/assets/events.css", get(events_style))
        .route("/assets/events.js", get(events_script))
        .route("/assets/icon.svg", get(async || asset("image/svg+xml", ICON)))
        .route("/health/live", get(|| async { "live" }))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .fallback(no_such_page)
        .layer(from_fn_with_state(console.clone(), admitted))
        .with_state(console)
        .layer(map_response(guarded))
}

/// What each answer says to the browser: to load nothing from elsewhere, to run nothing, and to show this
/// in nobody's frame.
const GUARDS: [(HeaderName, &str); 4] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
];

/// Answers only whom it may.
async fn admitted(
    State(console): State<Console>,
    Extension(PeerAddress(peer)): Extension<PeerAddress>,
    request: Request,
    next: Next,
) -> Response {
    match console.access.admit(peer, request.headers()).await {
        Ok(()) => next.run(request).await,
        // How it is is asked by address, and by no person.
        Err(_) if is_for_programs(request.uri().path()) => next.run(request).await,
        Err(Refused { status, why }) => (status, why).into_response(),
    }
}

/// What tells nothing of the fleet, only how the console is.
fn is_for_programs(path: &str) -> bool {
    path.starts_with("/health/") || path == "/metrics"
}

async fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in GUARDS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    // Its address changes with the version.
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "max-age=3600")], text).into_response()
}

fn page(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

impl Console {
    fn frame(&self, page: &'static str, command: &str) -> Frame {
        Frame::new(&self.fleet, &self.looks, page, command).of_demo(self.demo.is_some())
    }

    /// A page that says that something was not done, and why.
    fn not_done(&self, status: StatusCode, why: &str) -> Response {
        self.says(status, "Not done", format!("This is not done: {why}."), Vec::new())
    }

    /// The command that asks the console for the same as JSON, where no other tells it.
    fn curl(&self, path: &str) -> String {
        format!("curl -s 'http://{}{path}'", self.address)
    }

    /// A page by what was looked at in the background, by its address; `None` if there is none.
    pub(crate) async fn known(&self, address: &str) -> Option<askama::Result<String>> {
        let path = address.split_once('?').map_or(address, |(path, _)| path);
        match path {
            "/orders" => return Some(self.orders_page(address).await),
            "/break" => return self.experiments_page().await,
            _ => {}
        }
        let frame = |page, command| self.frame(page, command).kept_up(path);
        let stuck = self.looks.hanging.borrow().clone();
        let fleet = self.looks.fleet.borrow().clone();
        Some(match path {
            "/" | "/services" => {
                let frame = frame(if path == "/" { "/" } else { "/services" }, "farandole status");
                let board = self.board().ok();
                let (fleet, stuck) = (fleet.seen.as_deref(), stuck.seen.as_deref());
                NowPage::new(frame, fleet, stuck, board.as_deref()).render()
            }
            "/ways" => {
                WaysPage::new(frame("/ways", "farandole orders ways"), self.board().as_deref())
                    .render()
            }
            "/dance" => {
                let frame = frame("/dance", "farandole graph --running --observed");
                let dance = self.looks.dance.borrow().clone();
                let seen = dance.seen.as_ref().map(|found| (found.as_slice(), dance.at));
                DancePage::new(frame, seen).render()
            }
            "/dead-letters" => {
                let frame = frame("/dead-letters", "farandole dlq list");
                let archive = self.looks.letters.borrow().clone();
                LettersPage::new(frame, archive.seen.as_deref()).render()
            }
            "/gaps" => {
                GapsPage::new(frame("/gaps", "farandole gaps"), fleet.seen.as_deref()).render()
            }
            "/calls" => {
                let frame = frame("/calls", "farandole calls list; farandole retries list");
                let calls = self.looks.calls.borrow().clone();
                CallsPage::new(frame, fleet.seen.as_deref(), calls.seen.as_deref()).render()
            }
            "/audit" => {
                let frame = frame("/audit", "farandole audit");
                let audit = self.looks.audit.borrow().clone();
                BooksPage::new(frame, &audit, self.looks.audits.is_under_way()).render()
            }
            "/operations" => {
                let frame = frame("/dead-letters", "farandole dlq log");
                let archive = self.looks.letters.borrow().clone();
                let page = OperationsPage::new(
                    frame.with_json("/operations.json"),
                    archive.seen.as_deref(),
                );
                page.render()
            }
            _ if path.starts_with("/operations/") => {
                let id: Uuid = path.strip_prefix("/operations/")?.parse().ok()?;
                let frame = frame("/dead-letters", "farandole dlq log");
                let frame = frame.with_json(format!("{path}.json"));
                let archive = self.looks.letters.borrow().clone();
                let doing = self.acts.find(id);
                let logged = archive.seen.as_deref().and_then(|archive| logged(archive, id));
                OperationPage::new(frame, doing.as_ref(), logged)?.render()
            }
            _ => {
                let name = path.strip_prefix("/services/")?;
                let frame = frame("/services", "farandole status");
                ServicePage::new(frame, fleet.seen.as_deref()?, name)?.render()
            }
        })
    }

    /// A page that says that there is nothing, or that it could not be looked.
    fn says(
        &self,
        status: StatusCode,
        title: &str,
        sentence: String,
        reasons: Vec<String>,
    ) -> Response {
        let frame = self.frame("", "farandole status").with_json("");
        let (title, links) = (title.to_owned(), Vec::new());
        page(status, &SaidPage { frame, title, sentence, reasons, links })
    }
}

/// Whether the pages can say something, and what they cannot tell.
async fn ready(State(console): State<Console>) -> Response {
    let fleet = console.looks.fleet.borrow().clone();
    let asked = fleet.seen.is_none().then(|| "they are being asked how they are".to_owned());
    let mut doubts = BTreeMap::from([("services", fleet.trouble.or(asked))]);
    if console.model.is_wanted() {
        let doubt = match console.board() {
            Ok(board) => board.doubt_after(BEHIND, Timestamp::now()).map(|it| it.sentence(spell)),
            Err(why) => Some(why.sentence()),
        };
        doubts.insert("read_model", doubt);
    }
    let component = |doubt: Option<String>| doubt.map_or(Component::Ready, Component::NotReady);
    let ready = doubts.values().all(Option::is_none);
    let components = doubts.into_iter().map(|(name, doubt)| (name, component(doubt))).collect();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Snapshot { ready, components, details: BTreeMap::new() })).into_response()
}

/// A page by what was looked at in the background: it is there at once, and is kept up to date.
async fn known(State(console): State<Console>, uri: Uri) -> Response {
    let address = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    match console.known(address).await {
        Some(Ok(html)) => (StatusCode::OK, Html(html)).into_response(),
        Some(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        None => {
            let sentence = "There is no such page, or nothing is known of it yet.".to_owned();
            console.says(StatusCode::NOT_FOUND, "Not found", sentence, Vec::new())
        }
    }
}

async fn now_json(State(console): State<Console>) -> Json<Value> {
    let fleet = console.looks.fleet.borrow().clone();
    Json(match &fleet.seen {
        Some(seen) => json!({
            "as_of": fleet.at,
            "trouble": fleet.trouble,
            "well": seen.verdict.is_well(),
            "summary": seen.verdict.summary(),
            "findings": seen.verdict.findings,
            "notes": seen.verdict.notes,
            "unknown": seen.verdict.unknown,
            "facts": seen.facts,
        }),
        None => json!({"as_of": null, "trouble": fleet.trouble}),
    })
}

async fn dance_json(State(console): State<Console>) -> Json<Value> {
    let dance = console.looks.dance.borrow().clone();
    Json(json!({"as_of": dance.at, "trouble": dance.trouble, "differences": dance.seen.as_deref()}))
}

/// A picture has its style in itself, and is shown as one.
async fn picture() -> Response {
    let own = "default-src 'none'; style-src 'unsafe-inline'";
    ([(CONTENT_TYPE, "image/svg+xml"), (CONTENT_SECURITY_POLICY, own)], dance::picture())
        .into_response()
}

async fn no_such_page(State(console): State<Console>) -> Response {
    let sentence = "There is no such page.".to_owned();
    console.says(StatusCode::NOT_FOUND, "Not found", sentence, Vec::new())
}
