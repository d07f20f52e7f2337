//! The inventory service's API.

mod stock;

use axum::extract::{FromRef, State};
use kernel::{Quantity, Sku};
use messaging::Pool;
use runtime::http::{Id, Json, Path, schema};
use runtime::{AppContext, Problem};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::domain::State as Reservation;
use crate::events::OrderId;
use crate::store::RESERVATIONS;
use crate::{Inventory, reserved};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Farandole: inventory",
        description = "Keeps the stock, and tells what is reserved for orders."
    ),
    tags(
        (name = "stock", description = "Where the pieces of each SKU are"),
        (name = "reservations", description = "What is reserved for orders"),
    )
)]
struct Description;

/// What requests are answered with.
#[derive(Debug, Clone)]
pub struct Api(Pool);

impl From<AppContext<Inventory>> for Api {
    fn from(context: AppContext<Inventory>) -> Self {
        reserved::watch(&context);
        Self(context.pool)
    }
}

impl FromRef<Api> for Pool {
    fn from_ref(Api(pool): &Api) -> Self {
        pool.clone()
    }
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(get_reservation))
        .merge(stock::routes())
}

/// What is reserved for an order.
#[derive(Debug, Serialize, ToSchema)]
struct ReservationBody {
    #[schema(value_type = schema::Id)]
    order_id: Uuid,
    status: Status,
    lines: Vec<LineBody>,
}

/// Pieces of one SKU.
#[derive(Debug, Serialize, ToSchema)]
struct LineBody {
    #[schema(value_type = schema::Sku)]
    sku: Sku,
    /// Pieces.
    #[schema(value_type = u32, minimum = 1, maximum = 1_000_000)]
    quantity: Quantity,
}

/// Where a reservation is.
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
    params(("order_id" = inline(schema::Id), Path)),
    responses(
        (status = 200, description = "The reservation", body = ReservationBody),
        (status = 404, description = "Nothing is known of this order", body = Problem),
    )
)]
async fn get_reservation(
    State(pool): State<Pool>,
    Path(Id(order_id)): Path<Id>,
) -> Result<Json<ReservationBody>, Problem> {
    let reservation = RESERVATIONS.find(&pool, OrderId(order_id)).await?.ok_or_else(|| {
        Problem::not_found(format!("nothing is known of a reservation for order {order_id}"))
    })?;
    Ok(Json(ReservationBody::new(order_id, reservation)))
}
