//! What can be done to a demo's fleet.

use askama::Template;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Redirect, Response};
use jiff::Timestamp;
use serde_json::json;

use super::{Console, no_such_page};
use crate::demo::Wanted;
use crate::pages::experiments::ExperimentsPage;

impl Console {
    /// What can be done, and how it is with that; `None` if this is no demo.
    pub(super) async fn experiments_page(&self) -> Option<askama::Result<String>> {
        let list = self.demo.as_ref()?.list().await;
        let frame = self.frame("/break", &self.curl("/break.json")).kept_up("/break");
        Some(ExperimentsPage::new(frame, list).render())
    }
}

pub(super) async fn experiments_json(State(console): State<Console>) -> Response {
    let Some(demo) = &console.demo else { return no_such_page(State(console)).await };
    match demo.list().await {
        Ok(list) => Json(json!({"as_of": Timestamp::now(), "experiments": list})).into_response(),
        Err(why) => {
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"trouble": why}))).into_response()
        }
    }
}

/// Begins something, or ends it, and leads back to where it is seen.
pub(super) async fn break_it(
    State(console): State<Console>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(demo) = &console.demo else { return no_such_page(State(console)).await };
    if let Err(why) = console.access.sender(&headers) {
        return console.not_done(StatusCode::FORBIDDEN, why);
    }
    let wanted: Wanted = serde_urlencoded::from_bytes(&body).unwrap_or_default();
    match demo.act(&wanted).await {
        Ok(()) => Redirect::to(&format!("/break#{}", wanted.experiment)).into_response(),
        Err((status, why)) => console.not_done(status, &why),
    }
}
