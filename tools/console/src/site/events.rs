//! The catalogue of events, and its documents for machines.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse, Redirect, Response};
use catalogue::script;

use super::{Console, asset};
use crate::pages::events::{self, CATALOGUE, PATH, STYLE};

pub(super) async fn to_events() -> Redirect {
    Redirect::permanent(PATH)
}

pub(super) async fn events(State(console): State<Console>) -> Html<String> {
    Html(events::events(console.board().ok().as_deref()))
}

pub(super) async fn events_style() -> Response {
    asset("text/css", &STYLE)
}

pub(super) async fn events_script() -> Response {
    asset("text/javascript", script())
}

/// The `AsyncAPI` document of a service, or of the fleet.
pub(super) async fn asyncapi(State(console): State<Console>, Path(file): Path<String>) -> Response {
    let document =
        file.strip_suffix(".yaml").and_then(|name| catalogue::asyncapi(&CATALOGUE, name));
    let Some(text) = document else {
        let sentence = "There is no such service.".to_owned();
        return console.says(StatusCode::NOT_FOUND, "Not found", sentence, Vec::new());
    };
    ([(CONTENT_TYPE, "application/yaml")], text).into_response()
}
