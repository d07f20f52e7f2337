//! What one event or one letter says: read where it is when somebody opens it, and shown without what is
//! personal; or with that, once, to who may see it and says why.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use cli::OrderId;
use cli::masking;
use cli::record::{Record, decode, find};
use cli::recovery::{Letter, LetterId, Recorder, Revealed, State as LetterState, letter_id};
use contracts::{dead_letter_headers as dead, headers};
use jiff::Timestamp;
use kafka::Publisher;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;
use uuid::Uuid;

use super::{Console, PAGE_LIMIT, TURN_LIMIT, page};
use crate::access::Access;
use crate::pages::content::{ContentSheet, EventAddress, EventPage, Payloads, Reveal, Told};
use crate::pages::letters::LetterPage;
use crate::words::clock;

/// The longest reason, in bytes.
const REASON_MAX: usize = 1_000;

/// The form by which what is personal is asked for.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Form {
    reason: String,
}

/// Who asks, and why; or in words why the form is to be filled in again.
type Asked = Result<(String, String), String>;

impl Console {
    /// A record and what it says; or in words why that cannot be told.
    async fn read(
        &self,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> Result<Option<(Record, Told)>, String> {
        let reading = async {
            let turn = timeout(TURN_LIMIT, self.turns.acquire()).await;
            let Ok(Ok(_turn)) = turn else {
                return Err("too much is being looked at, try again in a moment".to_owned());
            };
            let found = find(&self.places.connections, topic, partition, offset).await?;
            let Some(mut record) = found else { return Ok(None) };
            let payload = record.payload.take().filter(|_| self.payloads != Payloads::None);
            let content = decode(payload.as_deref(), &self.registry).await;
            let subject = match &content {
                Ok(content) => content.schema.subject(topic, &self.registry).await,
                Err(_) => None,
            };
            Ok(Some((record, Told { payload, content, subject })))
        };
        let late = |_| format!("no answer within {} s", PAGE_LIMIT.as_secs());
        timeout(PAGE_LIMIT, reading).await.map_err(late)?
    }

    fn not_shown(&self, status: StatusCode, why: String) -> Response {
        self.says(status, "Not shown", "Nothing personal is shown.".to_owned(), vec![why])
    }

    /// What a form asks for, if one was sent; or why that may not be.
    fn asked(
        &self,
        headers: &HeaderMap,
        form: Option<&Bytes>,
    ) -> Result<Option<Asked>, &'static str> {
        let Some(form) = form else { return Ok(None) };
        Access::own_form(headers)?;
        if self.payloads != Payloads::Masked {
            return Err("nothing is masked here that could be shown (CONSOLE_PAYLOADS)");
        }
        let by = self.access.privacy(headers)?;
        let Form { reason } = serde_urlencoded::from_bytes(form).unwrap_or_default();
        Ok(Some(match reason.trim() {
            "" => Err("Say why, for whoever reads the log.".to_owned()),
            long if long.len() > REASON_MAX => {
                Err(format!("The reason may have {REASON_MAX} bytes at most."))
            }
            reason => Ok((by, reason.to_owned())),
        }))
    }

    /// Notes in the log that this is about to be shown. Returns the operation; or what to answer instead.
    async fn note(&self, by: &str, reason: String, what: String) -> Result<Uuid, Response> {
        let connections = &self.places.connections;
        let (operation, at, by) = (Uuid::now_v7(), Timestamp::now(), by.to_owned());
        let writing = async {
            let publisher = Publisher::new(&connections.kafka_brokers)?;
            let topic = connections.topic_prefix.operations();
            let revealed = Revealed { operation, at, by, reason, what };
            Recorder::revealed(&publisher, topic, revealed).await
        };
        let why = match timeout(PAGE_LIMIT, writing).await {
            Ok(Ok(())) => return Ok(operation),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", PAGE_LIMIT.as_secs()),
        };
        let why = format!("It could not be noted in the log of operations: {why}.");
        Err(self.not_shown(StatusCode::SERVICE_UNAVAILABLE, why))
    }
}

impl Console {
    /// How much is shown: as it is set, or all of it once that is noted. `asked` is the form, if it was sent.
    async fn extent(
        &self,
        headers: &HeaderMap,
        asked: Option<Asked>,
        what: String,
    ) -> Result<(StatusCode, Payloads, Reveal), Response> {
        let offer = Reveal {
            forbidden: self.access.privacy(headers).err(),
            is_offered: self.payloads == Payloads::Masked,
            ..Reveal::default()
        };
        match asked {
            None => Ok((StatusCode::OK, self.payloads, offer)),
            Some(Ok((by, reason))) => {
                let operation = self.note(&by, reason, what).await?;
                let shown = Some((by, operation.to_string()));
                Ok((StatusCode::OK, Payloads::Full, Reveal { shown, ..Reveal::default() }))
            }
            Some(Err(objection)) => {
                let reveal = Reveal { objection: Some(objection), ..offer };
                Ok((StatusCode::UNPROCESSABLE_ENTITY, self.payloads, reveal))
            }
        }
    }

    /// The page of a letter, or the same as JSON.
    async fn letter(
        &self,
        headers: &HeaderMap,
        id: &str,
        is_json: bool,
        form: Option<&Bytes>,
    ) -> Response {
        let asked = match self.asked(headers, form) {
            Ok(asked) => asked,
            Err(why) => return self.not_shown(StatusCode::FORBIDDEN, format!("{why}.")),
        };
        let archive = self.looks.letters.borrow().clone();
        let found = letter_id(id).ok().zip(archive.seen.as_deref());
        let Some((masked, state)) = found.and_then(|(id, archive)| archive.find(&id)) else {
            let sentence = format!("There is no dead letter {id}.");
            let reasons = match archive.seen {
                Some(_) => "A letter’s id is SERVICE/PARTITION/OFFSET, such as payment/0/17.",
                None => "The dead letters are being read; try again in a moment.",
            };
            let reasons = vec![reasons.to_owned()];
            return self.says(StatusCode::NOT_FOUND, "No such letter", sentence, reasons);
        };
        let LetterId { service, partition, offset } = &masked.id;
        let topic = self.places.connections.topic_prefix.dead_letters(service);
        let read = match self.payloads {
            Payloads::None => Err("it is not read".to_owned()),
            _ => self.read(&topic, *partition, *offset).await,
        };
        let read =
            read.and_then(|read| read.ok_or_else(|| "it is not in its topic any more".to_owned()));
        if let (Err(why), Some(_)) = (&read, &asked) {
            return self.not_shown(StatusCode::SERVICE_UNAVAILABLE, format!("Not read: {why}."));
        }
        let (status, how, reveal) = match self.extent(headers, asked, id.to_owned()).await {
            Ok(extent) => extent,
            Err(instead) => return instead,
        };
        let whole = read
            .as_ref()
            .ok()
            .filter(|_| how == Payloads::Full)
            .map(|(record, _)| Letter { headers: record.headers.clone(), ..masked.clone() });
        let letter = whole.as_ref().unwrap_or(masked);
        let own: Vec<_> = letter.own_headers().cloned().collect();
        let told = read.as_ref().map(|(_, told)| told).map_err(String::as_str);
        let content = ContentSheet::new(how, &own, told);
        if is_json {
            return Json(letter_as_json(letter, &state, &content)).into_response();
        }
        let command = format!("farandole dlq show {id}");
        let frame = self.frame("/dead-letters", &command);
        let frame = frame.with_json(format!("/dead-letters/{id}.json"));
        page(status, &LetterPage::new(frame, letter, &state, content, reveal))
    }

    /// The page of an order's event, or the same as JSON.
    async fn event(
        &self,
        headers: &HeaderMap,
        address: Option<EventAddress>,
        is_json: bool,
        form: Option<&Bytes>,
    ) -> Response {
        let asked = match self.asked(headers, form) {
            Ok(asked) => asked,
            Err(why) => return self.not_shown(StatusCode::FORBIDDEN, format!("{why}.")),
        };
        let missing = |why: &str| {
            let sentence = "There is no such event of this order.".to_owned();
            self.says(StatusCode::NOT_FOUND, "No such event", sentence, vec![why.to_owned()])
        };
        let Some(address) = address else {
            return missing("An event is at /orders/ORDER/events/SERVICE/PARTITION/OFFSET.");
        };
        let EventAddress { order, service, topic, partition, offset } = &address;
        let (record, told) = match self.read(topic, *partition, *offset).await {
            Ok(Some(read)) => read,
            Ok(None) => return missing("The topic does not hold it, or does not any more."),
            Err(why) => {
                let sentence = "The event could not be looked at.".to_owned();
                let status = StatusCode::SERVICE_UNAVAILABLE;
                return self.says(status, "Not seen", sentence, vec![format!("{why}.")]);
            }
        };
        let header = |name: &str| {
            let found = record.headers.iter().rev().find(|(there, _)| there == name);
            found.and_then(|(_, value)| value.as_deref())
        };
        if header(headers::SUBJECT).or(record.key.as_deref()) != Some(order.as_bytes()) {
            return missing("What is there is about another order.");
        }
        let name = header(headers::TYPE).and_then(|name| std::str::from_utf8(name).ok());
        let name = name.map_or("a record without a type", masking::name);
        let (_, id) = masking::header(headers::ID, header(headers::ID));
        let what = format!("{name} {id} of order {order}, {service}/{partition}/{offset}");
        let (status, how, reveal) = match self.extent(headers, asked, what).await {
            Ok(extent) => extent,
            Err(instead) => return instead,
        };
        let content = ContentSheet::new(how, &record.headers, Ok(&told));
        if is_json {
            return Json(json!({
                "order_id": order, "event": name, "service": service, "topic": topic,
                "partition": partition, "offset": offset, "written_at": record.at,
                "content": content.as_json(),
            }))
            .into_response();
        }
        let json = format!("{}.json", address.path());
        let frame =
            self.frame("/orders", &format!("farandole orders show {order}")).with_json(json);
        let at = record.at.map_or_else(|| "unknown".to_owned(), clock);
        page(status, &EventPage::new(frame, &address, name, at, content, reveal))
    }

    /// Where an event is, as an address says.
    fn address(&self, (order, service, partition, offset): &EventPath) -> Option<EventAddress> {
        let order: OrderId = order.parse().ok()?;
        let service = cli::services().find(|name| name == service)?;
        Some(EventAddress {
            order: order.to_string(),
            service,
            topic: self.places.connections.topic_prefix.events(service),
            partition: partition.parse().ok()?,
            offset: offset.parse().ok()?,
        })
    }
}

fn letter_as_json(letter: &Letter, state: &LetterState<'_>, content: &ContentSheet) -> Value {
    json!({
        "letter": letter.id,
        "state": state.name(),
        "died_at": letter.died_at,
        "event": letter.event_type(),
        "order": letter.order(),
        "source": letter.source(),
        "attempts": letter.attempts(),
        "errors": letter.errors(),
        "first_failed_at": letter.header(dead::FIRST_FAILED_AT),
        "last_failed_at": letter.header(dead::LAST_FAILED_AT),
        "history": letter.history(),
        "content": content.as_json(),
    })
}

type LetterPath = (String, String, String);
type EventPath = (String, String, String, String);

/// The last part of an address, and whether what is there is wanted as JSON.
fn as_json(last: &str) -> (&str, bool) {
    last.strip_suffix(".json").map_or((last, false), |last| (last, true))
}

pub(super) async fn letter(
    State(console): State<Console>,
    headers: HeaderMap,
    Path((service, partition, offset)): Path<LetterPath>,
) -> Response {
    let (offset, is_json) = as_json(&offset);
    console.letter(&headers, &format!("{service}/{partition}/{offset}"), is_json, None).await
}

pub(super) async fn reveal_letter(
    State(console): State<Console>,
    headers: HeaderMap,
    Path((service, partition, offset)): Path<LetterPath>,
    form: Bytes,
) -> Response {
    let id = format!("{service}/{partition}/{offset}");
    console.letter(&headers, &id, false, Some(&form)).await
}

pub(super) async fn event(
    State(console): State<Console>,
    headers: HeaderMap,
    Path((order, service, partition, offset)): Path<EventPath>,
) -> Response {
    let (offset, is_json) = as_json(&offset);
    let address = console.address(&(order, service, partition, offset.to_owned()));
    console.event(&headers, address, is_json, None).await
}

pub(super) async fn reveal_event(
    State(console): State<Console>,
    headers: HeaderMap,
    Path(path): Path<EventPath>,
    form: Bytes,
) -> Response {
    console.event(&headers, console.address(&path), false, Some(&form)).await
}
