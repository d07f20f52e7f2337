//! A page that is on a screen goes on: what has changed of it is sent.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::sleep;

use crate::looks::Looks;
use crate::site::Console;

/// How often a browser hears that the console is there, when there is no news.
const BEAT: Duration = Duration::from_secs(5);
/// The least pause between two pieces of news.
const PAUSE: Duration = Duration::from_secs(1);
/// Screens that show the same within this share one rendering.
const SHARED: Duration = Duration::from_millis(900);
/// How many pages' renderings are kept for that.
const SHARED_MAX: usize = 64;

/// What screens show, by address: one rendering for all that show the same.
#[derive(Default)]
pub(crate) struct Renderings(std::sync::Mutex<HashMap<String, Arc<Mutex<Rendering>>>>);

/// A page's content, and when it was made.
type Rendering = Option<(Instant, Option<Arc<str>>)>;

impl Renderings {
    /// That of a page; one of its own, if too many pages are looked at.
    fn of(&self, address: &str) -> Arc<Mutex<Rendering>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= SHARED_MAX {
            all.retain(|_, rendering| Arc::strong_count(rendering) > 1);
        }
        if all.len() >= SHARED_MAX {
            return Arc::default();
        }
        all.entry(address.to_owned()).or_default().clone()
    }
}

#[derive(Deserialize)]
pub(crate) struct View {
    view: String,
}

/// What a browser is kept up to date with.
struct Screen {
    console: Console,
    looks: Looks,
    address: String,
    shown: Arc<str>,
}

/// Server-sent events: the page's content, whenever it is another than before.
pub(crate) async fn live(
    State(console): State<Console>,
    Query(View { view }): Query<View>,
) -> Response {
    let looks = console.looks.clone();
    let shown = content(&console, &view).await.unwrap_or_default();
    let screen = Screen { console, looks, address: view, shown };
    // A screen that is looked at must not hold up who stops the console.
    let news = stream::unfold(screen, |mut screen| async {
        let stop = screen.console.stop.clone();
        let content = stop.run_until_cancelled(screen.next()).await??;
        Some((Ok::<_, Infallible>(Event::default().data(content)), screen))
    });
    Sse::new(news).keep_alive(KeepAlive::new().interval(BEAT)).into_response()
}

impl Screen {
    /// The next content that is another; `None` once nobody looks any more.
    async fn next(&mut self) -> Option<Arc<str>> {
        loop {
            sleep(PAUSE).await;
            let Looks { board, fleet, hanging, letters, dance, calls, audit, .. } = &mut self.looks;
            let seen = tokio::select! {
                seen = board.changed() => seen,
                seen = fleet.changed() => seen,
                seen = hanging.changed() => seen,
                seen = letters.changed() => seen,
                seen = dance.changed() => seen,
                seen = calls.changed() => seen,
                seen = audit.changed() => seen,
            };
            seen.ok()?;
            let content = content(&self.console, &self.address).await?;
            if content != self.shown {
                self.shown = content.clone();
                return Some(content);
            }
        }
    }
}

/// The content of a page as it is now, or was just now.
async fn content(console: &Console, address: &str) -> Option<Arc<str>> {
    let rendering = console.renderings.of(address);
    // Who comes meanwhile waits for what is being made, and has it then.
    let mut rendering = rendering.lock().await;
    if let Some((at, content)) = &*rendering
        && at.elapsed() < SHARED
    {
        return content.clone();
    }
    let content = render(console, address).await.map(Arc::from);
    *rendering = Some((Instant::now(), content.clone()));
    content
}

/// What changes of a page: its content, and of its head the links with their counts, and when that was.
async fn render(console: &Console, address: &str) -> Option<String> {
    let html = console.known(address).await?.ok()?;
    let main = between(&html, "<main id=\"main\"", "</main>")?;
    let main = main.split_once('>')?.1;
    let pages = between(&html, "<nav id=\"pages\"", "</nav>")?;
    let as_of = between(&html, "<span id=\"asof\"", "</span>")?;
    // What did not change stays, with the focus that it may have.
    Some(format!(
        "<nav id=\"pages\" hx-swap-oob=\"outerMorph\"{pages}</nav>\
         <span id=\"asof\" hx-swap-oob=\"outerMorph\"{as_of}</span>{main}"
    ))
}

fn between<'h>(html: &'h str, before: &str, after: &str) -> Option<&'h str> {
    html.split_once(before)?.1.split_once(after).map(|(between, _)| between)
}
