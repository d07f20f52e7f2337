//! All orders, and one of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::bail;
use askama::Template as _;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::uri::PathAndQuery;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Json, Redirect, Response};
use cli::OrderId;
use cli::found::{self, orders_of};
use cli::recovery::letter_id;
use cli::story::{EventPlace, hanging, story};
use cli::stuck::{self, Stuck};
use projection::{Board, Filter, Order, Step, Store, row_as_json, stage};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use uuid::Uuid;

use super::{Console, PAGE_LIMIT, TURN_LIMIT, page};
use crate::looks::Places;
use crate::model::Missing;
use crate::pages::compare::{self, ComparePage};
use crate::pages::order::{Known, OrderPage};
use crate::pages::orders::{LISTED, List, NEWER_MAX, OrdersPage};
use crate::pages::query::Query as PageQuery;
use crate::pages::said::SaidPage;
use crate::pages::short;
use crate::words::doubt;

/// How many orders are told of that end with the same.
const FOUND_MAX: u16 = 20;

impl Console {
    /// What was counted last.
    pub(super) fn board(&self) -> Result<Arc<Board>, Missing> {
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
        let store = match self.model.store().await {
            Ok(store) => store,
            // The page says so.
            Err(Missing::NotWanted) => return Ok(List::default()),
            Err(Missing::Trouble(why)) => bail!(why),
        };
        let asked = query.asked();
        let ways = if asked.asks_for_ways() { store.ways().await? } else { Vec::new() };
        let filter = Filter { upto: query.upto, ..asked.filter(&ways, board) };
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
    pub(super) async fn orders_page(&self, address: &str) -> askama::Result<String> {
        let query = PageQuery::of(address);
        let board = self.board();
        let known = board.as_deref();
        let list = self.list(&query, known.ok()).await;
        let trouble = list.as_ref().err().map(|error| Missing::Trouble(format!("{error:#}")));
        let list = list.unwrap_or_default();
        let upto = query.upto.or(list.rows.first().map(|row| row.id)).unwrap_or(Uuid::nil());
        let kept_up = PageQuery { upto: Some(upto), ..query.clone() };
        let json = query.address().replacen("/orders", "/orders.json", 1);
        let frame =
            self.frame("/orders", "farandole orders board; farandole orders stuck").with_json(json);
        let frame = frame.kept_up(&kept_up.address());
        let stuck = self.looks.hanging.borrow().clone();
        let shown = match &trouble {
            Some(trouble) => Err(trouble),
            None => known,
        };
        OrdersPage::new(frame, stuck.seen.as_deref(), shown, &list, &kept_up).render()
    }
}

pub(super) async fn orders_json(State(console): State<Console>, uri: Uri) -> Json<Value> {
    let stuck = console.looks.hanging.borrow().clone();
    let query = PageQuery::of(uri.path_and_query().map_or("", PathAndQuery::as_str));
    let board = console.board();
    let list = console.list(&query, board.as_deref().ok()).await;
    let orders = list.as_ref().map(|list| list.rows.iter().map(row_as_json).collect::<Vec<_>>());
    let counted = board.as_ref().map(|board| board.counts_as_json(doubt(board).as_deref()));
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

pub(super) async fn ways_json(State(console): State<Console>) -> Json<Value> {
    Json(match console.board() {
        Ok(board) => board.ways_as_json(),
        Err(missing) => json!({"as_of": null, "missing": missing.sentence()}),
    })
}

#[derive(Deserialize)]
pub(super) struct Compared {
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

pub(super) async fn compare(
    State(console): State<Console>,
    query: Result<Query<Compared>, QueryRejection>,
) -> Response {
    let compared = match query {
        Ok(Query(query)) => console.compared(query).await,
        Err(_) => Err("Two orders are compared by their ids: /compare?a=ID&b=ID.".to_owned()),
    };
    match compared {
        Ok([a, b]) => {
            let address = format!("/compare.json?a={}&b={}", a.id, b.id);
            let command = console.curl(&address);
            let frame = console.frame("/orders", &command).with_json(address);
            page(StatusCode::OK, &ComparePage::new(frame, [&a, &b]))
        }
        Err(why) => console.says(StatusCode::NOT_FOUND, "Two orders", why, Vec::new()),
    }
}

pub(super) async fn compare_json(
    State(console): State<Console>,
    Query(query): Query<Compared>,
) -> Response {
    match console.compared(query).await {
        Ok([a, b]) => Json(compare::as_json([&a, &b])).into_response(),
        Err(why) => (StatusCode::NOT_FOUND, Json(json!({"missing": why}))).into_response(),
    }
}

pub(super) async fn order(State(console): State<Console>, Path(id): Path<String>) -> Response {
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
        Ok(Ok((Ok(story), stuck))) => (story.masked(), stuck.ok().flatten().map(Stuck::masked)),
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
        let board = self.board().ok().filter(|board| doubt(board).is_none())?;
        let order = self.model.store().await.ok()?.order(order.0).await.ok()??;
        Some(Known { order, board })
    }
}

impl Console {
    /// The orders of today and yesterday whose ids end with this.
    async fn ending(&self, wanted: &str) -> Result<Vec<String>, String> {
        let end = wanted.trim_start_matches('…').to_lowercase();
        if end.len() != 6 || !end.bytes().all(|c| c.is_ascii_hexdigit()) {
            return Ok(Vec::new());
        }
        let store = self.model.store().await.map_err(|missing| missing.sentence())?;
        let found = store.ending(&end, FOUND_MAX).await.map_err(|error| format!("{error}."))?;
        Ok(found.into_iter().map(|id| id.to_string()).collect())
    }
}

#[derive(Deserialize)]
pub(super) struct Sought {
    #[serde(default)]
    q: String,
}

/// Finds by what people have at hand: an id, or the end of one.
impl Console {
    /// Where an order is told of, or else the event that has this id.
    async fn order_or_event(&self, id: OrderId) -> String {
        let order = format!("/orders/{id}");
        let is_order = match self.model.store().await {
            Ok(store) => store.order(id.0).await.is_ok_and(|order| order.is_some()),
            Err(_) => false,
        };
        if is_order {
            return order;
        }
        match found::event(id.0, &self.places.connections).await {
            Ok(Some((order, EventPlace { service, partition, offset }))) => {
                format!("/orders/{order}/events/{service}/{partition}/{offset}")
            }
            // The order's page says whether anybody knows it.
            _ => order,
        }
    }
}

pub(super) async fn find(
    State(console): State<Console>,
    Query(Sought { q }): Query<Sought>,
) -> Response {
    let wanted = q.trim();
    if let Ok(id) = wanted.parse::<OrderId>() {
        return Redirect::to(&console.order_or_event(id).await).into_response();
    }
    if let Ok(id) = letter_id(wanted) {
        return Redirect::to(&format!("/dead-letters/{id}")).into_response();
    }
    if declarations::fleet().service(wanted).is_some() {
        return Redirect::to(&format!("/services/{wanted}")).into_response();
    }
    let (mut known, unseen) = match console.ending(wanted).await {
        Ok(known) => (known, None),
        Err(why) => (Vec::new(), Some(why)),
    };
    let mut reasons: Vec<String> = unseen.into_iter().collect();
    if !wanted.is_empty() {
        let of = orders_of(wanted, &console.places.databases).await;
        known.extend(of.orders.iter().map(ToString::to_string));
        reasons.extend(of.unseen);
    }
    let stuck = console.looks.hanging.borrow().clone();
    let end = wanted.trim_start_matches('…').to_lowercase();
    let hanging =
        stuck.seen.iter().flat_map(|stuck| &stuck.orders).map(|it| it.order_id.to_string());
    let hanging = hanging.filter(|id| end.len() >= short(id).len() && id.ends_with(&end));
    let found: BTreeSet<String> = hanging.chain(known).collect();
    let found: Vec<String> = found.into_iter().collect();
    if let [one] = found.as_slice() {
        return Redirect::to(&format!("/orders/{one}")).into_response();
    }
    let links: Vec<(String, String)> =
        found.into_iter().map(|id| (format!("/orders/{id}"), id)).collect();
    let sentence = if links.is_empty() {
        format!("Nothing is found for “{wanted}”.")
    } else {
        format!("Several orders are found for “{wanted}”.")
    };
    if links.is_empty() {
        let ways = [
            "An order is found by its whole id; one of today or yesterday, by the last six characters.",
            "The orders of a customer are found by the customer’s whole id; those of a request, within a quarter \
             of an hour, by its correlation id.",
            "An event is found by its id, as long as its topic has it.",
            "A dead letter is found by SERVICE/PARTITION/OFFSET, such as payment/0/17.",
        ];
        reasons.splice(0..0, ways.map(str::to_owned));
    }
    let frame = console.frame("", "farandole orders find TEXT").with_json("");
    let title = "Find".to_owned();
    page(StatusCode::NOT_FOUND, &SaidPage { frame, title, sentence, reasons, links })
}
