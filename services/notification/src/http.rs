use axum::extract::State;
use messaging::Pool;
use runtime::Problem;
use runtime::http::{Id, Json, Path, schema};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::NOTIFICATIONS;
use crate::domain::{Message, State as Notifications};
use crate::events::{OrderId, Outcome};

#[derive(OpenApi)]
#[openapi(
    info(title = "Farandole: notification", description = "Tells what customers were told."),
    tags((name = "notifications", description = "What customers were told"))
)]
struct Description;

pub(crate) fn routes() -> OpenApiRouter<Pool> {
    OpenApiRouter::with_openapi(Description::openapi()).routes(routes!(get_notifications))
}

/// The messages to the customer of an order.
#[derive(Debug, Serialize, ToSchema)]
struct NotificationsBody {
    #[schema(value_type = schema::Id)]
    order_id: Uuid,
    messages: Vec<MessageBody>,
}

/// A message to the customer.
#[derive(Debug, Serialize, ToSchema)]
struct MessageBody {
    outcome: Outcome,
    status: Status,
    /// The mail's `Message-ID`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message_id: Option<String>,
    /// Why it was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
}

/// Where a message is.
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
    params(("order_id" = inline(schema::Id), Path)),
    responses(
        (status = 200, description = "The messages", body = NotificationsBody),
        (status = 404, description = "Nothing is known of this order", body = Problem),
    )
)]
async fn get_notifications(
    State(pool): State<Pool>,
    Path(Id(order_id)): Path<Id>,
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
