//! One order: how it fares, and its cancellation.

use std::time::Duration;

use axum::extract::State;
use axum::http::header::VARY;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use messaging::Pool;
use runtime::Problem;
use runtime::http::{Current, Id, Json, NoBody, Path, Preconditions, RequestCause, schema};
use tokio::time::Instant;

use super::Api;
use super::bodies::OrderBody;
use super::prefer::preference;
use crate::domain::{Input, State as OrderState};
use crate::events::OrderId;
use crate::store;

/// The longest `Prefer: wait`, in seconds; longer wishes are cut to it.
const WAIT_MAX_S: u64 = 60;
/// While waiting, the row is looked at this often for changes by other instances.
const LOOK_EVERY: Duration = Duration::from_millis(500);

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// See how an order fares
///
/// With `Prefer: wait=N` the answer comes as soon as the order is completed or cancelled, or
/// after N seconds (60 at most) as it is then; at once if the service stops meanwhile.
#[utoipa::path(
    get,
    path = "/orders/{id}",
    params(
        ("id" = inline(schema::Id), Path),
        ("Prefer" = Option<String>, Header, description = "`wait=N`, in seconds (RFC 7240)"),
    ),
    responses(
        (status = 200, description = "The order", body = OrderBody, headers(
            ("Preference-Applied" = String, description = "How long was waited at most: `wait=N`"),
            ("Vary" = String, description = "`Prefer`"),
        )),
        (status = 404, description = "No such order", body = Problem),
    )
)]
pub(super) async fn get_order(
    State(api): State<Api>,
    Path(Id(id)): Path<Id>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = OrderId(id);
    let vary = [(VARY, HeaderValue::from_static("Prefer"))];
    let Some(wait) = preferred_wait(&headers) else {
        let order = find(&api.pool, id).await?;
        return Ok((vary, Json(OrderBody::from(order))).into_response());
    };
    let order = settled(&api, id, Instant::now() + wait).await?;
    let applied = HeaderValue::try_from(format!("wait={}", wait.as_secs()));
    let mut response = (vary, Json(OrderBody::from(order))).into_response();
    response.headers_mut().extend(applied.ok().map(|value| (PREFERENCE_APPLIED, value)));
    Ok(response)
}

/// The order once it is in an end state, or as it is at `until`, or when the service stops.
async fn settled(api: &Api, id: OrderId, until: Instant) -> Result<store::Order, Problem> {
    let waiting = api.waiters.wait_for(id);
    loop {
        let change = waiting.change();
        let order = find(&api.pool, id).await?;
        let terminal = matches!(order.state, OrderState::Completed | OrderState::Cancelled { .. });
        if terminal || Instant::now() >= until || api.shutdown.is_cancelled() {
            return Ok(order);
        }
        // Another instance's change is not heard of here, so look from time to time.
        let next_look = until.min(Instant::now() + LOOK_EVERY);
        let changed = tokio::time::timeout_at(next_look, change);
        let _ = api.shutdown.run_until_cancelled(changed).await;
    }
}

fn preferred_wait(headers: &HeaderMap) -> Option<Duration> {
    let seconds = preference(headers, "wait")?;
    if seconds.is_empty() || !seconds.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // Digits that are no number are more than any.
    Some(Duration::from_secs(seconds.parse().unwrap_or(u64::MAX).min(WAIT_MAX_S)))
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
    params(("id" = inline(schema::Id), Path)),
    responses(
        (status = 200, description = "The order is cancelled", body = OrderBody),
        (status = 404, description = "No such order", body = Problem),
        (status = 409, description = "It is too late: `order_status` says what the order is", body = Problem),
        (status = 412, description = "`If-Match` or `If-None-Match` is not met: orders have no entity tags",
            body = Problem),
        (status = 415, description = "There is a body that is said not to be JSON", body = Problem),
    )
)]
pub(super) async fn cancel_order(
    State(api): State<Api>,
    RequestCause(cause): RequestCause,
    Path(Id(id)): Path<Id>,
    preconditions: Preconditions,
    _: NoBody,
) -> Result<Json<OrderBody>, Problem> {
    let id = OrderId(id);
    find(&api.pool, id).await?;
    preconditions.check(Current::Untagged)?;
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
