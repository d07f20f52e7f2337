//! Dead letters, and what operators do about them.

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Json, Redirect, Response};
use cli::recovery::{Archive, Operation};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::timeout;
use uuid::Uuid;

use super::{Console, PAGE_LIMIT, known, page};
use crate::acts::{Plan, Wanted, begin, objection, plan};
use crate::pages::acts::{ActPage, operation_as_json};

pub(super) async fn letters_json(State(console): State<Console>) -> Json<Value> {
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
    let groups = archive.seen.as_deref().map(|archive| {
        let groups = archive.groups(Timestamp::now()).into_iter();
        let groups = groups.map(|group| {
            json!({
                "service": group.service,
                "condition": group.condition.name(),
                "open": group.open(),
                "letters": group.letters.len(),
                "cause": group.cause,
            })
        });
        groups.collect::<Vec<Value>>()
    });
    let (as_of, trouble) = (archive.at, archive.trouble);
    Json(json!({"as_of": as_of, "trouble": trouble, "groups": groups, "letters": letters}))
}

/// An operation in the log.
pub(super) fn logged(archive: &Archive, id: Uuid) -> Option<&Operation> {
    archive.log.operations().iter().find(|operation| operation.began.operation == id)
}

/// A form for what is to be done about some letters, with what that would come to.
pub(super) async fn act(
    State(console): State<Console>,
    headers: HeaderMap,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    let wanted = query.map(|Query(wanted)| wanted).unwrap_or_default();
    match console.planned(&wanted).await {
        Ok(plan) => console.form(&headers, wanted, plan, None),
        Err(instead) => instead,
    }
}

impl Console {
    /// What is wanted comes to this; or what to answer instead.
    async fn planned(&self, wanted: &Wanted) -> Result<Plan, Response> {
        if wanted.kind().is_none() || wanted.selection().is_none() {
            let sentence = "It is not said what is to be done, and to which letters.".to_owned();
            let reason = "Begin at the dead letters: each group and each letter leads here.";
            let (status, reasons) = (StatusCode::BAD_REQUEST, vec![reason.to_owned()]);
            return Err(self.says(status, "Dead letters", sentence, reasons));
        }
        let why = match timeout(PAGE_LIMIT, plan(self.places.clone(), wanted.clone())).await {
            Ok(Ok(plan)) => return Ok(plan),
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => format!("no answer within {} s", PAGE_LIMIT.as_secs()),
        };
        let sentence = "The dead letters could not be looked at.".to_owned();
        Err(self.says(StatusCode::SERVICE_UNAVAILABLE, "Not seen", sentence, vec![why]))
    }

    fn form(
        &self,
        headers: &HeaderMap,
        wanted: Wanted,
        plan: Plan,
        objection: Option<String>,
    ) -> Response {
        let frame = self.frame("/dead-letters", &wanted.command()).with_json("");
        let status =
            if objection.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        let forbidden = self.access.operator(headers).err();
        page(status, &ActPage::new(frame, wanted, plan, objection, forbidden))
    }
}

/// Does it, if all holds, and leads to where it is seen how far it is.
pub(super) async fn do_act(
    State(console): State<Console>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let by = match console.access.sender(&headers) {
        Ok(by) => by,
        Err(why) => return console.not_done(StatusCode::FORBIDDEN, why),
    };
    let wanted: Wanted = serde_urlencoded::from_bytes(&body).unwrap_or_default();
    // The same form once more.
    if let Some(doing) = wanted.operation.and_then(|operation| console.acts.find(operation)) {
        return Redirect::to(&format!("/operations/{}", doing.began.operation)).into_response();
    }
    let plan = match console.planned(&wanted).await {
        Ok(plan) => plan,
        Err(instead) => return instead,
    };
    let begun = match objection(&wanted, &plan) {
        Some(objection) => Err(objection),
        None => begin(&console.acts, console.places.clone(), wanted.clone(), by, &plan)
            .map_err(|why| format!("{why}.")),
    };
    match begun {
        Ok(operation) => Redirect::to(&format!("/operations/{operation}")).into_response(),
        Err(objection) => console.form(&headers, wanted, plan, Some(objection)),
    }
}

pub(super) async fn operation(
    State(console): State<Console>,
    Path(id): Path<String>,
    uri: Uri,
) -> Response {
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

pub(super) async fn operations_json(State(console): State<Console>) -> Json<Value> {
    let archive = console.looks.letters.borrow().clone();
    let operations = archive.seen.as_deref().map(|archive| {
        let all = archive.log.operations().iter().rev();
        all.filter_map(|operation| operation_as_json(None, Some(operation))).collect::<Vec<_>>()
    });
    Json(json!({"as_of": archive.at, "trouble": archive.trouble, "operations": operations}))
}
