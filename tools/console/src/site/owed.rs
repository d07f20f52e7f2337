//! What is missing, what is done again, and whether everything adds up.

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Redirect, Response};
use serde_json::{Value, json};

use super::{Console, page};
use crate::acts::Acknowledged;
use crate::pages::books::AuditPage;
use crate::pages::gaps::{AcknowledgePage, missed};

pub(super) async fn gaps_json(State(console): State<Console>) -> Json<Value> {
    let fleet = console.looks.fleet.borrow().clone();
    let (gaps, unknown) = fleet.seen.as_deref().map(missed).unwrap_or_default();
    Json(json!({"as_of": fleet.at, "trouble": fleet.trouble, "gaps": gaps, "unknown": unknown}))
}

pub(super) async fn calls_json(State(console): State<Console>) -> Json<Value> {
    let calls = console.looks.calls.borrow().clone();
    let fleet = console.looks.fleet.borrow().clone();
    let services = fleet.seen.iter().flat_map(|fleet| &fleet.facts.services);
    let retries: Vec<Value> = services
        .filter_map(|service| Some((service.name, service.database.known()?.retries.known()?)))
        .map(|(service, queue)| json!({"service": service, "queue": queue}))
        .collect();
    Json(json!({
        "as_of": calls.at,
        "trouble": calls.trouble,
        "open": calls.seen.as_deref(),
        "retries": retries,
    }))
}

pub(super) async fn audit_json(State(console): State<Console>) -> Json<Value> {
    let audit = console.looks.audit.borrow().clone();
    Json(json!({
        "as_of": audit.seen.as_ref().map(|_| audit.at),
        "trouble": audit.trouble,
        "under_way": console.looks.audits.is_under_way(),
        "report": audit.seen.as_deref().map(cli::AuditReport::to_json),
    }))
}

/// A form by which a missing event goes off the list.
pub(super) async fn acknowledge(
    State(console): State<Console>,
    headers: HeaderMap,
    query: Result<Query<Acknowledged>, QueryRejection>,
) -> Response {
    let wanted = query.map(|Query(wanted)| wanted).unwrap_or_default();
    console.acknowledge_form(&headers, wanted, None)
}

impl Console {
    fn acknowledge_form(
        &self,
        headers: &HeaderMap,
        wanted: Acknowledged,
        objection: Option<String>,
    ) -> Response {
        if !wanted.is_one() {
            let sentence = "It is not said which event never will come.".to_owned();
            let reason = "Begin at the list of missing events: each that is lost leads here.";
            let (status, reasons) = (StatusCode::BAD_REQUEST, vec![reason.to_owned()]);
            return self.says(status, "Missing events", sentence, reasons);
        }
        let command = format!("farandole gaps acknowledge {} --reason '…'", wanted.number());
        let status = match objection {
            Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
            None => StatusCode::OK,
        };
        let frame = self.frame("/gaps", &command).with_json("");
        let forbidden = self.access.operator(headers).err();
        page(status, &AcknowledgePage::new(frame, wanted, objection.unwrap_or_default(), forbidden))
    }
}

/// Takes note of it, if all holds, and leads to where it is seen what came of it.
pub(super) async fn do_acknowledge(
    State(console): State<Console>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let by = match console.access.sender(&headers) {
        Ok(by) => by,
        Err(why) => return console.not_done(StatusCode::FORBIDDEN, why),
    };
    let wanted: Acknowledged = serde_urlencoded::from_bytes(&body).unwrap_or_default();
    if !wanted.is_one() {
        return console.acknowledge_form(&headers, wanted, None);
    }
    if wanted.reason.trim().is_empty() {
        let why = "Say what was done instead, for whoever reads the log.".to_owned();
        return console.acknowledge_form(&headers, wanted, Some(why));
    }
    match wanted.clone().begin(&console.acts, console.places.clone(), by) {
        Ok(operation) => Redirect::to(&format!("/operations/{operation}")).into_response(),
        Err(why) => console.acknowledge_form(&headers, wanted, Some(format!("{why}."))),
    }
}

/// A form by which an audit is had made.
pub(super) async fn audit_form(State(console): State<Console>, headers: HeaderMap) -> Response {
    let frame = console.frame("/audit", "farandole audit").with_json("");
    let forbidden = console.access.operator(&headers).err().unwrap_or_default();
    page(StatusCode::OK, &AuditPage { frame, forbidden })
}

pub(super) async fn do_audit(State(console): State<Console>, headers: HeaderMap) -> Response {
    if let Err(why) = console.access.sender(&headers) {
        return console.not_done(StatusCode::FORBIDDEN, why);
    }
    console.looks.audits.ask();
    Redirect::to("/audit").into_response()
}
