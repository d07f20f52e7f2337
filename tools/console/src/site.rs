//! The addresses, and what is answered there.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri};
use axum::middleware::map_response;
use axum::response::{Html, IntoResponse, Json, Redirect, Response};
use axum::routing::get;
use cli::OrderId;
use cli::recovery::letter_id;
use cli::story::{hanging, story};
use cli::stuck::Filter;
use runtime::http::{HttpLimits, serve};
use runtime::shutdown;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::live::live;
use crate::looks::{Looks, Places, start};
use crate::pages::dance::{self, DancePage};
use crate::pages::letters::{LetterPage, LettersPage};
use crate::pages::now::NowPage;
use crate::pages::order::OrderPage;
use crate::pages::orders::OrdersPage;
use crate::pages::said::SaidPage;
use crate::pages::services::ServicePage;
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

/// What the pages are made of.
#[derive(Clone)]
pub(crate) struct Console {
    fleet: Arc<str>,
    places: Arc<Places>,
    pub(crate) looks: Looks,
    pub(crate) stop: CancellationToken,
}

/// Serves the pages until it is told to stop.
pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let Settings { listen, fleet, every, connections, databases, urls } = settings;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen} (--listen)"))?;
    println!("http://{}/ shows the fleet", listener.local_addr()?);
    let stop = shutdown::signals()?;
    let places = Arc::new(Places { urls, connections, databases });
    let (looks, looking) = start(places.clone(), every);
    let console = Console { fleet: fleet.into(), places, looks, stop: stop.clone() };
    tokio::select! {
        () = serve(listener, router(console), stop, HttpLimits::default()) => {}
        () = looking => {}
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
        .route("/dead-letters", get(known))
        .route("/dead-letters.json", get(letters_json))
        .route("/dead-letters/{service}/{partition}/{offset}", get(letter))
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
        .fallback(no_such_page)
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

    /// A page by what was looked at in the background, by its path; `None` if there is none.
    pub(crate) fn known(&self, path: &str) -> Option<askama::Result<String>> {
        let frame = |page, command| self.frame(page, command).kept_up(path);
        let stuck = self.looks.hanging.borrow().clone();
        let fleet = self.looks.fleet.borrow().clone();
        Some(match path {
            "/" | "/services" => {
                let frame = frame(if path == "/" { "/" } else { "/services" }, "farandole status");
                NowPage::new(frame, fleet.seen.as_deref(), stuck.seen.as_deref()).render()
            }
            "/orders" => {
                let frame = frame("/orders", "farandole orders stuck");
                OrdersPage::new(frame, stuck.seen.as_deref()).render()
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

/// A page by what was looked at in the background: it is there at once, and is kept up to date.
async fn known(State(console): State<Console>, uri: Uri) -> Response {
    match console.known(uri.path()) {
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

async fn orders_json(State(console): State<Console>) -> Json<Value> {
    let stuck = console.looks.hanging.borrow().clone();
    Json(json!({"as_of": stuck.at, "trouble": stuck.trouble, "hanging": stuck.seen.as_deref()}))
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
    let places = console.places.clone();
    // The look goes on on a thread of its own: what it is made of is not to be moved between threads.
    let looking = spawn_blocking(move || {
        let Places { connections, databases, .. } = &*places;
        let asking = async {
            tokio::join!(
                story(order, connections, databases),
                hanging(Filter::Order(order), 1, connections, databases),
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
    page(status, &OrderPage::new(frame, &story, stuck.as_ref()))
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

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    q: String,
}

/// Finds by what people have at hand: an id, or the end of one.
async fn find(State(console): State<Console>, Query(Wanted { q }): Query<Wanted>) -> Response {
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
    let stuck = console.looks.hanging.borrow().clone();
    let end = wanted.trim_start_matches('…').to_lowercase();
    let hanging =
        stuck.seen.iter().flat_map(|stuck| &stuck.orders).map(|it| it.order_id.to_string());
    let found: Vec<String> =
        hanging.filter(|id| end.len() >= short(id).len() && id.ends_with(&end)).collect();
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
            "An order is found by its whole id; one that hangs, by the last six characters."
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
