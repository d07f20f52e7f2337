//! Placing an order.

use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::http::request::Parts as RequestParts;
use axum::response::{IntoResponse, Response};
use runtime::http::{
    Current, Hashed, IdempotencyKey, Json, Preconditions, RequestCause, replayed, schema,
};
use runtime::{FieldError, Problem};
use serde::Deserialize;
use utoipa::ToSchema;

use super::Api;
use super::bodies::OrderBody;
use super::checks::check;
use crate::events::{Channel, Recipient};
use crate::placing::{Answer, Refused, Request};
use crate::store;

/// An order to be placed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PlaceOrder {
    /// The customer, as the shop names them.
    #[schema(value_type = schema::Text64, example = "c-42")]
    pub(super) customer_id: String,
    /// What is ordered. A SKU may stand in several lines; all have to be priced in one currency.
    #[schema(min_items = 1, max_items = 100)]
    pub(super) lines: Vec<OrderLine>,
    /// How the customer pays, as the payment provider names it.
    #[schema(value_type = schema::Text100, example = "pm_card_visa")]
    pub(super) payment_method: String,
    /// Where the order comes from.
    #[serde(default)]
    pub(super) channel: Channel,
    pub(super) recipient: RecipientBody,
}

/// Pieces of one SKU.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OrderLine {
    #[schema(value_type = schema::Sku, example = "tea")]
    pub(super) sku: String,
    /// Pieces.
    #[schema(minimum = 1, maximum = 1_000_000, example = 2)]
    pub(super) quantity: u32,
}

/// Who gets the parcel and the messages.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RecipientBody {
    /// Full name.
    #[schema(value_type = schema::Text200, example = "Ada Lovelace")]
    pub(super) name: String,
    #[schema(value_type = schema::Email, example = "ada@example.org")]
    pub(super) email: String,
    /// Street and house number.
    #[schema(value_type = schema::Text200, example = "12 St James's Square")]
    pub(super) street: String,
    #[schema(value_type = schema::Text100, example = "London")]
    pub(super) city: String,
    #[serde(default)]
    #[schema(value_type = schema::PostalCode, example = "SW1Y 4JH")]
    pub(super) postal_code: String,
    #[schema(value_type = schema::Country, example = "GB")]
    pub(super) country: String,
}

impl std::fmt::Debug for RecipientBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecipientBody").finish_non_exhaustive()
    }
}

impl From<RecipientBody> for Recipient {
    fn from(body: RecipientBody) -> Self {
        let RecipientBody { name, email, street, city, postal_code, country } = body;
        Self { name, email, street, city, postal_code, country }
    }
}

/// The client keeps to its rate. Looked at before the body is read.
pub(super) struct WithinRate;

impl FromRequestParts<Api> for WithinRate {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut RequestParts, api: &Api) -> Result<Self, Problem> {
        api.client_rate.check(parts).map(|()| Self)
    }
}

/// Place an order
///
/// Answers when the order is on disk. The same request with the same key gets the same answer,
/// however often it is sent. Prices come from the catalogue.
#[utoipa::path(
    post,
    path = "/orders",
    params(("Idempotency-Key" = inline(schema::IdempotencyKey), Header)),
    request_body = PlaceOrder,
    responses(
        (status = 201, description = "The order is placed", body = OrderBody, headers(
            ("Location" = String, description = "Where the order is"),
            ("Idempotent-Replayed" = String,
                description = "`true` if this is the answer to an earlier request with this key"),
        ), links(
            ("see" = (operation_id = "get_order",
                parameters(("id" = "$response.body#/order_id")))),
            ("cancel" = (operation_id = "cancel_order",
                parameters(("id" = "$response.body#/order_id")))),
        )),
        (status = 400, description = "No key, or malformed", body = Problem),
        (status = 409, description = "The same request is being worked on", body = Problem,
            headers(("Retry-After" = u32, description = "When to ask again, in seconds"))),
        (status = 412, description = "`If-Match` or `If-None-Match`: there is nothing here that they could \
            be about", body = Problem),
        (status = 422, description = "Not an order, or nothing that is for sale, or with a total that is 0 \
            or above 9007199254740991, or the key was used for another request", body = Problem),
        (status = 429, description = "This client is too fast (`CLIENT_RATE_MAX`)", body = Problem),
    )
)]
pub(super) async fn place_order(
    State(api): State<Api>,
    _: WithinRate,
    RequestCause(cause): RequestCause,
    preconditions: Preconditions,
    IdempotencyKey(idempotency_key): IdempotencyKey,
    Hashed { body, hash }: Hashed<PlaceOrder>,
) -> Result<Response, Problem> {
    preconditions.check(Current::Untagged)?;
    let lines = check(&body)?;
    if api.handle.is_behind() {
        return Err(come_again("events cannot be published fast enough at the moment"));
    }
    let request = Request {
        idempotency_key,
        hash,
        customer_id: body.customer_id,
        lines,
        payment_method: body.payment_method,
        channel: body.channel,
        recipient: body.recipient.into(),
        cause,
    };
    let answered = api.placing.place(request).map_err(|refused| match refused {
        Refused::Running => Problem::conflict(
            "request-running",
            "The same request is running",
            "a request with this Idempotency-Key is being worked on; ask again in a moment",
        )
        .with_retry_after(1),
        Refused::Full => come_again("too many orders are waiting"),
    })?;
    let answer = answered.await.map_err(|_| come_again("the service is stopping"))?;
    answer_to_response(answer)
}

fn answer_to_response(answer: Answer) -> Result<Response, Problem> {
    match answer {
        Answer::Placed(order) => Ok(created(*order)),
        Answer::PlacedBefore(order) => Ok(replayed(created(*order))),
        Answer::KeyReused => Err(Problem::idempotency_key_reused()),
        Answer::NotForSale(lines) => Err(Problem::validation(
            lines
                .into_iter()
                .map(|at| FieldError::new(format!("/lines/{at}/sku"), "is not in the catalogue")),
        )),
        Answer::NoTotal(reason) => Err(Problem::validation([FieldError::new("/lines", reason)])),
        Answer::ComeAgain(reason) => {
            tracing::info!(reason, "told a client to come again");
            Err(come_again("the order could not be stored; send the same request again"))
        }
        Answer::Impossible(reason) => Err(Problem::internal(&reason)),
    }
}

fn created(order: store::Order) -> Response {
    let location = format!("/orders/{}", order.id);
    let body = Json(OrderBody::from(order));
    (StatusCode::CREATED, [(LOCATION, location)], body).into_response()
}

fn come_again(detail: &str) -> Problem {
    Problem::unavailable(detail, 1)
}
