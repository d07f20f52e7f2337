use axum::Router;
use axum::extract::State;
use kernel::{InvalidSku, OrderId, Quantity, Sku};
use messaging::Pool;
use runtime::http::{Json, Path};
use runtime::{FieldError, Parts, Problem};
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::Program;
use crate::domain::{Level, State as Reservation};
use crate::store::{self, RESERVATIONS};

/// The most pieces of one SKU on hand: no sum of levels comes near what a number can hold.
const ON_HAND_MAX: i64 = 1_000_000_000_000;

#[derive(OpenApi)]
#[openapi(info(
    title = "Farandole: inventory",
    description = "Keeps the stock, and tells what is reserved for orders."
))]
struct Description;

fn routes() -> OpenApiRouter<Pool> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(put_stock, get_stock))
        .routes(routes!(get_reservation))
}

pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    routes().into_openapi()
}

pub(crate) fn router(parts: Parts<Program>) -> Router {
    let (router, _) = routes().split_for_parts();
    router.with_state(parts.pool)
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PutStock {
    /// How many pieces are there now, the reserved ones included.
    #[schema(example = 100, minimum = 0)]
    on_hand: i64,
}

/// Where the pieces of a SKU are.
#[derive(Debug, Serialize, ToSchema)]
struct StockBody {
    #[schema(value_type = String)]
    sku: Sku,
    /// Pieces an order can have.
    available: u64,
    /// Pieces set aside for orders.
    reserved: u64,
    /// Pieces gone to customers.
    shipped: u64,
}

impl StockBody {
    fn new(sku: Sku, level: Level) -> Self {
        let Level { available, reserved, shipped } = level;
        Self { sku, available, reserved, shipped }
    }
}

/// Say how many pieces are on hand
#[utoipa::path(
    put,
    path = "/stock/{sku}",
    params(("sku" = String, Path, description = "1 to 64 letters, digits, `.`, `_` or `-`")),
    request_body = PutStock,
    responses(
        (status = 200, description = "The stock as it is now", body = StockBody),
        (status = 409, description = "More than that are reserved", body = Problem),
        (status = 422, description = "Not a number of pieces", body = Problem),
    )
)]
async fn put_stock(
    State(pool): State<Pool>,
    Path(sku): Path<String>,
    Json(body): Json<PutStock>,
) -> Result<Json<StockBody>, Problem> {
    let sku = parse(&sku)?;
    if !(0..=ON_HAND_MAX).contains(&body.on_hand) {
        let detail = format!("must be 0 to {ON_HAND_MAX} pieces");
        return Err(Problem::validation([FieldError::new("/on_hand", detail)]));
    }
    let level = store::put_on_hand(&pool, &sku, body.on_hand).await?.ok_or_else(|| {
        Problem::conflict(
            "stock-reserved",
            "More pieces are reserved",
            format!("more than {} pieces of {sku} are reserved for orders", body.on_hand),
        )
    })?;
    Ok(Json(StockBody::new(sku, level)))
}

/// See where the pieces of a SKU are
#[utoipa::path(
    get,
    path = "/stock/{sku}",
    params(("sku" = String, Path, description = "1 to 64 letters, digits, `.`, `_` or `-`")),
    responses(
        (status = 200, description = "The stock", body = StockBody),
        (status = 404, description = "It was never put on hand", body = Problem),
    )
)]
async fn get_stock(
    State(pool): State<Pool>,
    Path(sku): Path<String>,
) -> Result<Json<StockBody>, Problem> {
    let sku = parse(&sku)?;
    let level = store::find_level(&pool, &sku)
        .await?
        .ok_or_else(|| Problem::not_found(format!("{sku} was never put on hand")))?;
    Ok(Json(StockBody::new(sku, level)))
}

fn parse(sku: &str) -> Result<Sku, Problem> {
    sku.parse().map_err(|error: InvalidSku| Problem::bad_request(error.to_string()))
}

/// What is reserved for an order.
#[derive(Debug, Serialize, ToSchema)]
struct ReservationBody {
    order_id: Uuid,
    status: Status,
    lines: Vec<LineBody>,
}

#[derive(Debug, Serialize, ToSchema)]
struct LineBody {
    #[schema(value_type = String)]
    sku: Sku,
    #[schema(value_type = u32)]
    quantity: Quantity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// The order is not known yet.
    Awaiting,
    Reserved,
    /// A line was short or unknown, so nothing is reserved.
    Rejected,
    /// The order was cancelled, the pieces are available again.
    Released,
    Shipped,
    /// The order was cancelled before anything was reserved.
    Void,
}

impl ReservationBody {
    fn new(order_id: Uuid, reservation: Reservation) -> Self {
        let (status, lines) = match reservation {
            Reservation::Unseen | Reservation::ShippedAhead => (Status::Awaiting, Vec::new()),
            Reservation::Reserved { lines } => (Status::Reserved, lines),
            Reservation::Rejected => (Status::Rejected, Vec::new()),
            Reservation::Released { lines } => (Status::Released, lines),
            Reservation::Shipped { lines } => (Status::Shipped, lines),
            Reservation::Void => (Status::Void, Vec::new()),
        };
        let lines = lines
            .into_iter()
            .map(|line| LineBody { sku: line.sku, quantity: line.quantity })
            .collect();
        Self { order_id, status, lines }
    }
}

/// See what is reserved for an order
#[utoipa::path(
    get,
    path = "/reservations/{order_id}",
    params(("order_id" = Uuid, Path, description = "The order's id")),
    responses(
        (status = 200, description = "The reservation", body = ReservationBody),
        (status = 404, description = "Nothing is known of this order", body = Problem),
    )
)]
async fn get_reservation(
    State(pool): State<Pool>,
    Path(order_id): Path<Uuid>,
) -> Result<Json<ReservationBody>, Problem> {
    let reservation = RESERVATIONS.find(&pool, OrderId(order_id)).await?.ok_or_else(|| {
        Problem::not_found(format!("nothing is known of a reservation for order {order_id}"))
    })?;
    Ok(Json(ReservationBody::new(order_id, reservation)))
}
