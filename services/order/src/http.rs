mod checks;
mod products;

use std::time::Duration;

use axum::Router;
use axum::extract::{FromRequestParts, State};
use axum::http::header::LOCATION;
use axum::http::request::Parts as RequestParts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use kernel::{Money, OrderId, Quantity, Sku};
use messaging::{Handle, Pool, Purpose};
use runtime::http::{Json, Path, Query, RequestCause};
use runtime::{FieldError, Parts, Problem};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use utoipa::{IntoParams, OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use self::checks::{check, check_text, idempotency_key};
use crate::client_rate::ClientRate;
use crate::domain::{Input, State as OrderState};
use crate::events::{CancelReason, Line, Recipient};
use crate::placing::{Answer, Placing, Refused, Request};
use crate::store::{self, Filter};
use crate::waiters::Waiters;
use crate::{Order, Program};

/// How long a statement of placing may take before its requests are told to come again.
const PLACING_LIMIT: Duration = Duration::from_secs(7);
/// The longest `Prefer: wait`, in seconds; longer wishes are cut to it.
const WAIT_MAX_S: u64 = 60;
/// While waiting, the row is looked at this often for changes by other instances.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The largest page of a list.
const PAGE_MAX: u16 = 200;

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

#[derive(OpenApi)]
#[openapi(info(
    title = "Farandole: order",
    description = "Takes orders, tells how they fare, and keeps the catalogue."
))]
struct Description;

#[derive(Clone)]
struct Api {
    pool: Pool,
    handle: Handle<Order>,
    placing: Placing,
    client_rate: ClientRate,
    waiters: std::sync::Arc<Waiters>,
}

fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(place_order, list_orders))
        .routes(routes!(get_order))
        .routes(routes!(cancel_order))
        .merge(products::routes())
}

pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    routes().into_openapi()
}

pub(crate) fn router(parts: Parts<Program>) -> Router {
    let placing = Placing::start(
        parts.database.session(Purpose::new("placing").limited_to(PLACING_LIMIT)),
        &parts.handle,
        Duration::from_millis(parts.settings.place_linger_ms),
        Duration::from_secs(parts.settings.order_deadline_s.into()),
    );
    let settings = parts.settings;
    let client_rate = ClientRate::new(settings.client_rate_max, settings.client_address_header);
    let waiters = parts.service.waiters.clone();
    let api = Api { pool: parts.pool, handle: parts.handle, placing, client_rate, waiters };
    let (router, _) = routes().split_for_parts();
    router.with_state(api)
}

/// An order to be placed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PlaceOrder {
    /// The customer, as the shop names them; 1 to 64 characters.
    #[schema(example = "c-42")]
    customer_id: String,
    /// 1 to 100 lines.
    lines: Vec<OrderLine>,
    /// How the customer pays, as the payment provider names it; 1 to 100 characters.
    #[schema(example = "pm_card_visa")]
    payment_method: String,
    recipient: RecipientBody,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OrderLine {
    /// 1 to 64 letters, digits, `.`, `_` or `-`.
    #[schema(value_type = String, example = "tea")]
    sku: String,
    /// 1 to 1,000,000 pieces.
    #[schema(example = 2)]
    quantity: u32,
}

/// Who gets the parcel and the messages.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RecipientBody {
    #[schema(example = "Ada Lovelace")]
    name: String,
    #[schema(example = "ada@example.org")]
    email: String,
    #[schema(example = "12 St James's Square")]
    street: String,
    #[schema(example = "London")]
    city: String,
    #[schema(example = "SW1Y 4JH")]
    postal_code: String,
    /// ISO 3166-1 alpha-2.
    #[schema(example = "GB")]
    country: String,
}

impl std::fmt::Debug for RecipientBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecipientBody").finish_non_exhaustive()
    }
}

/// An amount of money.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MoneyBody {
    /// Minor units of the currency, such as cents.
    #[schema(example = 450)]
    amount: i64,
    /// ISO 4217.
    #[schema(value_type = String, example = "EUR")]
    currency: kernel::Currency,
}

impl From<Money> for MoneyBody {
    fn from(money: Money) -> Self {
        Self { amount: money.amount, currency: money.currency }
    }
}

/// An order.
#[derive(Debug, Serialize, ToSchema)]
struct OrderBody {
    order_id: Uuid,
    customer_id: String,
    status: Status,
    /// Why it was cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<CancelReasonBody>)]
    cancel_reason: Option<CancelReason>,
    lines: Vec<PricedLine>,
    total: MoneyBody,
    #[schema(value_type = String, format = DateTime)]
    placed_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// When it is cancelled if it is not paid by then.
    #[schema(value_type = String, format = DateTime)]
    deadline_at: Timestamp,
}

/// Only here to describe the values.
#[allow(dead_code)]
#[derive(ToSchema)]
#[schema(rename_all = "snake_case", as = CancelReason)]
enum CancelReasonBody {
    OutOfStock,
    PaymentFailed,
    ShipmentFailed,
    TimedOut,
    CustomerRequest,
    NeverPlaced,
}

#[derive(Debug, Serialize, ToSchema)]
struct PricedLine {
    #[schema(value_type = String)]
    sku: Sku,
    #[schema(value_type = u32)]
    quantity: Quantity,
    unit_price: MoneyBody,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    Placed,
    Confirmed,
    Completed,
    Cancelled,
}

impl Status {
    /// The values of the column that show as this status.
    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Placed => &["placed", "shipped_ahead"],
            Self::Confirmed => &["confirmed"],
            Self::Completed => &["completed"],
            Self::Cancelled => &["cancelled"],
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Confirmed => "confirmed",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl From<store::Order> for OrderBody {
    fn from(order: store::Order) -> Self {
        let (status, cancel_reason) = match order.state {
            OrderState::Unseen | OrderState::Placed | OrderState::ShippedAhead => {
                (Status::Placed, None)
            }
            OrderState::Confirmed => (Status::Confirmed, None),
            OrderState::Completed => (Status::Completed, None),
            OrderState::Cancelled { reason } => (Status::Cancelled, Some(reason)),
        };
        let priced = |line: Line| PricedLine {
            sku: line.sku,
            quantity: line.quantity,
            unit_price: line.unit_price.into(),
        };
        Self {
            order_id: order.id.0,
            customer_id: order.customer_id,
            status,
            cancel_reason,
            lines: order.lines.into_iter().map(priced).collect(),
            total: order.total.into(),
            placed_at: order.placed_at,
            updated_at: order.updated_at,
            deadline_at: order.deadline_at,
        }
    }
}

/// The client keeps to its rate. Looked at before the body is read.
struct WithinRate;

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
    params(("Idempotency-Key" = String, Header,
        description = "Names this request: 1 to 255 visible ASCII characters, such as a UUID.")),
    request_body = PlaceOrder,
    responses(
        (status = 201, description = "The order is placed", body = OrderBody,
            headers(("Location" = String, description = "Where the order is"))),
        (status = 400, description = "No key, or malformed", body = Problem),
        (status = 409, description = "The same request is being worked on", body = Problem),
        (status = 422, description = "Not an order, or the key was used for another one",
            body = Problem),
        (status = 429, description = "This client is too fast; see `Retry-After`",
            body = Problem),
        (status = 503, description = "Come again after `Retry-After`", body = Problem),
    )
)]
async fn place_order(
    State(api): State<Api>,
    _: WithinRate,
    RequestCause(cause): RequestCause,
    headers: HeaderMap,
    Json(body): Json<PlaceOrder>,
) -> Result<Response, Problem> {
    let idempotency_key = idempotency_key(&headers)?;
    let lines = check(&body)?;
    if api.handle.is_behind() {
        return Err(come_again("events cannot be published fast enough at the moment"));
    }
    let request = Request {
        idempotency_key,
        hash: hash(&body),
        customer_id: body.customer_id,
        lines,
        payment_method: body.payment_method,
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
        Answer::Placed(order) => {
            let location = format!("/orders/{}", order.id);
            let body = Json(OrderBody::from(*order));
            Ok((StatusCode::CREATED, [(LOCATION, location)], body).into_response())
        }
        Answer::KeyReused => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency-key-reused",
            "The key was used for another request",
            "this Idempotency-Key came with another body before; use a new key for a new order",
        )),
        Answer::NotForSale(lines) => Err(Problem::validation(
            lines
                .into_iter()
                .map(|at| FieldError::new(format!("/lines/{at}/sku"), "is not in the catalogue")),
        )),
        Answer::NoTotal => Err(Problem::validation([FieldError::new(
            "/lines",
            "the prices do not add up: they are in different currencies, or too large",
        )])),
        Answer::ComeAgain(reason) => {
            tracing::info!(reason, "told a client to come again");
            Err(come_again("the order could not be stored; send the same request again"))
        }
    }
}

fn come_again(detail: &str) -> Problem {
    Problem::unavailable(detail, 1)
}

/// The same for two bodies that say the same, whatever their white space and order of fields.
fn hash(body: &PlaceOrder) -> Vec<u8> {
    // The type has no maps with keys that JSON could not hold.
    Sha256::digest(serde_json::to_vec(body).unwrap_or_default()).to_vec()
}

impl From<RecipientBody> for Recipient {
    fn from(body: RecipientBody) -> Self {
        let RecipientBody { name, email, street, city, postal_code, country } = body;
        Self { name, email, street, city, postal_code, country }
    }
}

/// See how an order fares
///
/// With `Prefer: wait=N` the answer comes as soon as the order is completed or cancelled, or
/// after N seconds (60 at most) as it is then.
#[utoipa::path(
    get,
    path = "/orders/{id}",
    params(
        ("id" = Uuid, Path, description = "The order's id"),
        ("Prefer" = Option<String>, Header, description = "`wait=N`, in seconds (RFC 7240)"),
    ),
    responses(
        (status = 200, description = "The order", body = OrderBody),
        (status = 404, description = "No such order", body = Problem),
    )
)]
async fn get_order(
    State(api): State<Api>,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = OrderId(id);
    let Some(wait) = preferred_wait(&headers) else {
        return Ok(Json(OrderBody::from(find(&api.pool, id).await?)).into_response());
    };
    let order = settled(&api, id, Instant::now() + wait).await?;
    let applied = HeaderValue::try_from(format!("wait={}", wait.as_secs()));
    let mut response = Json(OrderBody::from(order)).into_response();
    response.headers_mut().extend(applied.ok().map(|value| (PREFERENCE_APPLIED, value)));
    Ok(response)
}

/// The order once it is in an end state, or as it is at `until`.
async fn settled(api: &Api, id: OrderId, until: Instant) -> Result<store::Order, Problem> {
    let waiting = api.waiters.wait_for(id);
    loop {
        let change = waiting.change();
        let order = find(&api.pool, id).await?;
        let terminal = matches!(order.state, OrderState::Completed | OrderState::Cancelled { .. });
        if terminal || Instant::now() >= until {
            return Ok(order);
        }
        // Another instance's change is not heard of here, so look from time to time.
        let next_look = until.min(Instant::now() + LOOK_EVERY);
        let _ = tokio::time::timeout_at(next_look, change).await;
    }
}

fn preferred_wait(headers: &HeaderMap) -> Option<Duration> {
    let preferences = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let seconds = preferences
        .flat_map(|value| value.split([',', ';']))
        .find_map(|preference| preference.trim().strip_prefix("wait=")?.parse::<u64>().ok())?;
    Some(Duration::from_secs(seconds.min(WAIT_MAX_S)))
}

async fn find(pool: &Pool, id: OrderId) -> Result<store::Order, Problem> {
    store::find(pool, id)
        .await?
        .ok_or_else(|| Problem::not_found(format!("there is no order {id}")))
}

/// Cancel an order
///
/// Possible until it is confirmed. Cancelling a cancelled order changes nothing.
#[utoipa::path(
    post,
    path = "/orders/{id}/cancel",
    params(("id" = Uuid, Path, description = "The order's id")),
    responses(
        (status = 200, description = "The order is cancelled", body = OrderBody),
        (status = 404, description = "No such order", body = Problem),
        (status = 409, description = "It is too late", body = Problem),
    )
)]
async fn cancel_order(
    State(api): State<Api>,
    RequestCause(cause): RequestCause,
    Path(id): Path<Uuid>,
) -> Result<Json<OrderBody>, Problem> {
    let id = OrderId(id);
    find(&api.pool, id).await?;
    api.handle.submit(id, "CancelRequested", Input::CancelRequested, cause).await?;
    let order = find(&api.pool, id).await?;
    if let OrderState::Cancelled { .. } = order.state {
        return Ok(Json(order.into()));
    }
    let body = OrderBody::from(order);
    Err(Problem::conflict(
        "too-late-to-cancel",
        "The order can no longer be cancelled",
        format!("order {id} is {}", body.status.as_str()),
    )
    .with_extension("order_status", body.status.as_str()))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListOrders {
    /// Only this customer's.
    customer_id: Option<String>,
    /// Only those in this status.
    status: Option<Status>,
    /// Go on after this order: the `next` of the page before.
    after: Option<Uuid>,
    /// The most orders of a page, 1 to 200.
    #[serde(default = "page_default")]
    #[param(default = 50)]
    limit: u16,
}

fn page_default() -> u16 {
    50
}

fn page_limit(limit: u16) -> Result<i64, Problem> {
    if (1..=PAGE_MAX).contains(&limit) {
        Ok(limit.into())
    } else {
        Err(Problem::bad_request(format!("limit is {limit}, but must be 1 to {PAGE_MAX}")))
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct OrderPage {
    orders: Vec<OrderBody>,
    /// For `after`, if there may be more.
    next: Option<Uuid>,
}

/// List orders, newest first
#[utoipa::path(
    get,
    path = "/orders",
    params(ListOrders),
    responses(
        (status = 200, description = "A page of orders", body = OrderPage),
        (status = 400, description = "A parameter does not fit", body = Problem),
    )
)]
async fn list_orders(
    State(api): State<Api>,
    Query(query): Query<ListOrders>,
) -> Result<Json<OrderPage>, Problem> {
    let limit = page_limit(query.limit)?;
    if let Some(detail) = query.customer_id.as_deref().and_then(|id| check_text(id, 64).err()) {
        return Err(Problem::bad_request(format!("customer_id {detail}")));
    }
    let filter = Filter {
        customer_id: query.customer_id,
        statuses: query.status.map(Status::columns),
        after: query.after.map(OrderId),
        limit,
    };
    let found = store::list(&api.pool, &filter).await?;
    let full = found.len() == usize::from(query.limit);
    let next = found.last().filter(|_| full).map(|order| order.id.0);
    Ok(Json(OrderPage { orders: found.into_iter().map(OrderBody::from).collect(), next }))
}
