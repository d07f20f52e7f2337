use axum::extract::State;
use kernel::Money;
use messaging::Pool;
use runtime::Problem;
use runtime::http::{Id, Json, MoneyBody, Path, schema};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::PAYMENTS;
use crate::domain::State as Payment;
use crate::events::OrderId;

#[derive(OpenApi)]
#[openapi(
    info(title = "Farandole: payment", description = "Tells how orders are paid."),
    tags((name = "payments", description = "How orders are paid"))
)]
struct Description;

pub(crate) fn routes() -> OpenApiRouter<Pool> {
    OpenApiRouter::with_openapi(Description::openapi()).routes(routes!(get_payment))
}

/// The payment of an order.
#[derive(Debug, Serialize, ToSchema)]
struct PaymentBody {
    #[schema(value_type = schema::Id)]
    order_id: Uuid,
    status: Status,
    /// What is or was to be paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    amount: Option<MoneyBody>,
    /// The provider's id of the charge.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    charge_id: Option<String>,
    /// The provider's id of the refund.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refund_id: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
}

/// Where a payment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// The stock is not reserved, or the order not known yet.
    Awaiting,
    /// The provider was asked.
    Charging,
    Charged,
    /// Declined, for good.
    Failed,
    /// The order was cancelled, the money goes back.
    Refunding,
    Refunded,
    /// The order was cancelled before anything was charged.
    Void,
}

impl PaymentBody {
    fn new(order_id: Uuid, payment: Payment) -> Self {
        let empty = |status, amount: Option<Money>| Self {
            order_id,
            status,
            amount: amount.map(MoneyBody::from),
            charge_id: None,
            refund_id: None,
            reason: None,
        };
        match payment {
            Payment::Unseen | Payment::AwaitingOrder => empty(Status::Awaiting, None),
            Payment::AwaitingStock { amount, .. } => empty(Status::Awaiting, Some(amount)),
            Payment::Charging { amount, .. } => empty(Status::Charging, Some(amount)),
            Payment::Charged { charge_id, amount } => {
                Self { charge_id: Some(charge_id), ..empty(Status::Charged, Some(amount)) }
            }
            Payment::Refunding { charge_id, amount } => {
                Self { charge_id: Some(charge_id), ..empty(Status::Refunding, Some(amount)) }
            }
            Payment::Refunded { charge_id, refund_id, amount } => Self {
                charge_id: Some(charge_id),
                refund_id: Some(refund_id),
                ..empty(Status::Refunded, Some(amount))
            },
            Payment::Failed { reason } => {
                Self { reason: Some(reason), ..empty(Status::Failed, None) }
            }
            Payment::Void => empty(Status::Void, None),
        }
    }
}

/// See how an order is paid
#[utoipa::path(
    get,
    path = "/payments/{order_id}",
    params(("order_id" = inline(schema::Id), Path)),
    responses(
        (status = 200, description = "The payment", body = PaymentBody),
        (status = 404, description = "Nothing is known of this order", body = Problem),
    )
)]
async fn get_payment(
    State(pool): State<Pool>,
    Path(Id(order_id)): Path<Id>,
) -> Result<Json<PaymentBody>, Problem> {
    let payment = PAYMENTS.find(&pool, OrderId(order_id)).await?.ok_or_else(|| {
        Problem::not_found(format!("nothing is known of a payment for order {order_id}"))
    })?;
    Ok(Json(PaymentBody::new(order_id, payment)))
}
