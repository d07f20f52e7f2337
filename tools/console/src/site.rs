//! The addresses, and what is answered there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use askama::Template;
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query as QueryOf, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{Html, IntoResponse, Json, Redirect, Response};
use axum::routing::get;
use cli::OrderId;
use cli::recovery::{Archive, Operation, letter_id};
use cli::story::{EventPlace, hanging, story};
use cli::stuck;
use jiff::SignedDuration;
use projection::{Filter, Order, Projector, Step, Store, stage};
use runtime::http::{HttpLimits, serve};
use runtime::shutdown;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::access::{Access, Refused};
use crate::acts::{Acts, Wanted as ToDo, begin, objection, plan};
use crate::live::{Renderings, live};
use crate::looks::{Looks, Places, start};
use crate::model::{Board, Missing, Model};
use crate::pages::acts::{ActPage, OperationPage, OperationsPage, operation_as_json};
use crate::pages::compare::{self, ComparePage};
use crate::pages::dance::{self, DancePage};
use crate::pages::letters::{LetterPage, LettersPage};
use crate::pages::now::NowPage;
use crate::pages::order::{Known, OrderPage};
use crate::pages::orders::{LISTED, List, NEWER_MAX, OrdersPage, as_json};
use crate::pages::query::Query as PageQuery;
use crate::pages::said::SaidPage;
use crate::pages::services::ServicePage;
use crate::pages::ways::{self, WaysPage};
use crate::pages::{Frame, short};
use crate::settings::Settings;

const CSS: &str = include_str!("../assets/console.css");
const ICON: &str = include_str!("../assets/icon.svg");
const JS: &str = include_str!("../assets/console.js");
// htmx and its extension for server-sent events, as published, under the Zero-Clause BSD licence.
const HTMX: &str = include_str!("../assets/vendor/htmx-4.0.1.min.js");
const HX_SSE: &str = include_str!("../assets/vendor/hx-sse-4.0.1.min.js");
/// How long a page that asks databases and topics may take.
const PAGE_LIMIT: Duration = Duration::from_secs(20);
/// How many orders are told of that end with the same.
const FOUND_MAX: u16 = 20;
/// How many of these there are at once, and how long one waits for its turn.
const AT_ONCE: usize = 8;
const TURN_LIMIT: Duration = Duration::from_secs(5);
/// Who has not read the topics for so long is not ready.
const BEHIND: SignedDuration = SignedDuration::from_mins(1);
/// How long what is being written may take once the console is to stop.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// What the pages are made of.
#[derive(Clone)]
pub(crate) struct Console {
    fleet: Arc<str>,
    places: Arc<Places>,
    model: Arc<Model>,
    pub(crate) looks: Looks,
    pub(crate) renderings: Arc<Renderings>,
    /// Orders that are looked at, each by some threads for some seconds.
    turns: Arc<Semaphore>,
    access: Arc<Access>,
    acts: Arc<Acts>,
    pub(crate) stop: CancellationToken,
}

/// Serves the pages until it is told to stop.
pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let Settings {
        listen,
        fleet,
        every,
        database_url,
        retention,
        rebuild,
        user_header,
        operators,
        hosts,
        read_only,
        connections,
        databases,
        urls,
    } = settings;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen} (--listen)"))?;
    println!("http://{}/ shows the fleet", listener.local_addr()?);
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
    let trouble = projector.as_ref().map(Projector::trouble);
    let model =
        Arc::new(Model::new(database_url, trouble.unwrap_or_else(|| watch::channel(None).1)));
    let places = Arc::new(Places { urls, connections, databases });
    let (looks, looking) = start(places.clone(), model.clone(), every);
    let console = Console {
        fleet: fleet.into(),
        places,
        model,
        looks,
        renderings: Arc::default(),
        turns: Arc::new(Semaphore::new(AT_ONCE)),
        access: Arc::new(Access { user_header, operators, hosts, read_only }),
        acts: Arc::default(),
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
        .route("/ways", get(known))
        .route("/ways.json", get(ways_json))
        .route("/compare", get(compare))
        .route("/compare.json", get(compare_json))
        .route("/dead-letters", get(known))
        .route("/dead-letters.json", get(letters_json))
        .route("/dead-letters/{service}/{partition}/{offset}", get(letter))
        .route("/act", get(act).post(do_act))
        .route("/operations", get(known))
        .route("/operations.json", get(operations_json))
        .route("/operations/{id}", get(operation))
        .route("/dance", get(known))
        .route("/dance.json", get(dance_json))
        .route("/dance.svg", get(picture))
        .route("/services", get(known))
        .route("/services.json", get(now_json))
        .route("/services/{name}", get(known))
        .route("/live", get(live))
        .route("/go", get(find))
        .route("/assets/console.css", get(async || asset("text/css", CSS)))
        .route("/assets/console.js", get(async || asset("text/javascript", JS)))
        .route("/assets/htmx.js", get(async || asset("text/javascript", HTMX)))
        .route("/assets/hx-sse.js", get(async || asset("text/javascript", HX_SSE)))
        .route("/assets/icon.svg", get(async || asset("image/svg+xml", ICON)))
        .route("/health/live", get(|| async { "live" }))
        .route("/health/ready", get(ready))
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
async fn admitted(State(console): State<Console>, request: Request, next: Next) -> Response {
    match console.access.admit(request.headers()) {
        Ok(()) => next.run(request).await,
        // Whether it lives and is ready is asked by address, and by no person.
        Err(_) if request.uri().path().starts_with("/health/") => next.run(request).await,
        Err(Refused { status, why }) => (status, why).into_response(),
    }
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
        Frame::new(&self.fleet, &self.looks, page, command)
    }

    /// What was counted last.
    fn board(&self) -> Result<Arc<Board>, Missing> {
        let board = self.looks.board.borrow().clone();
        board.seen.ok_or_else(|| {
            if self.model.is_wanted() {
                let why = board.trouble.unwrap_or_else(|| "they are being looked at".to_owned());
                Missing::Trouble(why)
            } else {
                Missing::NotWanted
            }
        })
    }

    /// The orders that an address asks for.
    async fn list(&self, query: &PageQuery, board: Option<&Board>) -> anyhow::Result<List> {
        let Ok(store) = self.model.store().await else { return Ok(List::default()) };
        let ways = store.ways().await?;
        let filter = query.filter(&ways, board);
        let mut rows = store.list(&filter, query.after, LISTED + 1).await?;
        let goes_on = rows.len() > usize::from(LISTED);
        rows.truncate(usize::from(LISTED));
        let mut newer = 0;
        if let Some(upto) = query.upto.filter(|_| query.after.is_none()) {
            let filter = Filter { upto: None, newer: Some(upto), ..filter };
            newer = store.list(&filter, None, NEWER_MAX).await?.len();
        }
        Ok(List { rows, newer, goes_on })
    }

    /// The board, and the orders that an address asks for. While it is on a screen what came since does not
    /// push them away.
    async fn orders_page(&self, address: &str) -> askama::Result<String> {
        let query = PageQuery::of(address);
        let board = self.board();
        let known = board.as_deref();
        let list = self.list(&query, known.ok()).await;
        let trouble = list.as_ref().err().map(|error| Missing::Trouble(format!("{error:#}")));
        let list = list.unwrap_or_default();
        let upto = query.upto.or(list.rows.first().map(|row| row.id)).unwrap_or(Uuid::nil());
        let kept_up = PageQuery { upto: Some(upto), ..query.clone() };
        let json = query.address().replacen("/orders", "/orders.json", 1);
        let frame = self.frame("/orders", "farandole orders stuck").with_json(json);
        let frame = frame.kept_up(&kept_up.address());
        let stuck = self.looks.hanging.borrow().clone();
        let shown = match &trouble {
            Some(trouble) => Err(trouble),
            None => known,
        };
        OrdersPage::new(frame, stuck.seen.as_deref(), shown, &list, &kept_up).render()
    }

    /// A page by what was looked at in the background, by its address; `None` if there is none.
    pub(crate) async fn known(&self, address: &str) -> Option<askama::Result<String>> {
        let path = address.split_once('?').map_or(address, |(path, _)| path);
        if path == "/orders" {
            return Some(self.orders_page(address).await);
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
                let command = "curl -s http://127.0.0.1:8080/ways.json";
                WaysPage::new(frame("/ways", command), self.board().as_deref()).render()
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
    let mut missing: Vec<String> = fleet.trouble.into_iter().collect();
    if fleet.seen.is_none() && missing.is_empty() {
        missing.push("the services are being asked how they are".to_owned());
    }
    if console.model.is_wanted() {
        match console.board() {
            Ok(board) => missing.extend(board.doubt_after(BEHIND)),
            Err(why) => missing.push(why.sentence()),
        }
    }
    let status = match missing.as_slice() {
        [] => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(json!({"ready": missing.is_empty(), "missing": missing}))).into_response()
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

async fn orders_json(State(console): State<Console>, uri: Uri) -> Json<Value> {
    let stuck = console.looks.hanging.borrow().clone();
    let query = PageQuery::of(uri.path_and_query().map_or("", PathAndQuery::as_str));
    let board = console.board();
    let list = console.list(&query, board.as_deref().ok()).await;
    let orders = list.as_ref().map(|list| list.rows.iter().map(as_json).collect::<Vec<_>>());
    let counted = board.as_ref().map(|board| {
        json!({
            "as_of": board.reading.as_of,
            "doubt": board.doubt(),
            "under_way": board.under_way(),
            "late": board.late_orders(),
            "waiting": board.waiting(),
            "ended_within_a_day": board.ends(),
        })
    });
    Json(json!({
        "as_of": stuck.at,
        "trouble": stuck.trouble,
        "hanging": stuck.seen.as_deref(),
        "counted": counted.as_ref().ok(),
        "missing": board.as_ref().err().map(Missing::sentence),
        "orders": orders.as_ref().ok(),
        "not_listed": list.as_ref().err().map(|error| format!("{error:#}")),
    }))
}

async fn ways_json(State(console): State<Console>) -> Json<Value> {
    Json(match console.board() {
        Ok(board) => ways::as_json(&board),
        Err(missing) => json!({"as_of": null, "missing": missing.sentence()}),
    })
}

#[derive(Deserialize)]
struct Compared {
    a: Uuid,
    /// Without, the newest of those that went the most usual way to the same end.
    b: Option<Uuid>,
}

impl Console {
    /// Two orders; or in one sentence why not.
    async fn compared(&self, Compared { a, b }: Compared) -> Result<[Order; 2], String> {
        let store = self.model.store().await.map_err(|missing| missing.sentence())?;
        let find = async |id| {
            let found = store.order(id).await.map_err(|error| error.to_string())?;
            found.ok_or_else(|| format!("No event of order {id} was seen in the topics."))
        };
        let first = find(a).await?;
        let second = match b {
            Some(second) => Some(second),
            None => self.usual(&store).await?,
        };
        let second = second.ok_or("No order has come to its end within a day.")?;
        Ok([first, find(second).await?])
    }

    /// The newest order of those that went the most usual way to a good end, or else to any.
    async fn usual(&self, store: &Store) -> Result<Option<Uuid>, String> {
        let board = self.board().map_err(|missing| missing.sentence())?;
        let good = board.at_rest().find(|count| stage(count.way.said).end() != "cancelled");
        let Some(usual) = good.or_else(|| board.at_rest().next()) else { return Ok(None) };
        store.newest(usual.way.number).await.map_err(|error| error.to_string())
    }
}

async fn compare(
    State(console): State<Console>,
    query: Result<QueryOf<Compared>, QueryRejection>,
) -> Response {
    let compared = match query {
        Ok(QueryOf(query)) => console.compared(query).await,
        Err(_) => Err("Two orders are compared by their ids: /compare?a=ID&b=ID.".to_owned()),
    };
    match compared {
        Ok([a, b]) => {
            let address = format!("/compare.json?a={}&b={}", a.id, b.id);
            let command = format!("curl -s 'http://127.0.0.1:8080{address}'");
            let frame = console.frame("/orders", &command).with_json(address);
            page(StatusCode::OK, &ComparePage::new(frame, [&a, &b]))
        }
        Err(why) => console.says(StatusCode::NOT_FOUND, "Two orders", why, Vec::new()),
    }
}

async fn compare_json(
    State(console): State<Console>,
    QueryOf(query): QueryOf<Compared>,
) -> Response {
    match console.compared(query).await {
        Ok([a, b]) => Json(compare::as_json([&a, &b])).into_response(),
        Err(why) => (StatusCode::NOT_FOUND, Json(json!({"missing": why}))).into_response(),
    }
}

async fn order(State(console): State<Console>, Path(id): Path<String>) -> Response {
    let (id, as_json) = id.strip_suffix(".json").map_or((id.as_str(), false), |id| (id, true));
    let Ok(order) = id.parse::<OrderId>() else {
        let sentence = format!("{id} is no order’s id.");
        let reason = "An order’s id is a UUID, such as 019b76da-a800-7000-8000-000000000001.";
        return console.says(
            StatusCode::NOT_FOUND,
            "No such order",
            sentence,
            vec![reason.to_owned()],
        );
    };
    let Ok(Ok(_turn)) = timeout(TURN_LIMIT, console.turns.acquire()).await else {
        let sentence = "Too many orders are being looked at: try again in a moment.".to_owned();
        return console.says(StatusCode::SERVICE_UNAVAILABLE, "Not seen", sentence, Vec::new());
    };
    let known = console.known_order(order).await;
    let events =
        known.as_ref().map(|known| known.order.steps.iter().map(place).collect::<Vec<_>>());
    let places = console.places.clone();
    // The look goes on on a thread of its own: what it is made of is not to be moved between threads.
    let looking = spawn_blocking(move || {
        let Places { connections, databases, .. } = &*places;
        let asking = async {
            tokio::join!(
                story(order, events, connections, databases),
                hanging(stuck::Filter::Order(order), 1, connections, databases),
            )
        };
        Handle::current().block_on(timeout(PAGE_LIMIT, asking))
    });
    let (story, stuck) = match looking.await {
        Ok(Ok((Ok(story), stuck))) => (story, stuck.ok().flatten()),
        Ok(Ok((Err(error), _))) => {
            let sentence = "The order could not be looked at.".to_owned();
            let why = vec![format!("{error:#}")];
            return console.says(StatusCode::SERVICE_UNAVAILABLE, "Not seen", sentence, why);
        }
        Ok(Err(_)) | Err(_) => {
            let sentence = format!("Nobody has answered within {} s.", PAGE_LIMIT.as_secs());
            return console.says(StatusCode::SERVICE_UNAVAILABLE, "Not seen", sentence, Vec::new());
        }
    };
    if as_json {
        return Json(story.as_json()).into_response();
    }
    let command = format!("farandole orders show {order}");
    let frame = console.frame("/orders", &command).with_json(format!("/orders/{order}.json"));
    let status = if story.is_known() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    page(status, &OrderPage::new(frame, &story, stuck.as_ref(), known.as_ref()))
}

/// Where an event is.
fn place(step: &Step) -> EventPlace {
    let service = step.fact.source().name();
    EventPlace { service, partition: step.partition, offset: step.offset }
}

impl Console {
    /// What the read model tells of an order, if all that is in the topics was read.
    async fn known_order(&self, order: OrderId) -> Option<Known> {
        let board = self.board().ok().filter(|board| board.doubt().is_none())?;
        let order = self.model.store().await.ok()?.order(order.0).await.ok()??;
        Some(Known { order, board })
    }
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

async fn letters_json(State(console): State<Console>) -> Json<Value> {
    let archive = console.looks.letters.borrow().clone();
    let letters = archive.seen.as_deref().map(|archive| {
        let letters = archive.letters().map(|(letter, state)| {
            json!({
                "letter": letter.id,
                "state": state.name(),
                "died_at": letter.died_at,
                "event": letter.event_type(),
                "order": letter.order(),
                "cause": letter.cause(),
                "attempts": letter.attempts(),
            })
        });
        letters.collect::<Vec<Value>>()
    });
    Json(json!({"as_of": archive.at, "trouble": archive.trouble, "letters": letters}))
}

async fn letter(
    State(console): State<Console>,
    Path((service, partition, offset)): Path<(String, String, String)>,
) -> Response {
    let id = format!("{service}/{partition}/{offset}");
    let archive = console.looks.letters.borrow().clone();
    let found = letter_id(&id).ok().zip(archive.seen.as_deref());
    let Some((letter, state)) = found.and_then(|(id, archive)| archive.find(&id)) else {
        let sentence = format!("There is no dead letter {id}.");
        let reasons = match archive.seen {
            Some(_) => {
                vec!["A letter’s id is SERVICE/PARTITION/OFFSET, such as payment/0/17.".to_owned()]
            }
            None => vec!["The dead letters are being read; try again in a moment.".to_owned()],
        };
        return console.says(StatusCode::NOT_FOUND, "No such letter", sentence, reasons);
    };
    let frame = console.frame("/dead-letters", &format!("farandole dlq show {id}")).with_json("");
    page(StatusCode::OK, &LetterPage::new(frame, letter, &state))
}

impl Console {
    /// The orders of today and yesterday whose ids end with this.
    async fn ending(&self, wanted: &str) -> Vec<String> {
        let end = wanted.trim_start_matches('…').to_lowercase();
        if end.len() != 6 || !end.bytes().all(|c| c.is_ascii_hexdigit()) {
            return Vec::new();
        }
        let Ok(store) = self.model.store().await else { return Vec::new() };
        let found = store.ending(&end, FOUND_MAX).await.unwrap_or_default();
        found.into_iter().map(|id| id.to_string()).collect()
    }
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    q: String,
}

/// Finds by what people have at hand: an id, or the end of one.
async fn find(State(console): State<Console>, QueryOf(Wanted { q }): QueryOf<Wanted>) -> Response {
    let wanted = q.trim();
    if let Ok(order) = wanted.parse::<OrderId>() {
        return Redirect::to(&format!("/orders/{order}")).into_response();
    }
    if let Ok(id) = letter_id(wanted) {
        return Redirect::to(&format!("/dead-letters/{id}")).into_response();
    }
    if declarations::fleet().service(wanted).is_some() {
        return Redirect::to(&format!("/services/{wanted}")).into_response();
    }
    let found = console.ending(wanted).await;
    if let [one] = found.as_slice() {
        return Redirect::to(&format!("/orders/{one}")).into_response();
    }
    let stuck = console.looks.hanging.borrow().clone();
    let end = wanted.trim_start_matches('…').to_lowercase();
    let hanging =
        stuck.seen.iter().flat_map(|stuck| &stuck.orders).map(|it| it.order_id.to_string());
    let hanging = hanging.filter(|id| end.len() >= short(id).len() && id.ends_with(&end));
    let found: BTreeSet<String> = hanging.chain(found).collect();
    let found: Vec<String> = found.into_iter().collect();
    if let [one] = found.as_slice() {
        return Redirect::to(&format!("/orders/{one}")).into_response();
    }
    let links: Vec<(String, String)> =
        found.into_iter().map(|id| (format!("/orders/{id}"), id)).collect();
    let sentence = if links.is_empty() {
        format!("Nothing is found for “{wanted}”.")
    } else {
        format!("Several orders end with “{wanted}”.")
    };
    let reasons = if links.is_empty() {
        vec![
            "An order is found by its whole id; one of today or yesterday, by the last six characters."
                .to_owned(),
            "A dead letter is found by SERVICE/PARTITION/OFFSET, such as payment/0/17.".to_owned(),
        ]
    } else {
        Vec::new()
    };
    let frame = console.frame("", "farandole orders show ORDER").with_json("");
    let title = "Find".to_owned();
    page(StatusCode::NOT_FOUND, &SaidPage { frame, title, sentence, reasons, links })
}

async fn no_such_page(State(console): State<Console>) -> Response {
    let sentence = "There is no such page.".to_owned();
    console.says(StatusCode::NOT_FOUND, "Not found", sentence, Vec::new())
}

/// An operation in the log.
fn logged(archive: &Archive, id: Uuid) -> Option<&Operation> {
    archive.log.operations().iter().find(|operation| operation.began.operation == id)
}

/// A form for what is to be done about some letters, with what that would come to.
async fn act(
    State(console): State<Console>,
    headers: HeaderMap,
    query: Result<QueryOf<ToDo>, QueryRejection>,
) -> Response {
    let wanted = query.map(|QueryOf(wanted)| wanted).unwrap_or_default();
    console.form(&headers, wanted, None).await
}

impl Console {
    async fn form(&self, headers: &HeaderMap, wanted: ToDo, objection: Option<String>) -> Response {
        if wanted.kind().is_none() || wanted.selection().is_none() {
            let sentence = "It is not said what is to be done, and to which letters.".to_owned();
            let reason = "Begin at the dead letters: each group and each letter leads here.";
            let (status, reasons) = (StatusCode::BAD_REQUEST, vec![reason.to_owned()]);
            return self.says(status, "Dead letters", sentence, reasons);
        }
        let planned = timeout(PAGE_LIMIT, plan(self.places.clone(), wanted.clone())).await;
        let plan = match planned {
            Ok(Ok(plan)) => plan,
            Ok(Err(error)) => return self.unseen(format!("{error:#}")),
            Err(_) => return self.unseen(format!("no answer within {} s", PAGE_LIMIT.as_secs())),
        };
        let frame = self.frame("/dead-letters", &wanted.command()).with_json("");
        let status =
            if objection.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        let forbidden = self.access.operator(headers).err();
        page(status, &ActPage::new(frame, wanted, plan, objection, forbidden))
    }

    fn unseen(&self, why: String) -> Response {
        let sentence = "The dead letters could not be looked at.".to_owned();
        self.says(StatusCode::SERVICE_UNAVAILABLE, "Not seen", sentence, vec![why])
    }
}

/// Does it, if all holds, and leads to where it is seen how far it is.
async fn do_act(State(console): State<Console>, headers: HeaderMap, body: Bytes) -> Response {
    let forbidden = |why: &str| {
        let sentence = format!("This is not done: {why}.");
        console.says(StatusCode::FORBIDDEN, "Not done", sentence, Vec::new())
    };
    if !Access::is_own_form(&headers) {
        return forbidden("the form did not come from a page of this console");
    }
    let by = match console.access.operator(&headers) {
        Ok(by) => by,
        Err(why) => return forbidden(why),
    };
    let wanted: ToDo = serde_urlencoded::from_bytes(&body).unwrap_or_default();
    // The same form once more.
    if let Some(doing) = wanted.operation.and_then(|operation| console.acts.find(operation)) {
        return Redirect::to(&format!("/operations/{}", doing.began.operation)).into_response();
    }
    if wanted.kind().is_none() || wanted.selection().is_none() {
        return console.form(&headers, wanted, None).await;
    }
    let plan = match timeout(PAGE_LIMIT, plan(console.places.clone(), wanted.clone())).await {
        Ok(Ok(plan)) => plan,
        Ok(Err(error)) => return console.unseen(format!("{error:#}")),
        Err(_) => return console.unseen(format!("no answer within {} s", PAGE_LIMIT.as_secs())),
    };
    if let Some(objection) = objection(&wanted, &plan) {
        return console.form(&headers, wanted, Some(objection)).await;
    }
    match begin(&console.acts, console.places.clone(), wanted.clone(), by, &plan) {
        Ok(operation) => Redirect::to(&format!("/operations/{operation}")).into_response(),
        Err(why) => console.form(&headers, wanted, Some(format!("{why}."))).await,
    }
}

async fn operation(State(console): State<Console>, Path(id): Path<String>, uri: Uri) -> Response {
    if let Some(id) = id.strip_suffix(".json").and_then(|id| id.parse().ok()) {
        let archive = console.looks.letters.borrow().clone();
        let logged = archive.seen.as_deref().and_then(|archive| logged(archive, id));
        let doing = console.acts.find(id);
        return match operation_as_json(doing.as_ref(), logged) {
            Some(operation) => Json(operation).into_response(),
            None => (StatusCode::NOT_FOUND, Json(json!({"missing": "no such operation"})))
                .into_response(),
        };
    }
    known(State(console), uri).await
}

async fn operations_json(State(console): State<Console>) -> Json<Value> {
    let archive = console.looks.letters.borrow().clone();
    let operations = archive.seen.as_deref().map(|archive| {
        let all = archive.log.operations().iter().rev();
        all.filter_map(|operation| operation_as_json(None, Some(operation))).collect::<Vec<_>>()
    });
    Json(json!({"as_of": archive.at, "trouble": archive.trouble, "operations": operations}))
}
