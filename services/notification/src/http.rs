use axum::Router;
use axum::extract::State;
use kernel::OrderId;
use messaging::Pool;
use runtime::http::{Json, Path};
use runtime::{Parts, Problem};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::Program;
use crate::domain::{Message, State as Notifications};
use crate::events::Outcome;
use crate::store::NOTIFICATIONS;

#[derive(OpenApi)]
#[openapi(info(
    title = "Farandole: notification",
    description = "Tells what customers were told."
))]
struct Description;

fn routes() -> OpenApiRouter<Pool> {
    OpenApiRouter::with_openapi(Description::openapi()).routes(routes!(get_notifications))
}

pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    routes().into_openapi()
}

pub(crate) fn router(parts: Parts<Program>) -> Router {
    let (router, _) = routes().split_for_parts();
    router.with_state(parts.pool)
}

/// The messages to the customer of an order.
#[derive(Debug, Serialize, ToSchema)]
struct NotificationsBody {
    order_id: Uuid,
    messages: Vec<MessageBody>,
}

#[derive(Debug, Serialize, ToSchema)]
struct MessageBody {
    /// What it tells: `confirmed`, `completed` or `cancelled`.
    #[schema(value_type = String)]
    outcome: Outcome,
    status: Status,
    /// The mail's `Message-ID`.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    /// Why it was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// It is not known yet to whom it goes, or another is being sent.
    Waiting,
    /// The mail server was asked.
    Sending,
    Sent,
    /// Given up, unless an operator has it sent after all.
    Failed,
    /// Not sent, for later news came before.
    Overtaken,
}

impl MessageBody {
    fn new(outcome: Outcome, message: Message) -> Self {
        let (status, message_id, reason) = match message {
            Message::Waiting => (Status::Waiting, None, None),
            Message::Sending => (Status::Sending, None, None),
            Message::Sent { message_id } => (Status::Sent, Some(message_id), None),
            Message::Failed { reason } => (Status::Failed, None, Some(reason)),
            Message::Overtaken => (Status::Overtaken, None, None),
        };
        Self { outcome, status, message_id, reason }
    }
}

/// See what the customer of an order was told
#[utoipa::path(
    get,
    path = "/notifications/{order_id}",
    params(("order_id" = Uuid, Path, description = "The order's id")),
    responses(
        (status = 200, description = "The messages", body = NotificationsBody),
        (status = 404, description = "Nothing is known of this order", body = Problem),
    )
)]
async fn get_notifications(
    State(pool): State<Pool>,
    Path(order_id): Path<Uuid>,
) -> Result<Json<NotificationsBody>, Problem> {
    let found: Option<Notifications> = NOTIFICATIONS.find(&pool, OrderId(order_id)).await?;
    let found = found.ok_or_else(|| {
        Problem::not_found(format!("nothing is known of notifications for order {order_id}"))
    })?;
    let messages = found
        .messages
        .into_iter()
        .map(|(outcome, message)| MessageBody::new(outcome, message))
        .collect();
    Ok(Json(NotificationsBody { order_id, messages }))
}
