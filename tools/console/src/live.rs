//! A page that is on a screen goes on: what has changed of it is sent.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde::Deserialize;
use tokio::time::sleep;

use crate::looks::Looks;
use crate::site::Console;

/// How often a browser hears that the console is there, when there is no news.
const BEAT: Duration = Duration::from_secs(5);
/// The least pause between two pieces of news.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
pub(crate) struct View {
    view: String,
}

/// What a browser is kept up to date with.
struct Screen {
    console: Console,
    looks: Looks,
    path: String,
    shown: String,
}

/// Server-sent events: the page's content, whenever it is another than before.
pub(crate) async fn live(
    State(console): State<Console>,
    Query(View { view }): Query<View>,
) -> Response {
    let looks = console.looks.clone();
    let shown = content(&console, &view).unwrap_or_default();
    let screen = Screen { console, looks, path: view, shown };
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
    async fn next(&mut self) -> Option<String> {
        loop {
            sleep(PAUSE).await;
            let Looks { fleet, hanging, letters, dance } = &mut self.looks;
            let seen = tokio::select! {
                seen = fleet.changed() => seen,
                seen = hanging.changed() => seen,
                seen = letters.changed() => seen,
                seen = dance.changed() => seen,
            };
            seen.ok()?;
            let content = content(&self.console, &self.path)?;
            if content != self.shown {
                self.shown.clone_from(&content);
                return Some(content);
            }
        }
    }
}

/// What changes of a page: its content, and of its head the links with their counts, and when that was.
fn content(console: &Console, path: &str) -> Option<String> {
    let html = console.known(path)?.ok()?;
    let main = between(&html, "<main id=\"main\"", "</main>")?;
    let main = main.split_once('>')?.1;
    let pages = between(&html, "<nav id=\"pages\"", "</nav>")?;
    let as_of = between(&html, "<span id=\"asof\"", "</span>")?;
    Some(format!(
        "<nav id=\"pages\" hx-swap-oob=\"true\"{pages}</nav>\
         <span id=\"asof\" hx-swap-oob=\"true\"{as_of}</span>{main}"
    ))
}

fn between<'h>(html: &'h str, before: &str, after: &str) -> Option<&'h str> {
    html.split_once(before)?.1.split_once(after).map(|(between, _)| between)
}
