use axum::extract::State;
use messaging::Pool;
use runtime::Problem;
use runtime::http::{Id, Json, Path, schema};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::SHIPMENTS;
use crate::domain::{Shipment, State as Stored};
use crate::events::OrderId;

#[derive(OpenApi)]
#[openapi(
    info(title = "Farandole: shipping", description = "Tells how orders are shipped."),
    tags((name = "shipments", description = "How orders are shipped"))
)]
struct Description;

pub(crate) fn routes() -> OpenApiRouter<Pool> {
    OpenApiRouter::with_openapi(Description::openapi()).routes(routes!(get_shipment))
}

/// The shipment of an order.
#[derive(Debug, Serialize, ToSchema)]
struct ShipmentBody {
    #[schema(value_type = schema::Id)]
    order_id: Uuid,
    status: Status,
    /// The carrier's id of the shipment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    shipment_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    carrier: Option<String>,
    /// What the customer follows the parcel by.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tracking_number: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
}

/// Where a shipment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// The order is not confirmed, or not known yet.
    Awaiting,
    /// The carrier was asked.
    Booking,
    Created,
    /// Refused, for good.
    Failed,
    /// The order was cancelled before anything was booked.
    Void,
}

impl ShipmentBody {
    fn new(order_id: Uuid, state: Stored) -> Self {
        let empty = |status| Self {
            order_id,
            status,
            shipment_id: None,
            carrier: None,
            tracking_number: None,
            reason: None,
        };
        match state {
            Stored::Unseen | Stored::AwaitingOrder | Stored::AwaitingConfirmation { .. } => {
                empty(Status::Awaiting)
            }
            Stored::Booking => empty(Status::Booking),
            Stored::Created(Shipment { shipment_id, carrier, tracking_number }) => Self {
                shipment_id: Some(shipment_id),
                carrier: Some(carrier),
                tracking_number: Some(tracking_number),
                ..empty(Status::Created)
            },
            Stored::Failed { reason } => Self { reason: Some(reason), ..empty(Status::Failed) },
            Stored::Void => empty(Status::Void),
        }
    }
}

/// See how an order is shipped
#[utoipa::path(
    get,
    path = "/shipments/{order_id}",
    params(("order_id" = inline(schema::Id), Path)),
    responses(
        (status = 200, description = "The shipment", body = ShipmentBody),
        (status = 404, description = "Nothing is known of this order", body = Problem),
    )
)]
async fn get_shipment(
    State(pool): State<Pool>,
    Path(Id(order_id)): Path<Id>,
) -> Result<Json<ShipmentBody>, Problem> {
    let shipment = SHIPMENTS.find(&pool, OrderId(order_id)).await?.ok_or_else(|| {
        Problem::not_found(format!("nothing is known of a shipment for order {order_id}"))
    })?;
    Ok(Json(ShipmentBody::new(order_id, shipment)))
}
